"""Image folders, augmentation and transfer learning, from the command line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from conftest import DATA, Run, equal, run_folder, weights

PLAIN = ("experiment=null", "trainer=cpu", "logger=none", "scheduler=one_cycle", "data=image_folder", "data.channels=1")
SMALL = ("data.image_size=null", "data.batch_size=16", "regularization.normalization=batch", "model=digits_cnn")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as PNG files in folders: low/ holds the classes 0 to 4, high/ 5 to 9."""
    root = tmp_path_factory.mktemp("digits")
    bunch = load_digits()
    for number, (image, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):
        folder = root / ("low" if label < 5 else "high") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).astype(np.uint8)).save(folder / f"{number}.png")
    return root


def _train(paribus: Run, digits: Path, half: str, epochs: int, *typed: str) -> tuple[Path, float]:
    """The run folder and the test accuracy."""
    code, out, err = paribus(
        "train", *PLAIN, *SMALL, f"data.path={digits / half}", f"trainer.max_epochs={epochs}", *typed
    )
    assert (code, err) == (0, "")
    accuracy = next(line for line in out.splitlines() if "test/accuracy" in line)
    return run_folder(out), float(accuracy.split()[1])


def test_fine_tuning_beats_scratch_at_equal_epochs(paribus: Run, digits: Path) -> None:
    """Weights trained on the digits 0 to 4, and 25 images of 5 to 9 to learn from: three seeds, each in pairs."""
    pretrained, accuracy = _train(paribus, digits, "low", 4)
    assert accuracy > 0.9
    few = ("data.train_fraction=0.04", "data.batch_size=8", "optimizer=momentum", "optimizer.lr=0.01")
    from_there = f"model.weights={pretrained / 'checkpoints' / 'best.ckpt'}"
    tuned, scratch = [], []
    for seed in range(3):
        typed = (*few, f"seed={seed}")
        tuned.append(_train(paribus, digits, "high", 3, *typed, from_there)[1])
        scratch.append(_train(paribus, digits, "high", 3, *typed)[1])
    assert all(one > other for one, other in zip(tuned, scratch, strict=True)), (tuned, scratch)
    assert np.mean(tuned) > np.mean(scratch) + 0.03


def test_a_fine_tuned_run_needs_its_weights_file_no_more(paribus: Run, digits: Path, tmp_path: Path) -> None:
    pretrained, _ = _train(paribus, digits, "low", 1, "data.train_fraction=0.2")
    file = pretrained / "checkpoints" / "best.ckpt"
    folder, accuracy = _train(
        paribus, digits, "high", 1, f"model.weights={file}", "fine_tuning=head_only", "data.train_fraction=0.2"
    )
    before, after = weights(pretrained), weights(folder)
    backbone = [name for name in before if "output" not in name]
    assert backbone and all(torch.equal(before[name], after[name]) for name in backbone)  # frozen, statistics too
    assert not torch.equal(before["model.output.weight"], after["model.output.weight"])
    file.unlink()
    code, out, err = paribus("evaluate", f"run={folder}")
    assert (code, err) == (0, "") and f"{accuracy:.4f}" in out and "the same as stored" in out
    code, _, err = paribus("train", f"resume={folder}", "trainer.max_epochs=2")
    assert (code, err) == (0, "")


def test_a_resumed_run_draws_the_same_augmentation(paribus: Run, digits: Path) -> None:
    typed = ("augmentation=[crop,mixup,cutmix]", "data.train_fraction=0.1", "scheduler=none")
    whole, _ = _train(paribus, digits, "low", 2, *typed)
    stopped, _ = _train(paribus, digits, "low", 1, *typed)
    assert paribus("train", f"resume={stopped}", "trainer.max_epochs=2")[0] == 0
    assert equal(weights(whole), weights(stopped))
    plain, _ = _train(paribus, digits, "low", 2, "data.train_fraction=0.1", "scheduler=none")
    assert not equal(weights(whole), weights(plain))
    assert "augmented" in _names(whole) and "augmented" not in _names(plain)


def _names(folder: Path) -> Sequence[str]:
    return sorted(file.stem for file in (folder / "figures").iterdir())


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder is not here")
def test_photographs_train_and_leave_their_figures(paribus: Run) -> None:
    code, out, err = paribus(
        "train",
        "experiment=hymenoptera_efficientnet",
        f"data.root={DATA}",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "data.train_fraction=0.1",
        "data.image_size=64",
        "data.batch_size=8",
    )
    assert (code, err) == (0, "")
    folder = run_folder(out)
    assert {"augmented", "confusion_matrix", "filters", "per_class", "reliability", "worst_mistakes"} <= set(
        _names(folder)
    )
    assert "path: ${data.root}/hymenoptera-224" in (folder / "config.yaml").read_text()  # follows data.root
    assert (folder / "classes.csv").read_text().startswith("class,examples,")
