"""Your own images: a folder for each class."""

from pathlib import Path

import torch

from paribus.data.archives import SUFFIXES, is_archive, unpacked
from paribus.data.cache_folder import CacheFolder
from paribus.data.decoding import Form
from paribus.data.given_splits import HeldOut, assigned
from paribus.data.image_cache import ImageCache
from paribus.data.image_files import labelled
from paribus.data.loader import Loading
from paribus.data.module import Split, TensorData
from paribus.data.spec import classification_spec
from paribus.data.usable import usable
from paribus.errors import DataError
from paribus.types import BadFiles, Channels, FolderPath, Fraction, ImageScaling, PositiveInt, Resizing, SourcePath


def image_folder(
    loading: Loading,
    num_workers: int,
    *,
    path: SourcePath,
    image_size: PositiveInt | None,
    channels: Channels,
    resizing: Resizing,
    on_bad_file: BadFiles,
    cache: FolderPath,
    validation_fraction: Fraction,
    test_fraction: Fraction,
    scaling: ImageScaling,
) -> TensorData:
    """Class folders, or train/, val/ and test/ with class folders in each; or an archive of such."""
    images = ImageCache(CacheFolder(cache), Form(image_size, channels, resizing), num_workers)
    return folder_data(path, images, on_bad_file, HeldOut(validation_fraction, test_fraction), loading, scaling)


def folder_data(
    path: str, images: ImageCache, on_bad_file: str, held_out: HeldOut, loading: Loading, scaling: str
) -> TensorData:
    """Find, decode and split the images of a folder or archive. Raises DataError with the file, and ConfigError."""
    found = labelled(_folder(Path(path), images.folder), Path(path))
    decoded = images.load(found.files)
    kept, remarks = usable(found.files, decoded, on_bad_file, found.files.names)
    labels = found.labels.only(kept)
    rows, notes = assigned(labels, len(kept), held_out, loading)
    inputs, numbers = torch.from_numpy(decoded.pixels), torch.tensor(kept)
    assert labels.classes is not None
    splits = {name: Split(inputs, labels.classes[index], numbers[index], decoded.key) for name, index in rows.items()}
    spec = classification_spec(tuple(inputs.shape[1:]), labels.class_names)
    data = TensorData(splits, spec, loading, scaling_kind=scaling)
    others = "hidden, without the ending of an image, or in no class folder"
    data.remarks = (*notes, *remarks, *([f"files left out: {found.num_others} ({others})"] if found.num_others else []))
    return data


def _folder(path: Path, cache: CacheFolder) -> Path:
    if path.is_dir():
        return path
    if not path.exists():
        raise DataError(f"{path}: no such folder or archive; set data.path, or data.root where that lies below it")
    if not is_archive(path):
        raise DataError(f"{path} is neither a folder nor an archive ({' '.join(SUFFIXES)}); set data.path to one")
    return unpacked(path, cache)
