"""From a layer's outputs at all steps of a sequence to one vector; padding takes no part.

Shapes: B batch, T steps, D outputs a step. lengths (B,) are the real steps of each sequence; None: all are real.
"""

import torch
from torch import Tensor, nn

from paribus.data.spec import PADDING


def real_lengths(tokens: Tensor) -> Tensor:
    """tokens (B, T) -> (B,), the steps up to the padding; a text without tokens counts as one step of padding."""
    return (tokens != PADDING).sum(1).clamp(min=1)


class LastStep(nn.Module):
    """(B, T, D) -> (B, D): what each direction gives once it has read the whole sequence.

    The first hidden_size outputs are forwards', at the last real step; backwards', if there are any, are at step 0.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def forward(self, outputs: Tensor, lengths: Tensor | None) -> Tensor:
        """Forwards, then backwards."""
        forwards, backwards = outputs[..., : self.hidden_size], outputs[:, 0, self.hidden_size :]
        if lengths is None:
            return torch.cat([forwards[:, -1], backwards], 1)
        rows = torch.arange(len(lengths), device=lengths.device)
        return torch.cat([forwards[rows, lengths - 1], backwards], 1)


class MeanOfSteps(nn.Module):
    """(B, T, D) -> (B, D): the mean over real steps."""

    def forward(self, outputs: Tensor, lengths: Tensor | None) -> Tensor:
        """The sum divided by what is real."""
        if lengths is None:
            return outputs.mean(1)
        return without_padding(outputs, lengths, 0.0).sum(1) / lengths[:, None]


class MaxOfSteps(nn.Module):
    """(B, T, D) -> (B, D): the largest of each output over real steps."""

    def forward(self, outputs: Tensor, lengths: Tensor | None) -> Tensor:
        """Output by output."""
        return without_padding(outputs, lengths, -torch.inf).amax(1)


class Attention(nn.Module):
    """(B, T, D) -> (B, D): a mean over real steps, weighted by what is learned to matter.

    Yang et al. 2016, eq. 5 to 7: u_t = tanh(W h_t + b), weights = softmax over t of u_t . context.
    """

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.projection = nn.Linear(num_outputs, num_outputs)
        self.context = nn.Linear(num_outputs, 1, bias=False)

    def forward(self, outputs: Tensor, lengths: Tensor | None) -> Tensor:
        """The weighted sum."""
        return (self.weights(outputs, lengths) * outputs).sum(1)

    def weights(self, outputs: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, T, 1), which sum to 1 over the steps; 0 at padding."""
        scores = self.context(torch.tanh(self.projection(outputs)))
        return without_padding(scores, lengths, -torch.inf).softmax(1)


def without_padding(values: Tensor, lengths: Tensor | None, filling: float) -> Tensor:
    """values (B, T, D), with `filling` at the steps that are padding."""
    if lengths is None:
        return values
    steps = torch.arange(values.shape[1], device=values.device)
    return values.masked_fill((steps >= lengths[:, None])[..., None], filling)


def sequence_pooling(name: str, hidden_size: int, num_outputs: int) -> nn.Module:
    """The pooling of that name for the outputs of directions with hidden_size units each, num_outputs in all."""
    if name == "attention":
        return Attention(num_outputs)
    if name == "last":
        return LastStep(hidden_size)
    return {"mean": MeanOfSteps, "max": MaxOfSteps}[name]()
