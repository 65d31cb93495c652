"""What a search finds, and the tokens that it may go on with."""

from dataclasses import dataclass

import torch
from torch import Tensor

from paribus.data.spec import END, PADDING, UNKNOWN
from paribus.errors import RunError


@dataclass(frozen=True)
class Hypothesis:
    """One output: its tokens without END, and its log-probability over the length penalty.

    With is_ended false it has reached its maximum length without END, and its score is that of the tokens it has.
    """

    tokens: tuple[int, ...]
    score: float
    is_ended: bool


def log_probabilities(logits: Tensor) -> Tensor:
    """(N, V) -> (N, V) in at least 32 bits; -inf for PADDING and UNKNOWN, which are never put out.

    Neither is a word: PADDING is no target at all, and UNKNOWN stands for many words and matches none, so that any
    other is the better guess. What they have is not shared among the others: scores remain those of the model.
    Raises RunError for a number that is not finite.
    """
    found = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
    if found[:, END].isnan().any():  # one nan or +inf makes the whole row nan
        raise RunError("the model's outputs are not finite: its weights have diverged; train with a lower optimizer.lr")
    found[:, PADDING] = -torch.inf
    found[:, UNKNOWN] = -torch.inf
    return found


def likeliest(found: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities (N, V) -> the count highest of each row and their tokens, (N, count) each, the best first.

    Of equal ones the lowest tokens, where topk takes any.
    """
    lowest = found.topk(count, dim=1).values[:, -1:]
    rows, tokens = (found >= lowest).nonzero(as_tuple=True)  # in order; more than count of a row with equal ones
    order = found[rows, tokens].argsort(descending=True, stable=True)
    order = order[rows[order].argsort(stable=True)]  # row by row again, the best of each first
    begins = torch.searchsorted(rows, torch.arange(len(found), device=rows.device))
    chosen = tokens[order[begins[:, None] + torch.arange(count, device=rows.device)]]
    return found.gather(1, chosen), chosen
