import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from paribus import fine_tuning, initializers, parts, schedulers
from paribus.data.spec import DataSpec
from paribus.errors import ConfigError
from paribus.fine_tuning import FineTuning
from paribus.models.cnn import cnn
from paribus.models.stages import stages
from paribus.types import ConvolutionBlock

BLOCK = {"channels": 4, "kernel": 3, "stride": 1, "padding": 1, "padding_mode": "zeros", "pooling": "max"}
OPTIMIZERS = sorted(parts.options("optimizer", None))
SPLITTABLE = [name for name in OPTIMIZERS if name != "lbfgs"]


def _settings(group: str, option: str) -> dict[str, Any]:
    found = OmegaConf.to_container(OmegaConf.load(parts.options(group, None)[option]))
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items() if key != "name"}


def _fine_tuning(option: str, **settings: Any) -> FineTuning:
    part = parts.by_option("fine_tuning", None)[option]
    built = part.build({}, {**_settings("fine_tuning", option), **settings})
    assert isinstance(built, FineTuning)
    return built


def _optimizer(option: str, model: nn.Module, **settings: Any) -> Optimizer:
    """The optimizer as it is shipped, but for a weight decay that would show."""
    decay = {} if option == "lbfgs" else {"weight_decay": 0.1}
    chosen = {**_settings("optimizer", option), **decay, **settings}
    part = parts.by_option("optimizer", None)[option]
    built = part.build({"parameters": list(model.parameters()), "decay_all": False}, chosen)
    assert isinstance(built, Optimizer)
    return built


def _model(outputs: int = 3) -> nn.Module:
    """Stages: two blocks, a hidden layer, the head."""
    torch.manual_seed(0)
    blocks = [ConvolutionBlock.model_validate(BLOCK) for _ in range(2)]
    settings = {"blocks": blocks, "hidden_sizes": [6], "weights": "none"}
    return cnn(DataSpec((1, 8, 8)), outputs, nn.ReLU, "batch", 0.0, 0.0, **settings)


def _data() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    return torch.randn(12, 1, 8, 8, generator=draws), torch.randint(3, (12,), generator=draws)


def _step(model: nn.Module, optimizer: Optimizer) -> None:
    inputs, targets = _data()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss.detach()

    optimizer.step(closure)


def _train(model: nn.Module, optimizer: Optimizer, tuning: FineTuning, epochs: range, steps: int = 3) -> None:
    """As the task does: train mode, then `apply`, at the start of each epoch."""
    for epoch in epochs:
        model.train()
        tuning.apply(model, epoch)
        for _ in range(steps):
            _step(model, optimizer)


def _copies(stage_list: list[list[nn.Parameter]]) -> list[list[Tensor]]:
    return [[parameter.detach().clone() for parameter in stage] for stage in stage_list]


def _same(model: nn.Module, before: list[list[Tensor]]) -> list[bool]:
    """For each stage whether all of it is where it was, to the bit."""
    now = stages(model)
    return [all(map(torch.equal, stage, copies)) for stage, copies in zip(now, before, strict=True)]


# Freezing.


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_weights_do_not_move_by_a_bit_until_they_are_let_go(name: str) -> None:
    model, tuning = _model(), _fine_tuning("unfreeze", freeze_epochs=2)
    optimizer, before = _optimizer(name, model), _copies(stages(model))
    tuning.scale_learning_rates(optimizer, model)
    _train(model, optimizer, tuning, range(2))
    assert _same(model, before) == [True, True, True, False]
    _train(model, optimizer, tuning, range(2, 3))
    assert _same(model, before) == [False] * 4


def test_a_frozen_weight_stays_also_where_an_optimizer_has_its_gradient_and_momentum() -> None:
    model = _model()
    optimizer = _optimizer("momentum", model)
    _step(model, optimizer)
    before = _copies(stages(model))
    _fine_tuning("head_only").apply(model, 0)
    optimizer.step()
    assert _same(model, before) == [True, True, True, False]


def test_the_head_alone_learns_however_long() -> None:
    model, before = _model(), _copies(stages(_model()))
    _train(model, _optimizer("adamw", model), _fine_tuning("head_only"), range(1000, 1002))
    assert _same(model, before) == [True, True, True, False]


