"""Data that several runs of a process use: built once; each run has a module of its own with the same tensors."""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from torch import Tensor

from paribus.config import Config
from paribus.data.module import TensorData

MOST_BYTES = 2**30  # of content that is kept; one module is kept in any case
# What decides how data is built, batches included: groups with all their settings, or single keys.
DECIDING = (
    *("data", "augmentation", "seed", "cross_validation", "fold"),
    *("trainer.steps_per_execution", "trainer.accumulate_grad_batches", "optimizer.name"),
)
CONTENT = (Tensor, np.ndarray, pl.Series, pl.DataFrame)  # is read and never written into


class SharedData:
    """Builds what it has not built yet. The modules that were not used for the longest time are forgotten."""

    def __init__(self, build: Callable[[Config], TensorData]) -> None:
        self._build = build
        self._built: OrderedDict[str, tuple[bytes, list[Any]]] = OrderedDict()

    def __call__(self, config: Config) -> TensorData:
        """A module that nobody else has. Raises what building it raises."""
        key = repr([item for item in config.flat().items() if _decides(item[0])])
        if key not in self._built:
            data = self._build(config)
            try:
                self._built[key] = _taken_apart(data)
            except (pickle.PicklingError, AttributeError, TypeError):  # a user's own may hold anything
                return data
            while len(self._built) > 1 and sum(map(_bytes, self._built.values())) > MOST_BYTES:
                self._built.popitem(last=False)
        self._built.move_to_end(key)
        return _put_together(*self._built[key])


def _bytes(built: tuple[bytes, list[Any]]) -> int:
    sizes = {id(each): each.estimated_size() if hasattr(each, "estimated_size") else each.nbytes for each in built[1]}
    return int(sum(sizes.values()))


def _decides(key: str) -> bool:
    return key in DECIDING or key.partition(".")[0] in DECIDING


def _taken_apart(data: TensorData) -> tuple[bytes, list[Any]]:
    """The module in bytes, and its content beside them, which is not copied."""
    content: list[Any] = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, found: object) -> int | None:
            if not isinstance(found, CONTENT):
                return None
            content.append(found)
            return len(content) - 1

    file = io.BytesIO()
    Pickler(file).dump(data)
    return file.getvalue(), content


def _put_together(pickled: bytes, content: list[Any]) -> TensorData:
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, place: Any) -> Any:
            return content[place]

    data = Unpickler(io.BytesIO(pickled)).load()
    assert isinstance(data, TensorData)
    return data
