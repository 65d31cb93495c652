"""A network of recurrent layers. Shapes: B batch, T steps, F features, D outputs of a layer, K of the network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from paribus.models.carrying import CarriesState
from paribus.models.recurrent_layers import RecurrentLayer, State, turned_steps
from paribus.models.sequence_pooling import real_lengths


class RecurrentNetwork(CarriesState):
    """Numbers (B, T, F), or with an embedding tokens (B, T) -> (B, K); without a pooling (B, T, K), K for each step.

    With num_steps one vector (B, F) is the input of each of so many steps: (B, num_steps * K), step after step. Only
    with is_stream is state carried; all T steps of a stream are real.
    """

    def __init__(
        self,
        embedding: nn.Embedding | None,
        layers: Sequence[RecurrentLayer],
        dropout: nn.Module,
        pooling: nn.Module | None,
        output_dropout: nn.Module,
        output: nn.Linear,
        *,
        num_steps: int | None,
        is_stream: bool,
    ) -> None:
        super().__init__()
        self.embedding, self.dropout = embedding, dropout
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"layer{number}", layer)  # a stage of its own for fine-tuning
        self.pooling, self.output_dropout = pooling, output_dropout
        self.output = output
        self._num_layers, self._num_steps, self._is_stream = len(layers), num_steps, is_stream

    def forward(self, inputs: Tensor) -> Tensor:
        """All layers, the pooling, the output layer."""
        lengths = None if self.embedding is None else real_lengths(inputs)
        hidden = self._through_layers(self._sequence(inputs), lengths)
        if self.pooling is not None:
            hidden = self.pooling(hidden, lengths)
        outputs: Tensor = self.output(self.output_dropout(hidden))
        return outputs if self._num_steps is None else outputs.flatten(1)

    def _sequence(self, inputs: Tensor) -> Tensor:
        """What the first layer reads, (B, T, F)."""
        if self.embedding is not None:
            embedded: Tensor = self.dropout(self.embedding(inputs))
            return embedded
        return inputs if self._num_steps is None else inputs[:, None].expand(-1, self._num_steps, -1)

    def _through_layers(self, hidden: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, T, F) -> (B, T, D), with dropout between layers."""
        turned = None if lengths is None else turned_steps(lengths, hidden.shape[1])
        ended: list[State] = []
        for number, state in enumerate(self._states(hidden), start=1):
            if number > 1:
                hidden = self.dropout(hidden)
            hidden, end = self.get_submodule(f"layer{number}")(hidden, turned, state)
            ended.append(end)
        if self._is_stream:
            self.ended = tuple(torch.cat(part).detach() for part in zip(*ended, strict=True))
        return hidden

    def _states(self, like: Tensor) -> list[State | None]:
        """What each layer begins with; None: what it begins a sequence with."""
        if not self._is_stream or self.carried is None:
            return [None] * self._num_layers
        return list(zip(*(part.to(like).split(1) for part in self.carried), strict=True))
