"""Finding image files below a folder, and what their folders say of class and split."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import torch

from paribus.data.cache_folder import NO_STAT, Files
from paribus.data.given_splits import Labels, canonical, given_names
from paribus.errors import DataError

ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif"),
    *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif"),
)


@dataclass
class Tree:
    """What is below a root: image files and folders by name, as a/b, and how many other files there are.

    `shown` stands for the root in errors.
    """

    root: Path
    shown: Path
    images: dict[str, tuple[int, ...]] = field(default_factory=dict)  # name -> size, time of change and such
    folders: list[str] = field(default_factory=list)
    num_others: int = 0

    def inner(self, folder: str) -> list[str]:
        """The folders directly in one, sorted."""
        depth = folder.count("/")
        return sorted(each for each in self.folders if each.startswith(folder) and each.count("/") == depth)


@dataclass(frozen=True)
class LabelledFiles:
    """Image files, what their folders say of each, and how many other files there are."""

    files: Files
    labels: Labels
    num_others: int


def scan(root: Path, shown: Path) -> Tree:
    """All below the root. Hidden files and folders are left out; links are followed, but not in circles.

    Raises DataError where a folder cannot be read, and for a name that is no text.
    """
    tree = Tree(root, shown)
    try:
        _walk(root, "", frozenset(), tree)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{error.filename or root} cannot be read: {reason}; set data.path") from None
    return tree


def _walk(folder: Path | str, prefix: str, above: frozenset[tuple[int, int]], tree: Tree) -> None:
    identity = os.stat(folder)  # noqa: PTH116 - Path would take longer than the call, and files are many
    place = (identity.st_dev, identity.st_ino)
    if place in above:  # a link to a folder that this one is in
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            is_hidden = entry.name.startswith(".") or entry.name == "__MACOSX"
            if entry.is_dir():
                if not is_hidden:
                    _check_text(tree, f"{prefix}{entry.name}")
                    tree.folders.append(f"{prefix}{entry.name}")
                    _walk(entry.path, f"{prefix}{entry.name}/", above | {place}, tree)
            elif is_hidden or not entry.name.lower().endswith(ENDINGS):
                tree.num_others += 1
            else:
                _check_text(tree, f"{prefix}{entry.name}")
                _add(tree, f"{prefix}{entry.name}", entry)


def _check_text(tree: Tree, name: str) -> None:
    """Names are written to tables and figures at the end of a run, which takes no other than UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{tree.shown}: the name {name!r} is not UTF-8; rename it") from None


def _add(tree: Tree, name: str, entry: os.DirEntry[str]) -> None:
    try:
        found = entry.stat()
    except OSError:
        tree.images[name] = NO_STAT
        return
    if stat.S_ISREG(found.st_mode):
        tree.images[name] = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    else:
        tree.num_others += 1


def labelled(root: Path, shown: Path) -> LabelledFiles:
    """The image files of class folders below the root, or of class folders in train/ and others. Sorted by name.

    Raises DataError for folders that do not say clearly what is what.
    """
    tree = scan(root, shown)
    tops = _split_folders(tree)
    classes = {inner: top for top in tops or ("",) for inner in _class_folders(tree, top)}
    depth = 2 if tops else 1
    owners = {name: "/".join(name.split("/")[:depth]) for name in sorted(tree.images)}
    owners = {name: owner for name, owner in owners.items() if owner in classes}  # not those beside class folders
    empty = sorted(classes.keys() - set(owners.values()))
    if empty:
        raise DataError(f"{shown / empty[0]} holds no image; put images of the class into it, or delete the folder")
    class_names = sorted({inner.rpartition("/")[2] for inner in classes})
    numbers = {inner: class_names.index(inner.rpartition("/")[2]) for inner in classes}
    labels = Labels(
        torch.tensor([numbers[owner] for owner in owners.values()]),
        tuple(class_names),
        tuple(classes[owner] for owner in owners.values()) if tops else None,
        str(shown),
    )
    files = Files(str(root), tuple(owners), tuple(tree.images[name] for name in owners), str(shown))
    return LabelledFiles(files, labels, tree.num_others + len(tree.images) - len(owners))


def _split_folders(tree: Tree) -> tuple[str, ...]:
    """The folders of splits, if the tree has such: train/ with folders in it, and others beside it."""
    top = tree.inner("")
    train = [folder for folder in top if canonical(folder) == "train"]
    if top and not train and all(map(canonical, top)):
        raise DataError(f"{tree.shown} holds {', '.join(top)} and no train; add a folder train, or set data.path")
    if not train or not tree.inner(f"{train[0]}/"):
        return ()
    return tuple(given_names(top, str(tree.shown)))


def _class_folders(tree: Tree, split: str) -> list[str]:
    """The class folders of a split's folder, or of the root, which is named by no text."""
    inner = tree.inner(f"{split}/" if split else "")
    if not inner:
        hint = "data.path must be a folder with a folder of images for each class"
        below = sum(name.startswith(split) for name in tree.images)
        held = f"{below} images and no class folders" if below else "neither class folders nor images"
        raise DataError(f"{tree.shown / split} holds {held}; {hint}")
    return inner
