"""The LSTM on ETTh1 beside what needs no network, on the same test windows, as a Markdown table.

`python scripts/compare_forecasts.py [SEEDS] [overrides]` trains experiment=ett_lstm for seeds 0 to SEEDS - 1 (3 by
default) at each of HORIZONS; overrides may follow, such as data.root=DIR or model=gru. Errors are means over 7 columns
in standard units. Ridge regression sees the same windows; its penalty is the one of PENALTIES with the lowest squared
error on the validation windows. An error of the network above one of the others is marked as a loss.
"""

import sys
from collections.abc import Iterator, Sequence
from statistics import mean

import numpy as np
from sklearn.linear_model import Ridge
from torch import Tensor

from accuracy import print_all, train
from paribus import composition, config
from paribus.building import build_data
from paribus.data.time_series.module import SeriesData

EXPERIMENT = "ett_lstm"
HORIZONS = (24, 48, 168)
PENALTIES = (1.0, 10.0, 100.0, 1e3, 1e4)
# LSTM with attention, ETTh1, multivariate: horizon -> MSE, MAE (Zhou et al. 2021, Informer, table 2).
PUBLISHED = {24: (0.650, 0.624), 48: (0.702, 0.675), 168: (1.212, 0.867)}
Errors = tuple[float, float]  # MSE, MAE


def errors(forecasts: np.ndarray, truth: np.ndarray) -> Errors:
    """Means over windows, steps and columns."""
    return float(((forecasts - truth) ** 2).mean()), float(np.abs(forecasts - truth).mean())


def references(data: SeriesData) -> dict[str, Errors]:
    """Test errors of what needs no network."""
    truth = data.raw("test").targets.numpy()
    naive = {name: errors(each.numpy(), truth) for name, each in data.baselines("test").items()}
    return {
        **naive,
        "ridge regression": _ridge(data, subtracts=False),
        "ridge regression, last value subtracted": _ridge(data, subtracts=True),
    }


def _ridge(data: SeriesData, *, subtracts: bool) -> Errors:
    """From all values of a window to all of the horizon; with `subtracts`, both less the window's last row."""
    rows = {name: _rows(data, name, subtracts) for name in ("train", "val", "test")}
    models = [Ridge(penalty).fit(*rows["train"]) for penalty in PENALTIES]
    best = min(models, key=lambda model: errors(model.predict(rows["val"][0]), rows["val"][1])[0])
    return errors(best.predict(rows["test"][0]), rows["test"][1])


def _rows(data: SeriesData, name: str, subtracts: bool) -> tuple[np.ndarray, np.ndarray]:
    split = data.raw(name)
    inputs, targets = split.inputs, split.targets
    assert isinstance(targets, Tensor)
    last = inputs[:, -1:] if subtracts else 0
    return (inputs - last).flatten(1).numpy(), (targets - last).flatten(1).numpy()


def compare(seeds: Sequence[int], overrides: Sequence[str]) -> Iterator[str]:
    """The table, a horizon after the other."""
    yield "| horizon | forecast | MSE | MAE | the network, by MSE | by MAE |"
    yield "| ---: | --- | ---: | ---: | --- | --- |"
    for horizon in HORIZONS:
        yield from _of_horizon(horizon, seeds, overrides)


def _of_horizon(horizon: int, seeds: Sequence[int], overrides: Sequence[str]) -> Iterator[str]:
    chosen = [*overrides, f"data.horizon={horizon}"]
    checked = config.check(composition.compose([f"experiment={EXPERIMENT}", *chosen]))
    data = build_data(checked)
    assert isinstance(data, SeriesData)
    found = [(each["test/mse"], each["test/mae"]) for each in train(EXPERIMENT, seeds, chosen)]
    own = [mean(column) for column in zip(*found, strict=True)]
    ranges = " | ".join(
        f"{average:.3f} ({min(column):.3f} to {max(column):.3f})"
        for average, column in zip(own, zip(*found, strict=True), strict=True)
    )
    yield f"| {horizon} | {checked['model'].part.name}, mean (range) of {len(seeds)} seeds | {ranges} | | |"
    for name, others in (references(data) | {"published LSTM with attention": PUBLISHED[horizon]}).items():
        figures = " | ".join(f"{other:.3f}" for other in others)
        verdicts = " | ".join(_verdict(*pair) for pair in zip(own, others, strict=True))
        yield f"| {horizon} | {name} | {figures} | {verdicts} |"


def _verdict(own: float, other: float) -> str:
    return f"beats it by {1 - own / other:.0%}" if own < other else f"LOSES to it by {own / other - 1:.0%}"


def main(arguments: Sequence[str]) -> int:
    """`[SEEDS] [overrides]`."""
    return print_all(compare, arguments, default=3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
