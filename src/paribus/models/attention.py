"""Attention of a decoder to what an encoder has read, padding masked out.

Shapes: B batch, Q queries of each example, S source steps, H query size, K encoder size, A units. Each kind has
project(memory (B, S, K)) -> keys, which are to be computed once for all queries, and
forward(query (B, Q, H), keys, memory (B, S, K), mask (B, S), True where real) -> context (B, Q, K), weights (B, Q, S).
Weights sum to 1 over the real steps and are 0 at padding; each example needs one real step.
"""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """A mean of the memory weighted by softmax of scores; a kind says how keys are made and scored."""

    def project(self, memory: Tensor) -> Tensor:
        """Keys: here the memory itself."""
        return memory

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """query (B, Q, H), keys -> (B, Q, S), the higher the more alike."""
        raise NotImplementedError

    def forward(self, query: Tensor, keys: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Bahdanau et al. 2015, eq. 5 and 6; Luong et al. 2015, eq. 7."""
        weights = self.scores(query, keys).masked_fill(~mask[:, None], -torch.inf).softmax(2)
        return weights @ memory.to(weights.dtype), weights


class DotAttention(Attention):
    """score = query . memory: Luong et al. 2015, eq. 8, dot. H and K are the same."""

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Not divided by sqrt H, as in the paper."""
        return query @ keys.transpose(1, 2)


class GeneralAttention(DotAttention):
    """score = query . W memory: Luong et al. 2015, eq. 8, general. Keys (B, S, H)."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.keys = nn.Linear(memory_size, query_size, bias=False)

    def project(self, memory: Tensor) -> Tensor:
        """W memory."""
        keys: Tensor = self.keys(memory)
        return keys


class AdditiveAttention(Attention):
    """score = v . tanh(W query + U memory): Bahdanau et al. 2015, appendix A.1.2. Keys (B, S, A).

    It is Luong et al. 2015, eq. 8, concat, too: one matrix times two vectors beside each other is W and U. All
    Q * S * A sums of an example are held at once.
    """

    def __init__(self, query_size: int, memory_size: int, num_units: int) -> None:
        super().__init__()
        self.queries = nn.Linear(query_size, num_units, bias=False)
        self.keys = nn.Linear(memory_size, num_units, bias=False)
        self.score = nn.Linear(num_units, 1, bias=False)

    def project(self, memory: Tensor) -> Tensor:
        """U memory."""
        keys: Tensor = self.keys(memory)
        return keys

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Of each query with each key."""
        scores: Tensor = self.score(torch.tanh(self.queries(query)[:, :, None] + keys[:, None]))
        return scores.squeeze(3)


def build_attention(kind: str, query_size: int, memory_size: int) -> Attention | None:
    """The attention of that name, additive ones with as many units as a query has; None for none."""
    match kind:
        case "none":
            return None
        case "luong_dot":
            assert query_size == memory_size, (query_size, memory_size)
            return DotAttention()
        case "luong_general":
            return GeneralAttention(query_size, memory_size)
    assert kind in ("bahdanau", "luong_concat"), kind
    return AdditiveAttention(query_size, memory_size, query_size)
