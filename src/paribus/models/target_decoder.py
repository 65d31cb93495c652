"""The decoder of a sequence to sequence model: from embedded tokens to what an output layer reads.

Shapes: N rows that are decoded, S source steps, T target steps, L layers, H units, K encoder size, E embedding size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paribus.models.attention import Attention
from paribus.models.recurrent_layers import Direction
from paribus.models.source_encoder import Memory


@dataclass(frozen=True)
class DecoderState:
    """All that a decoder knows of the steps before. fed is the last attentional vector, where that is fed."""

    hidden: Tensor  # (L, N, H)
    cell: Tensor  # (L, N, H)
    fed: Tensor | None  # (N, E)

    def select(self, rows: Tensor) -> "DecoderState":
        """That of the rows (M,) of all N, of each as often as it is among them."""
        fed = None if self.fed is None else self.fed[rows]
        return DecoderState(self.hidden.index_select(1, rows), self.cell.index_select(1, rows), fed)


class Decoder(nn.Module):
    """LSTM layers, attention, and the attentional vector tanh(W [context; hidden] + b): Luong et al. 2015, eq. 5.

    Without attention it is tanh(W hidden + b). `feeds` says what a step reads beside its token: nothing; vector, the
    attentional vector of the step before (Luong et al. 2015, sec. 3.3; zeros at first); or context, that which the
    state before the step attends to (Bahdanau et al. 2015, eq. 5 and 6, where the output reads it too). But for
    context, a step's own state attends.
    """

    def __init__(
        self,
        layers: Sequence[Direction],
        attention: Attention | None,
        combination: nn.Linear,
        dropout: nn.Module,
        *,
        feeds: str,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"layer{number}", layer)
        self.attention, self.combination = attention, combination
        self.feeds, self._num_layers = feeds, len(layers)
        self.hidden_size = layers[0].cell.hidden_size

    def begin(self, hidden: Tensor, cell: Tensor) -> DecoderState:
        """hidden, cell (L, N, H): the state before the first step."""
        fed = hidden.new_zeros(hidden.shape[1], self.combination.out_features) if self.feeds == "vector" else None
        return DecoderState(hidden, cell, fed)

    def forward(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """embedded (N, T, E) -> (N, T, K + H) for `combined`; weights (N, T, S). All steps at once, nothing fed."""
        assert self.feeds == "nothing", self.feeds
        outputs, _, _ = self._read(embedded, state)
        context, weights = self._attend(outputs, memory)
        return _beside(context, outputs), weights

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, DecoderState, Tensor | None]:
        """embedded (N, E) -> attentional vector (N, E), the state after the step, weights (N, S)."""
        if self.feeds == "context":
            context, weights = self._attend(state.hidden[-1][:, None], memory)
            assert context is not None
            embedded = torch.cat([embedded, context[:, 0]], 1)
        elif state.fed is not None:
            embedded = torch.cat([embedded, state.fed], 1)
        outputs, hidden, cell = self._read(embedded[:, None], state)
        if self.feeds != "context":
            context, weights = self._attend(outputs, memory)
        vector = self.combined(_beside(context, outputs)[:, 0])
        fed = vector if self.feeds == "vector" else None
        return vector, DecoderState(hidden, cell, fed), None if weights is None else weights[:, 0]

    def combined(self, context_and_hidden: Tensor) -> Tensor:
        """(..., K + H) -> (..., E), the attentional vector."""
        return torch.tanh(self.combination(context_and_hidden))

    def _read(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, Tensor, Tensor]:
        """inputs (N, T, ...) -> the last layer's outputs (N, T, H), the hidden states and cells after step T - 1."""
        ended = []
        for number in range(1, self._num_layers + 1):
            if number > 1:
                inputs = self.dropout(inputs)
            own = slice(number - 1, number)
            inputs, end = self.get_submodule(f"layer{number}")(inputs, (state.hidden[own], state.cell[own]))
            ended.append(end)
        hidden, cell = (torch.cat(parts) for parts in zip(*ended, strict=True))
        return inputs, hidden, cell

    def _attend(self, query: Tensor, memory: Memory) -> tuple[Tensor | None, Tensor | None]:
        """query (N, Q, H) -> context (N, Q, K), weights (N, Q, S)."""
        if self.attention is None:
            return None, None
        context, weights = self.attention(query, memory.keys, memory.values, memory.mask)
        return context, weights


def _beside(one: Tensor | None, other: Tensor) -> Tensor:
    return other if one is None else torch.cat([one, other], -1)
