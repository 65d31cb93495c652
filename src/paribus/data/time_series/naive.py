"""Forecasts that need no learning. Shapes: T rows, K columns, N windows, S steps of targets.

They take the series (T, K), the last row that is known when each forecast is made, and how many rows ahead of it the
forecast step is, (N, S) or what broadcasts to it; and give (N, S, K).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def last_value(series: Tensor, known: Tensor, ahead: Tensor) -> Tensor:
    """The last value that is known."""
    return series[known.expand(torch.broadcast_shapes(known.shape, ahead.shape))]


def seasonal_naive(series: Tensor, known: Tensor, ahead: Tensor, season: int) -> Tensor:
    """The value whole seasons of `season` rows before, the fewest that lead to one that is known.

    Where the series does not reach back so far, the last value.
    """
    seasons = -(-ahead // season)
    rows = known + ahead - season * seasons
    return series[torch.where(rows < 0, known, rows)]


def naive_error(values: Sequence[float], season: int) -> float:
    """Mean |value - value a season before| of values (T,): the divisor of MASE (Hyndman & Koehler 2006, eq. 2).

    Of each value and the one before, where that is 0 or the values are not longer than a season. 0 for a constant.
    """
    for lag in (season, 1):
        changes = [abs(later - earlier) for earlier, later in zip(values, values[lag:], strict=False)]
        if any(changes):
            return math.fsum(changes) / len(changes)
    return 0.0
