"""Recurrent layers over padded sequences. Shapes: B batch, T steps, F features, H units of a direction, D outputs.

Sequences are not packed: PyTorch runs packed ones on a CPU at about half the speed of dense ones. Forwards padding
is read after all that is real, and cannot reach it; backwards each sequence is turned round within its own length.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]  # each (1, B, H): an LSTM's output and its memory cell, of other layers their output


class LearnedState(nn.Module):
    """What a layer begins with, learned. Vectors, as biases are, so that nothing treats them as weights of a layer."""

    def __init__(self, num_parts: int, hidden_size: int) -> None:
        super().__init__()
        self.values = nn.ParameterList(torch.empty(hidden_size) for _ in range(num_parts))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Zero, as without learning."""
        for vector in self.values:
            vector.zero_()

    def forward(self, batch_size: int) -> State:
        """The same for each sequence."""
        return tuple(vector.expand(1, batch_size, -1).contiguous() for vector in self.values)


class Direction(nn.Module):
    """One direction of a layer: inputs (B, T, F), state or None -> outputs (B, T, H), the state after step T - 1."""

    def __init__(self, cell: nn.RNNBase, *, is_initial_state_learned: bool) -> None:
        super().__init__()
        self.cell = cell
        self._is_lstm = isinstance(cell, nn.LSTM)
        num_parts = 2 if self._is_lstm else 1
        self.initial = LearnedState(num_parts, cell.hidden_size) if is_initial_state_learned else None

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Read from the first step to the last."""
        if state is None and self.initial is not None:
            state = self.initial(len(inputs))
        if self._is_lstm:
            return self._read_with_memory(inputs, state)
        outputs, ended = self.cell(inputs, None if state is None else state[0])
        return outputs, (ended,)

    def _read_with_memory(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        if inputs.is_cpu and torch.is_autocast_enabled("cpu"):  # PyTorch's fails in bfloat16 without AVX-512
            with torch.autocast("cpu", enabled=False):
                return self._read_with_memory(inputs.float(), state)
        outputs, ended = self.cell(inputs, state)
        return outputs, ended


class RecurrentLayer(nn.Module):
    """(B, T, F) -> (B, T, D): forwards and, if it is bidirectional, backwards beside it (Schuster & Paliwal 1997).

    Layer normalization is of the outputs. Ba et al. 2016 have it within the cell, which no fused kernel does.
    """

    def __init__(
        self,
        make_cell: Callable[[int], nn.RNNBase],
        num_features: int,
        normalization: str,
        *,
        is_bidirectional: bool,
        is_initial_state_learned: bool,
    ) -> None:
        super().__init__()
        directions = [
            Direction(make_cell(num_features), is_initial_state_learned=is_initial_state_learned)
            for _ in range(1 + is_bidirectional)
        ]
        self.forwards = directions[0]
        self.backwards = directions[1] if is_bidirectional else None
        num_outputs = self.forwards.cell.hidden_size * len(directions)
        self.normalization = nn.LayerNorm(num_outputs) if normalization == "layer" else nn.Identity()

    def forward(self, inputs: Tensor, turned: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        """`turned` is what turned_steps gives; `state` is what forwards begins with, and what it ends with is given."""
        outputs, ended = self.forwards(inputs, state)
        if self.backwards is not None:
            backwards, _ = self.backwards(turn_round(inputs, turned), None)
            outputs = torch.cat([outputs, turn_round(backwards, turned)], 2)
        return self.normalization(outputs), ended


def turned_steps(lengths: Tensor, num_steps: int) -> Tensor:
    """lengths (B,) -> (B * T,): which of all steps of the batch stands at each place once sequences are turned round.

    Padding stays where it is.
    """
    steps, ends = torch.arange(num_steps, device=lengths.device), lengths[:, None]
    turned = torch.where(steps < ends, ends - 1 - steps, steps)
    first = num_steps * torch.arange(len(lengths), device=lengths.device)
    return (first[:, None] + turned).flatten()


def turn_round(values: Tensor, turned: Tensor | None) -> Tensor:
    """(B, T, F) -> (B, T, F): last step first, within each sequence's own length; None: all are T steps long."""
    if turned is None:
        return values.flip(1)
    return values.flatten(0, 1).index_select(0, turned).view_as(values)


class SequenceDropout(nn.Dropout1d):
    """Dropout of (B, T, F) that silences the same units at every step of a sequence.

    Gal & Ghahramani 2016, but for the connections from state to state, where no fused kernel can have it.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """As whole channels of (B, F, T)."""
        return super().forward(inputs.transpose(1, 2)).transpose(1, 2)
