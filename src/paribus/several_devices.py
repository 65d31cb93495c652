"""Data-parallel training: a process for each device, each with its share of every batch, that add up what they find.

Sums are taken after the backward pass, in one piece and always in the same order, so that a resumed run ends at the
same bits; weights that are frozen for a time and steps of several batches or evaluations need nothing special.
"""

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch import distributed as dist

from paribus.companion import RANK

HOST = "127.0.0.1"


class LostError(RuntimeError):
    """Another process does not answer any more."""


def rank_of_this_process() -> int:
    """Which device is this process's own, from 0."""
    return int(os.environ.get(RANK, "0"))


class SeveralDevices(SingleDeviceStrategy):
    """One of `count` processes that train the same model. Number 0 is the one that writes and decides.

    Lightning is told of one device, or it would send messages of its own at each step, also from within the handler of
    a signal. Raises LostError where another process has ended.
    """

    def __init__(self, device: torch.device, rank: int, count: int) -> None:
        super().__init__(device)
        self.rank, self.count = rank, count
        self._store: Any = None

    @property
    def is_global_zero(self) -> bool:
        """Whether this process writes checkpoints."""
        return self.rank == 0

    @property
    def names(self) -> str:
        """All devices, for people."""
        kind = self.root_device.type
        return ", ".join(f"{kind}:{rank}" if kind == "cuda" else kind for rank in range(self.count))

    def meet(self, port: int = 0) -> int:
        """Open the place where all processes meet, and say where; the others come to that `port`."""
        store: Any = dist.TCPStore  # type: ignore[attr-defined] # torch does not list it
        self._store = store(HOST, port, is_master=self.is_global_zero, wait_for_workers=False)
        self._store.set(_key(self.rank), "")
        return int(self._store.port)

    @property
    def are_all_there(self) -> bool:
        """Whether every process has come."""
        return bool(self._store.check([_key(rank) for rank in range(self.count)]))

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Work together for a while: over NCCL what is on GPUs, over gloo all else."""
        # Figures are alike on all devices: Lightning would have them averaged.
        warnings.filterwarnings("ignore", message="It is recommended to use .*sync_dist=True")
        backend = "cpu:gloo,cuda:nccl" if self.root_device.type == "cuda" else "gloo"
        threads = torch.get_num_threads()
        if "OMP_NUM_THREADS" not in os.environ:  # which would be each process's own
            torch.set_num_threads(max(1, threads // self.count))
        with _talking():
            dist.init_process_group(backend, store=self._store, rank=self.rank, world_size=self.count)
        try:
            yield
        finally:
            dist.destroy_process_group()
            self._store = None
            torch.set_num_threads(threads)

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all devices."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _talking():
            dist.all_reduce(flat)
        _put_back(flat, tensors)

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the first device's."""
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _talking():
            dist.broadcast(flat, 0)
        _put_back(flat, tensors)

    def agreed(self, number: int) -> int:
        """The first process's number."""
        told = torch.tensor(number)
        with _talking():
            dist.broadcast(told, 0)
        return int(told)

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """The first process's plain data."""
        return self.every(obj)[src]

    def every(self, value: Any) -> list[Any]:
        """The plain data of every process, tensors on the CPU."""
        packed = io.BytesIO()
        torch.save(value, packed)
        found: list[Any] = [None] * self.count
        with _talking():
            dist.all_gather_object(found, packed.getvalue())
        return [torch.load(io.BytesIO(each), map_location="cpu", weights_only=True) for each in found]


def _key(rank: int) -> str:
    return f"ready/{rank}"


@contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo's own, NCCL's are of a class below it
        raise LostError(str(error).splitlines()[0]) from error


def _put_back(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """flat (N,) -> the tensors that it was made of, N elements together."""
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
