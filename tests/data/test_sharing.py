"""Data that runs of one process share: built once, and each run's module is as if it were its own."""

from functools import cache
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from paribus import building, composition, config
from paribus.composition import Composed
from paribus.config import Config
from paribus.data import sharing
from paribus.data.module import TensorData
from paribus.data.sharing import SharedData
from paribus.errors import DataError

AUGMENTED = ("data=digits", "augmentation=[crop]")


class Counted(SharedData):
    """Remembers what it built."""

    def __init__(self) -> None:
        self.built: list[TensorData] = []
        super().__init__(self._counted)

    def _counted(self, config: Config) -> TensorData:
        self.built.append(building.build_data(config))
        return self.built[-1]


@cache
def _composed(*overrides: str) -> DictConfig:
    return composition.compose((*overrides, "trainer=cpu", "logger=none", "model=mlp")).tree


def _config(groups: tuple[str, ...] = ("data=iris",), **settings: object) -> Config:
    """Groups are composed, once; settings, with __ for a dot, are set on that."""
    tree = _composed(*groups).copy()
    for key, value in settings.items():
        OmegaConf.update(tree, key.replace("__", "."), value)
    return config.check(Composed(tree, {"data": "iris", "model": "mlp"}, {}, (), None))


def _batches(data: TensorData) -> list[torch.Tensor]:
    return [tensor for batch in data.train_dataloader().batches() for tensor in batch]


def test_modules_are_several_and_their_tensors_the_same() -> None:
    shared = Counted()
    one, other = shared(_config()), shared(_config())
    assert len(shared.built) == 1
    assert len({id(one), id(other), id(shared.built[0])}) == 3
    for name in ("train", "val", "test"):
        assert one.raw(name).inputs.data_ptr() == other.raw(name).inputs.data_ptr()
        assert one.raw(name).inputs.data_ptr() == shared.built[0].raw(name).inputs.data_ptr()


# What varies between two runs -> whether the second needs data of its own.
DIFFERENCES: dict[str, tuple[tuple[str, ...], dict[str, object], bool]] = {
    "hidden sizes": ((), {"model__hidden_sizes": [8]}, False),
    "learning rate": ((), {"optimizer__lr": 0.5}, False),
    "optimizer": (("optimizer=sgd",), {}, True),  # one of all rows groups batches in its own way
    "epochs": ((), {"trainer__max_epochs": 7}, False),
    "dropout": ((), {"regularization__dropout": 0.3}, False),
    "monitor": ((), {"trainer__monitor": "val/accuracy"}, False),
    "name": ((), {"name": "other"}, False),
    "seed": ((), {"seed": 1}, True),
    "batch size": ((), {"data__batch_size": 8}, True),
    "test rows": ((), {"data__test_fraction": 0.3}, True),
    "training rows": ((), {"data__train_fraction": 0.5}, True),
    "sampling": ((), {"data__sampling": "balanced"}, True),
    "steps at once": ((), {"trainer__steps_per_execution": 2}, True),
    "batches a step": ((), {"trainer__accumulate_grad_batches": 2}, True),
    "augmentation": (("augmentation=[mixup]",), {}, True),
    "fold": ((), {"cross_validation": 3, "fold": 1}, True),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_data_is_shared_by_runs_that_would_build_the_same(what: str) -> None:
    shared = Counted()
    groups, settings, needs_own = DIFFERENCES[what]
    other = _config(("data=iris", *groups), **settings)
    shared(_config())
    found = shared(other)
    assert len(shared.built) == 1 + needs_own
    alone = building.build_data(other)
    assert found.fingerprint == alone.fingerprint
    assert all(map(torch.equal, _batches(found), _batches(alone)))


def test_what_a_run_does_to_its_data_stays_with_it() -> None:
    shared = Counted()
    first, second = shared(_config()), building.build_data(_config())
    _batches(first)
    first._fitted, first.remarks = None, ("of the first run",)
    first._ready["train"].inputs.zero_()  # scaled: no content that is shared
    again = shared(_config())
    assert len(shared.built) == 1 and again.remarks == second.remarks
    assert all(map(torch.equal, _batches(again), _batches(second)))


def test_augmented_images_are_those_of_data_built_alone() -> None:
    shared = Counted()
    shared(_config(AUGMENTED))
    found, alone = shared(_config(AUGMENTED)), building.build_data(_config(AUGMENTED))
    assert all(map(torch.equal, _batches(found), _batches(alone)))


def test_what_was_not_used_for_longest_is_forgotten_where_memory_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Counted()
    shared(_config())
    (held,) = map(sharing._bytes, shared._built.values())
    raw = [shared.built[0].raw(name) for name in ("train", "val", "test")]
    assert held >= sum(split.inputs.nbytes + split.targets.nbytes for split in raw)
    monkeypatch.setattr(sharing, "MOST_BYTES", 2.5 * held)
    for seed in (1, 0, 2, 0):  # 0 was used last when 2 came, so that 1 went
        shared(_config(seed=seed))
    assert len(shared.built) == 3
    shared(_config(seed=1))
    assert len(shared.built) == 4 and len(shared._built) == 2


def test_data_above_the_limit_is_kept_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_BYTES", 1)
    shared = Counted()
    for seed in (0, 0, 1, 1):
        shared(_config(seed=seed))
    assert len(shared.built) == 2 and len(shared._built) == 1


def test_a_mistake_is_no_data_to_share(tmp_path: Path) -> None:
    shared = Counted()
    missing = _config(("data=table",), data__path=str(tmp_path / "rows.csv"), data__target="y")
    with pytest.raises(DataError, match="no such file"):
        shared(missing)
    lines = [f"{row % 5},{row % 3},{'ab'[row % 2]}" for row in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,z,y", *lines]) + "\n")
    assert shared(missing).num_rows("train") > 0


def test_data_that_cannot_be_taken_apart_is_built_for_each_run() -> None:
    def build(config: Config) -> TensorData:
        data = building.build_data(config)
        data.remarks = (lambda: "of the user's own",)  # type: ignore[assignment]
        return data

    shared = SharedData(build)
    one, other = shared(_config()), shared(_config())
    assert one.raw("train").inputs.data_ptr() != other.raw("train").inputs.data_ptr()
