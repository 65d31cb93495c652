"""The encoder of a sequence to sequence model.

Shapes: B batch, S source steps, F features, K outputs, A units of keys, N rows that are decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paribus.models.recurrent_layers import RecurrentLayer, turned_steps


@dataclass(frozen=True)
class Memory:
    """What a decoder attends to. mask is True where a step is real; keys are the attention's, None without one."""

    values: Tensor  # (B, S, K)
    keys: Tensor | None  # (B, S, A)
    mask: Tensor  # (B, S)
    lengths: Tensor  # (B,)

    def select(self, rows: Tensor) -> "Memory":
        """That of the rows (N,) of the batch, of each as often as it is among them."""
        keys = None if self.keys is None else self.keys[rows]
        return Memory(self.values[rows], keys, self.mask[rows], self.lengths[rows])


class Encoder(nn.Module):
    """(B, S, F), lengths (B,) -> (B, S, K), with dropout between layers. Padding reaches no real step."""

    def __init__(self, layers: Sequence[RecurrentLayer], dropout: nn.Module) -> None:
        super().__init__()
        self.dropout = dropout
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"layer{number}", layer)
        self._num_layers = len(layers)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """What the last layer gives at each step."""
        turned, hidden = turned_steps(lengths, inputs.shape[1]), inputs
        for number in range(1, self._num_layers + 1):
            if number > 1:
                hidden = self.dropout(hidden)
            hidden, _ = self.get_submodule(f"layer{number}")(hidden, turned, None)
        return hidden


def real_steps(lengths: Tensor, num_steps: int) -> Tensor:
    """lengths (B,) -> (B, S), True at the steps that are no padding."""
    return torch.arange(num_steps, device=lengths.device) < lengths[:, None]
