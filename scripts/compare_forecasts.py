"""The LSTM on ETTh1 beside what needs no network, on the same test windows, as a Markdown table.

`python scripts/compare_forecasts.py [SEEDS] [overrides]` trains experiment=ett_lstm for seeds 0 to SEEDS - 1 (3 by
default) at each of HORIZONS; overrides may follow, such as data.root=DIR or model=gru. Errors are means over 7 columns
in standard units. Ridge regression sees the same windows; its penalty is the one of PENALTIES with the lowest squared
error on the validation windows. An error of the network above one of the others is marked as a loss.
"""

import sys
from collections.abc import Sequence
from statistics import mean

import numpy as np
from sklearn.linear_model import Ridge
from torch import Tensor

from accuracy import train
from paribus import composition, config
from paribus.building import build_data
from paribus.data.time_series.module import SeriesData
from paribus.errors import UserError

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


def rows(horizon: int, seeds: Sequence[int], overrides: Sequence[str]) -> list[str]:
    """Markdown rows of a horizon."""
    chosen = [*overrides, f"data.horizon={horizon}"]
    checked = config.check(composition.compose(["experiment=ett_lstm", *chosen]))
    data = build_data(checked)
    assert isinstance(data, SeriesData)
    metrics = train("ett_lstm", seeds, chosen)
    found = [(each["test/mse"], each["test/mae"]) for each in metrics]
    squared, absolute = (mean(column) for column in zip(*found, strict=True))
    spread = f" (seeds {min(one for one, _ in found):.3f} to {max(one for one, _ in found):.3f})"
    lines = [
        f"| {horizon} | {checked['model'].part.name}, {len(seeds)} seeds{spread} | {squared:.3f} | {absolute:.3f} | |"
    ]
    for name, (mse, mae) in (references(data) | {"published LSTM with attention": PUBLISHED[horizon]}).items():
        verdict = f"beats it by {1 - squared / mse:.0%}" if squared < mse else f"LOSES to it by {squared / mse - 1:.0%}"
        lines.append(f"| {horizon} | {name} | {mse:.3f} | {mae:.3f} | {verdict} |")
    return lines


def main(arguments: Sequence[str]) -> int:
    """`[SEEDS] [overrides]`."""
    count, overrides = (
        (int(arguments[0]), arguments[1:]) if arguments[:1] and arguments[0].isdecimal() else (3, arguments)
    )
    print("| horizon | forecast | MSE | MAE | the network, by MSE |")
    print("| ---: | --- | ---: | ---: | --- |")
    try:
        for horizon in HORIZONS:
            print("\n".join(rows(horizon, range(count), overrides)), flush=True)
    except UserError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
