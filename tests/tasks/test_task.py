"""What all tasks share: steps of several batches, and the parts that act within a step."""

import json
import shutil
from math import log

import pytest
import torch

from conftest import Run, rows_of, run_folder, weights

IRIS = ("data=iris", "model=mlp", "regularization.normalization=none", "regularization.dropout=0", "trainer=cpu")
PLAIN = (*IRIS, "logger=none", "scheduler=none", "trainer.max_epochs=3")


def _close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


@pytest.mark.parametrize("batches", [2, 3, 7])
def test_accumulated_gradients_are_those_of_the_larger_batch(paribus: Run, batches: int) -> None:
    """105 training rows: the last step is smaller, and so is its last batch."""
    small = (f"trainer.accumulate_grad_batches={batches}", "data.batch_size=10")
    folder = run_folder(paribus("train", *PLAIN, "optimizer=sgd", *small)[1])
    larger = run_folder(paribus("train", *PLAIN, "optimizer=sgd", f"data.batch_size={10 * batches}")[1])
    assert _close(weights(folder), weights(larger))
    one, other = rows_of(folder), rows_of(larger)
    assert [row["step"] for row in one] == [row["step"] for row in other]
    assert float(one[0]["train/loss"]) == pytest.approx(float(other[0]["train/loss"]), rel=1e-5)


def test_gd_takes_one_step_an_epoch_whatever_the_batch_size(paribus: Run) -> None:
    folders = [
        run_folder(paribus("train", *PLAIN, "optimizer=gd", f"data.batch_size={size}")[1]) for size in (8, 32, 105)
    ]
    for folder in folders:
        assert [row["step"] for row in rows_of(folder)] == ["1", "2", "3"]
        assert _close(weights(folder), weights(folders[0]))


def test_lbfgs_fits_logistic_regression_in_a_few_steps(paribus: Run) -> None:
    settings = ("model.hidden_sizes=[]", "optimizer=lbfgs", "data.batch_size=105", "regularization.l2=0.01")
    rows = rows_of(run_folder(paribus("train", *PLAIN, *settings)[1]))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    first, last = (float(row["train/loss"]) + float(row["train/l2_penalty"]) for row in (rows[0], rows[-1]))
    assert first == pytest.approx(log(3), abs=0.5)
    assert last < 0.6 * first


def test_max_norm_holds_after_every_step(paribus: Run) -> None:
    folder = run_folder(paribus("train", *PLAIN, "regularization.max_norm=0.5", "optimizer.lr=0.05")[1])
    for name, weight in weights(folder).items():
        if weight.ndim > 1:
            assert weight.flatten(1).norm(dim=1).max() <= 0.5 + 1e-5, name


@pytest.mark.parametrize("setting", ["input_noise=0.5", "gradient_noise=0.1"])
def test_noise_changes_training_and_nothing_else(paribus: Run, setting: str) -> None:
    plain = run_folder(paribus("train", *PLAIN)[1])
    noisy, again = (run_folder(paribus("train", *PLAIN, f"regularization.{setting}")[1]) for _ in range(2))
    assert not _close(weights(plain), weights(noisy))
    assert (
        json.loads((noisy / "metrics.json").read_text())["test/loss"]
        == (json.loads((again / "metrics.json").read_text())["test/loss"])
    )


def test_early_stopping_counts_from_its_start(paribus: Run) -> None:
    settings = ("early_stopping=patience", "early_stopping.patience=1", "early_stopping.min_delta=100")
    for start in (0, 4):
        folder = run_folder(
            paribus("train", *PLAIN, *settings, "trainer.max_epochs=20", f"early_stopping.start={start}")[1]
        )
        assert len(rows_of(folder)) == start + 2  # one that counts as the best, one without 100 less


def test_early_stopping_in_the_direction_that_is_asked_for(paribus: Run) -> None:
    settings = ("early_stopping=patience", "early_stopping.patience=1", "early_stopping.direction=max")
    rows = rows_of(run_folder(paribus("train", *PLAIN, *settings, "trainer.max_epochs=20")[1]))
    assert len(rows) == 2 and float(rows[1]["val/loss"]) < float(rows[0]["val/loss"])


def test_a_share_of_the_training_rows(paribus: Run) -> None:
    out = paribus("check", *IRIS, "data.train_fraction=0.5", "data.batch_size=5")[1]
    assert "train 53, val 15, test 30" in out or "train 52, val 15, test 30" in out or "train 54" in out


def test_balanced_sampling_needs_classes(paribus: Run) -> None:
    code, _, err = paribus("check", "data=diabetes", "model=mlp", "loss=mse", "data.sampling=balanced")
    assert code == 2 and "data.sampling=balanced" in err


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch's own, when it compiles
def test_a_compiled_model_learns_the_same(paribus: Run) -> None:
    plain = run_folder(paribus("train", *PLAIN)[1])
    code, out, err = paribus("train", *PLAIN, "trainer.compile_model=true")
    assert (code, err) == (0, "")
    assert weights(plain).keys() == weights(run_folder(out)).keys()
    assert _close(weights(plain), weights(run_folder(out)))