def test_without_frozen_epochs_all_learn_from_the_first() -> None:
    model, before = _model(), _copies(stages(_model()))
    _train(model, _optimizer("adamw", model), _fine_tuning("discriminative"), range(1))
    assert _same(model, before) == [False] * 4


@pytest.mark.parametrize("freeze_statistics", [True, False])
def test_statistics_stay_only_where_they_are_frozen(freeze_statistics: bool) -> None:
    model, tuning = _model(), _fine_tuning("unfreeze", freeze_epochs=1, freeze_statistics=freeze_statistics)
    optimizer = _optimizer("sgd", model)
    for epochs in (range(1), range(1, 2)):  # frozen, then not: the statistics alike
        before = [buffer.clone() for buffer in model.buffers()]
        _train(model, optimizer, tuning, epochs)
        unmoved = [torch.equal(*pair) for pair in zip(model.buffers(), before, strict=True)]
        assert before and unmoved == [freeze_statistics] * len(before)
    assert len(tuning.frozen_norms(model)) == (3 if freeze_statistics else 0)


def test_dropout_and_the_rest_stay_in_train_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    _fine_tuning("head_only").apply(model.train(), 0)
    assert [layer.training for layer in model] == [True, False, True, True]


# Learning rates.


@pytest.mark.parametrize("name", SPLITTABLE)
def test_each_stage_steps_as_with_a_learning_rate_of_its_own(name: str) -> None:
    """Against one optimizer a stage, with that stage's learning rate for all; decay of weights alone included."""
    lr, tuning, model = 0.01, _fine_tuning("discriminative", lr_decay=0.5), _model()
    optimizer = _optimizer(name, model, lr=lr)
    tuning.scale_learning_rates(optimizer, model)
    gradients = [torch.rand_like(parameter) - 0.5 for parameter in model.parameters()]
    _push(model, optimizer, gradients)
    for number, stage in enumerate(stages(model)):
        other = _model()
        _push(other, _optimizer(name, other, lr=lr * 0.5 ** (3 - number)), gradients)
        assert all(map(torch.equal, stage, stages(other)[number])), number


def _push(model: nn.Module, optimizer: Optimizer, gradients: list[Tensor]) -> None:
    for _ in range(3):
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()


SCHEDULES: dict[str, Callable[[], schedulers.Schedule]] = {
    "cosine": lambda: schedulers.cosine(HORIZON, interval="step", warmup=3, final_fraction=0.1),
    "one_cycle": lambda: schedulers.one_cycle(
        HORIZON, interval="step", warmup=0, peak_share=0.3, start_fraction=0.1, final_fraction=0.0
    ),
    "plateau": lambda: schedulers.plateau("min", HORIZON, warmup=2, factor=0.5, patience=0, min_delta=0.0),
}
HORIZON = schedulers.Horizon(steps=12, epochs=12)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ["momentum", "adamw", "muon"])
def test_the_ratio_of_learning_rates_stays_through_training(name: str, schedule: str) -> None:
    model, tuning = _model(), _fine_tuning("discriminative", lr_decay=0.5)
    optimizer = _optimizer(name, model, lr=0.02)
    tuning.scale_learning_rates(optimizer, model)
    scheduler: Any = SCHEDULES[schedule]().make(optimizer)
    seen = set()
    for _ in range(11):
        rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
        top = rates[stages(model)[-1][0]]
        for number, stage in enumerate(stages(model)):
            assert [rates[parameter] for parameter in stage] == pytest.approx([top * 0.5 ** (3 - number)] * len(stage))
        _step(model, optimizer)
        scheduler.step(*([1.0] if schedule == "plateau" else []))
        seen.add(top)
    assert len(seen) >= 8  # it is a schedule


@pytest.mark.parametrize("name", SPLITTABLE)
def test_parameters_keep_their_order_by_which_a_checkpoint_knows_them(name: str) -> None:
    model = _model()
    plain, scaled = _optimizer(name, model), _optimizer(name, model)
    _fine_tuning("discriminative").scale_learning_rates(scaled, model)
    orders = [[id(each) for group in made.param_groups for each in group["params"]] for made in (plain, scaled)]
    assert orders[0] == orders[1]
    assert len(scaled.param_groups) > len(plain.param_groups)


