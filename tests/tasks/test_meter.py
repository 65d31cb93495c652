from collections.abc import Sequence
from math import inf, nan

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAUROC, MulticlassF1Score

from paribus.errors import RunError
from paribus.tasks import meter
from paribus.tasks.meter import Meter

SIZES = [7, 7, 7, 2]  # batches, the last one small


def _meter() -> Meter:
    metrics = MetricCollection({"f1": MulticlassF1Score(3), "auroc": MulticlassAUROC(3)})
    return Meter("val", metrics, lambda outputs, targets: (outputs.softmax(1), targets))


def _batches(seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(size, 3, generator=generator), torch.arange(size) % 3) for size in SIZES]


def _add_losses(gauge: Meter, losses: Sequence[float], name: str = "loss", first: int = 1) -> None:
    for step, loss in enumerate(losses, start=first):
        gauge.add(torch.zeros(3, 3), torch.arange(3), {name: torch.tensor(loss)}, step)


@pytest.fixture(params=[1, 3, 200], ids=lambda steps: f"flush every {steps}")
def flush_steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(meter, "FLUSH_STEPS", request.param)
    return int(request.param)


@pytest.mark.usefixtures("flush_steps")
def test_losses_are_means_over_examples_not_over_batches() -> None:
    gauge = _meter()
    for (outputs, targets), loss in zip(_batches(), (1.0, 2.0, 3.0, 100.0), strict=True):
        gauge.add(outputs, targets, {"loss": torch.tensor(loss), "l2_penalty": torch.tensor(2 * loss)}, 1)
    figures = gauge.compute()
    expected = (7 * 1 + 7 * 2 + 7 * 3 + 2 * 100) / sum(SIZES)
    assert figures["val/loss"] == pytest.approx(expected)
    assert figures["val/l2_penalty"] == pytest.approx(2 * expected)


@pytest.mark.usefixtures("flush_steps")
def test_metrics_are_those_of_all_outputs_at_once() -> None:
    gauge, batches = _meter(), _batches()
    for outputs, targets in batches:
        gauge.add(outputs, targets, {"loss": torch.tensor(0.0)}, 1)
    figures = gauge.compute()
    outputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    for name, metric in (("f1", MulticlassF1Score(3)), ("auroc", MulticlassAUROC(3))):
        assert figures[f"val/{name}"] == pytest.approx(metric(outputs.softmax(1), targets).item())


def test_many_outputs_are_flushed_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "FLUSH_VALUES", 18)
    gauge = _meter()
    held = []
    for _ in range(4):
        _add_losses(gauge, [1.0])  # nine values each
        held.append(len(gauge._losses))
    assert held == [1, 0, 1, 0]


def test_each_epoch_starts_afresh() -> None:
    gauge = _meter()
    for outputs, targets in _batches(1):
        gauge.add(outputs, targets, {"loss": torch.tensor(50.0)}, 1)
    gauge.compute()
    fresh = _meter()
    for each in (gauge, fresh):
        for outputs, targets in _batches(0):
            each.add(outputs, targets, {"loss": torch.tensor(1.0)}, 1)
    assert gauge.compute() == fresh.compute()


def test_the_graph_is_not_kept() -> None:
    gauge = _meter()
    outputs = torch.zeros(2, 3, requires_grad=True)
    gauge.add(outputs, torch.tensor([0, 1]), {"loss": outputs.sum()}, 1)
    assert not gauge._outputs[0].requires_grad
    assert not gauge._losses[0]["loss"].requires_grad


DIVERGING = [
    # losses, the step of the first that is not finite, the last finite loss before it
    ([1.0, 2.0, 3.0, nan, nan, nan], 4, "3"),  # opens the second flush of three
    ([1.0, 2.0, nan, 4.0, 5.0, 6.0], 3, "2"),  # closes the first
    ([1.0, 2.0, 3.0, 4.0, inf, 6.0], 5, "4"),
    ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -inf], 7, "6"),
]


@pytest.mark.parametrize(("losses", "step", "finite"), DIVERGING)
@pytest.mark.usefixtures("flush_steps")
def test_a_loss_that_is_not_finite_names_its_step_and_the_last_finite_loss(
    losses: list[float], step: int, finite: str
) -> None:
    gauge = _meter()
    message = rf"^val/loss is {losses[step - 1]} at step {step}; the last finite loss before was {finite}; lower "
    with pytest.raises(RunError, match=message):
        _add_losses(gauge, losses)
        gauge.compute()


@pytest.mark.usefixtures("flush_steps")
def test_a_loss_that_never_was_finite_says_so() -> None:
    gauge = _meter()
    with pytest.raises(RunError, match=r"^val/loss is nan at step 1; it never was finite"):
        _add_losses(gauge, [nan])
        gauge.compute()


def test_a_loss_that_grew_beyond_return_counts_as_diverged() -> None:
    gauge = _meter()
    _add_losses(gauge, [2.0, 1.9 * meter.DIVERGED])
    gauge.flush()
    _add_losses(gauge, [5.0, 2.1 * meter.DIVERGED, nan], first=3)
    with pytest.raises(RunError, match=r"^val/loss is 2\.1e\+06 at step 4, over .* before was 5;"):
        gauge.flush()


def test_steps_count_on_through_epochs() -> None:
    gauge = _meter()
    _add_losses(gauge, [1.0, 2.0])
    gauge.compute()
    _add_losses(gauge, [nan], first=3)
    with pytest.raises(RunError, match="at step 3; the last finite loss before was 2"):
        gauge.compute()


def test_a_penalty_that_is_not_finite_is_named() -> None:
    gauge = _meter()
    _add_losses(gauge, [1.0, inf], "l2_penalty")
    with pytest.raises(RunError, match=r"^val/l2_penalty is inf at step 2; the last finite loss before was 1"):
        gauge.flush()


def test_metrics_are_counted_without_the_deterministic_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    gauge, modes = _meter(), []
    monkeypatch.setattr(gauge.metrics, "update", lambda *_: modes.append(torch.are_deterministic_algorithms_enabled()))
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        _add_losses(gauge, [1.0])
        gauge.flush()
        assert modes == [False]
        assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
