"""Launchers: where the runs of a sweep happen. Each gives the overrides that choose it in Hydra's own config."""

import os
from importlib.util import find_spec

from paribus.errors import ConfigError
from paribus.sweeps.workers import shared_gpus
from paribus.types import Executor, NonNegativeInt, PositiveInt, Text


def local(
    *, workers: PositiveInt | None, gpus: NonNegativeInt | None, threads: PositiveInt | None, retries: NonNegativeInt
) -> list[str]:
    """Our own. Raises ConfigError for more GPUs than there are."""
    if gpus:
        shared_gpus(gpus)
    return [
        "hydra/launcher=paribus",
        *(
            f"hydra.launcher.{key}={'null' if value is None else value}"
            for key, value in (("workers", workers), ("gpus", gpus), ("threads", threads), ("retries", retries))
        ),
    ]


def basic() -> list[str]:
    """Hydra's."""
    return ["hydra/launcher=basic"]


def joblib(*, workers: PositiveInt | None) -> list[str]:
    """hydra-joblib-launcher. Raises ConfigError where it is not installed."""
    _check_installed("joblib")
    return ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={workers or os.cpu_count() or 1}"]


def submitit(
    *,
    executor: Executor,
    timeout_minutes: PositiveInt,
    cpus_per_task: PositiveInt,
    gpus_per_node: NonNegativeInt,
    memory_gb: PositiveInt | None,
    partition: Text | None,
    account: Text | None,
    workers: PositiveInt,
) -> list[str]:
    """hydra-submitit-launcher. Raises ConfigError where it is not installed."""
    _check_installed("submitit")
    settings: dict[str, int | str | None] = {
        "timeout_min": timeout_minutes,
        "cpus_per_task": cpus_per_task,
        "gpus_per_node": gpus_per_node,
        "mem_gb": memory_gb,
    }
    if executor == "slurm":
        settings |= {"partition": partition, "account": account, "array_parallelism": workers}
    chosen = [f"hydra.launcher.{key}={value}" for key, value in settings.items() if value is not None]
    return [f"hydra/launcher=submitit_{executor}", *chosen]


def _check_installed(name: str) -> None:
    if find_spec(f"hydra_plugins.hydra_{name}_launcher") is None:
        raise ConfigError(f'launcher={name} needs a package that is not installed: pip install "paribus[{name}]"')