@pytest.mark.parametrize("name", ["momentum", "adamw", "muon"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_resumed_run_ends_at_the_same_bits(name: str, epoch: int) -> None:
    """Stopped after an epoch: while frozen, and when it is to be let go."""
    tuning = _fine_tuning("unfreeze", freeze_epochs=2, lr_decay=0.7)

    def make() -> tuple[nn.Module, Optimizer]:
        model = _model()
        optimizer = _optimizer(name, model)
        tuning.scale_learning_rates(optimizer, model)
        return model, optimizer

    whole, first, second = make(), make(), make()
    _train(*whole, tuning, range(3))
    _train(*first, tuning, range(epoch))
    file = io.BytesIO()
    torch.save([part.state_dict() for part in first], file)
    file.seek(0)
    for part, state in zip(second, torch.load(file, weights_only=True), strict=True):
        part.load_state_dict(state)
    _train(*second, tuning, range(epoch, 3))
    assert all(map(torch.equal, second[0].state_dict().values(), whole[0].state_dict().values()))


def test_lbfgs_has_one_learning_rate() -> None:
    model = _model()
    with pytest.raises(ConfigError, match=r"fine_tuning\.lr_decay=0\.8: L-BFGS.*use fine_tuning\.lr_decay=1 or"):
        _fine_tuning("discriminative").scale_learning_rates(_optimizer("lbfgs", model), model)


def test_none_is_no_fine_tuning() -> None:
    assert fine_tuning.none() is None  # type: ignore[func-returns-value]


# What it is for.


def _digits(first: int, per_class: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Five classes of the digits from `first` on: images and labels to train on, per class, and all others to test."""
    images, labels = (torch.tensor(array) for array in load_digits(return_X_y=True))
    places = [(labels == label).nonzero()[:, 0] for label in range(first, first + 5)]
    split = [torch.cat([place[part] for place in places]) for part in (slice(per_class), slice(per_class, None))]
    scaled = (images.float() / 8 - 1).reshape(-1, 1, 8, 8)
    return scaled[split[0]], labels[split[0]] - first, scaled[split[1]], labels[split[1]] - first


def _fit(model: nn.Module, inputs: Tensor, targets: Tensor, tuning: FineTuning | None, epochs: int) -> None:
    optimizer = _optimizer("momentum", model, lr=0.01, weight_decay=0.0)
    if tuning is not None:
        tuning.scale_learning_rates(optimizer, model)
    draws = torch.Generator().manual_seed(0)
    for epoch in range(epochs):
        model.train()
        if tuning is not None:
            tuning.apply(model, epoch)
        for batch in torch.randperm(len(inputs), generator=draws).split(16):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()


@torch.no_grad()
def _accuracy(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    return float((model.eval()(inputs).argmax(1) == targets).float().mean())


def _five_digits(pretrained: Path | str = "none") -> nn.Module:
    shapes = ((16, "none"), (32, "none"), (32, "max"))
    blocks = [ConvolutionBlock(**{**BLOCK, "channels": channels, "pooling": pooling}) for channels, pooling in shapes]
    settings = {"blocks": blocks, "hidden_sizes": [64], "weights": str(pretrained)}
    model = cnn(DataSpec((1, 8, 8)), 5, nn.ReLU, "none", 0.0, 0.0, **settings)
    rest = {"bias": None, "forget_bias": 1.0, "recurrent": "orthogonal", "embedding_std": 1.0}
    initializers.initialize(model, initializers.default, 0, **rest)
    return model


def test_fine_tuning_beats_training_from_scratch(tmp_path: Path) -> None:
    """Pretrained on the digits 0 to 4, then as many epochs on 60 images each of 5 to 9 as without."""
    inputs, targets, _, _ = _digits(0, 100)
    pretrained, scratch, file = _five_digits(), _five_digits(), tmp_path / "weights.pth"
    _fit(pretrained, inputs, targets, None, 5)
    torch.save(pretrained.state_dict(), file)
    inputs, targets, unseen, answers = _digits(5, 60)
    _fit(scratch, inputs, targets, None, 4)
    tuned = _five_digits(file)
    _fit(tuned, inputs, targets, _fine_tuning("unfreeze", freeze_epochs=1), 4)
    assert _accuracy(tuned, unseen, answers) > _accuracy(scratch, unseen, answers) + 0.1
