"""Searches and choices as tests make them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf
from optuna.storages import InMemoryStorage

from paribus import parts
from paribus.config import Choice
from paribus.sweeps import study
from paribus.sweeps.space import Dimension
from paribus.sweeps.storage import database
from paribus.sweeps.study import Search

LOG = Dimension("lr", (), 1e-5, 1e-1, is_log=True)
SQUARE = (Dimension("x", (), -5.0, 5.0), Dimension("y", (), -5.0, 5.0))
SHAPES: tuple[Any, ...] = ([64], [64, 32], [])
MIXED = (
    Dimension("model", ("mlp", "cnn")),
    Dimension("model.hidden_sizes", SHAPES, when=(("model", "mlp"),)),
    Dimension("model.filters", (), 4, 64, is_whole=True, is_log=True, when=(("model", "cnn"),)),
    LOG,
    Dimension("regularization.gradient_clip", (None, 0.5, 1)),
    Dimension("model.bias", (True, False)),
)


def kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that are not written to the disk: faster, and all the same to samplers and pruners."""
    opened = cache(lambda url: InMemoryStorage())
    monkeypatch.setattr(study, "opened", opened)
    monkeypatch.setattr("paribus.sweeps.pruning.opened", opened)


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a whole test."""
    kept_in_memory(monkeypatch)


def choice(group: str, name: str, **settings: object) -> Choice:
    """An option as its YAML file has it, but for some settings."""
    part = parts.find(group, name, None)
    assert part is not None
    shipped = OmegaConf.to_container(OmegaConf.load(parts.options(group, None)[name]))
    assert isinstance(shipped, dict)
    chosen = {**{str(key): value for key, value in shipped.items() if key != "name"}, **settings}
    assert set(chosen) == set(part.settings)
    return Choice(part, chosen)


def search(
    folder: Path,
    dimensions: Sequence[Dimension],
    sampler: Choice,
    directions: Sequence[Literal["min", "max"]] = ("min",),
    pruner: str = "none",
    seed: int = 0,
) -> Search:
    return Search(database(folder), "search", dimensions, sampler, choice("pruner", pruner), directions, seed)
