import json
from pathlib import Path

import pytest
import torch
from torch import nn

from conftest import Run, equal, rows_of, run_folder, weights
from paribus.averaging import Average, Averaging, ema, swa
from paribus.schedulers import Horizon

IRIS = ("data=iris", "model=mlp", "trainer=cpu", "logger=none", "scheduler=none", "optimizer.lr=0.02")


def _averaged(rule: Averaging, values: list[float]) -> Average:
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, rule)
    for epoch, value in enumerate(values):
        nn.init.constant_(model.weight, value)
        average.update(rule.each, epoch)
    average.exchange()
    return average


def _value(average: Average) -> float:
    return float(next(average._model.parameters()).detach())


def test_ema_follows_its_recursion() -> None:
    values = [float(value) for value in torch.randn(400, generator=torch.Generator().manual_seed(0))]
    expected = values[0]
    for count, value in enumerate(values[1:], start=1):
        decay = min(0.9, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * value
    assert _value(_averaged(ema(decay=0.9), values)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("start", "taken"), [(0.0, [1, 2, 4, 8]), (0.5, [4, 8]), (0.75, [8]), (1.0, [8])])
def test_swa_is_the_plain_mean_after_its_start(start: float, taken: list[int]) -> None:
    average = _averaged(swa(Horizon(steps=40, epochs=4), start_fraction=start), [1, 2, 4, 8])
    assert _value(average) == pytest.approx(sum(taken) / len(taken))


def test_exchange_gives_back_what_it_took() -> None:
    average = _averaged(ema(decay=0.5), [1.0, 2.0, 3.0])
    averaged = _value(average)
    average.exchange()
    assert _value(average) == 3.0 != averaged
    average.exchange()
    assert _value(average) == averaged


@pytest.mark.parametrize("rule", ["ema", "swa"])
def test_what_is_saved_and_tested_is_the_average(paribus: Run, rule: str) -> None:
    settings = (*IRIS, "trainer.max_epochs=4", f"averaging={rule}")
    folder = run_folder(paribus("train", *settings)[1])
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert not equal(last["state_dict"], last["weights_in_training"])
    plain = run_folder(paribus("train", *IRIS, "trainer.max_epochs=4", "averaging=none")[1])
    assert equal(last["weights_in_training"], weights(plain))  # training itself is not changed
    code, out, _ = paribus("evaluate", f"run={folder}")
    assert code == 0 and "to the last bit" in out


@pytest.mark.parametrize("rule", ["ema", "swa"])
def test_a_resumed_average_ends_at_the_same_bits(paribus: Run, rule: str) -> None:
    settings = (*IRIS, f"averaging={rule}", *(["averaging.start_fraction=0"] if rule == "swa" else []))
    whole = run_folder(paribus("train", *settings, "trainer.max_epochs=4")[1])
    folder = run_folder(paribus("train", *settings, "trainer.max_epochs=2")[1])
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=4")[0] == 0
    assert equal(weights(whole), weights(folder))
    assert rows_of(whole) == rows_of(folder)


def test_statistics_of_batch_normalization_are_those_of_the_averaged_weights(paribus: Run, tmp_path: Path) -> None:
    settings = (*IRIS, "regularization.normalization=batch", "averaging=swa", "averaging.start_fraction=0")
    folder = run_folder(paribus("train", *settings, "data.batch_size=105", "trainer.max_epochs=3")[1])
    state = weights(folder)
    from paribus import composition, config
    from paribus.building import build_data

    data = build_data(config.check(composition.recompose(folder / "config.yaml", [])))
    inputs = data.train_dataloader().inputs
    before = inputs @ state["model.dense1.weight"].T + state["model.dense1.bias"]
    torch.testing.assert_close(state["model.normalization1.running_mean"], before.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state["model.normalization1.running_var"], before.var(0), atol=1e-5, rtol=1e-4)
    assert json.loads((folder / "metrics.json").read_text())["epochs"] == 3


def test_an_average_that_has_begun_goes_on_in_a_longer_run(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS, "averaging=swa", "trainer.max_epochs=4")[1])
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=8")[0] == 0
    losses = [row["val/loss"] for row in rows_of(folder)]
    assert len(set(losses)) == 8


def test_averaging_in_double_precision_with_batch_normalization(paribus: Run) -> None:
    settings = ("averaging=swa", "regularization.normalization=batch", "trainer.precision=64-true")
    code, _, err = paribus("train", *IRIS, *settings, "trainer.max_epochs=2")
    assert (code, err) == (0, "")


def test_tied_weights_are_given_back() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    model[1].weight = model[0].weight
    average = Average(model, ema(decay=0.9))
    for value in (1.0, 5.0):
        nn.init.constant_(model[0].weight, value)
        average.update("step", 0)
    average.exchange()
    assert model[0].weight.item() == model[1].weight.item() != 5.0
    average.exchange()
    assert model[0].weight.item() == model[1].weight.item() == 5.0


def test_the_average_follows_the_model_to_its_device() -> None:
    model = nn.Linear(1, 1)
    average = Average(model, ema(decay=0.9))
    average.update("step", 0)
    model.to("meta")
    average.move()
    assert all(tensor.device.type == "meta" for tensor in average._tensors)
