"""Regularization: what one config section switches on. Dropout, normalization and smoothing are built into parts."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paribus.seeding import derive
from paribus.types import Flag, NonNegativeFloat, Normalization, PositiveFloat, Probability, ProbabilityBelowOne


@dataclass(frozen=True)
class Regularization:
    """Penalties in the loss, noise, clipping of the gradient and a limit on the weights.

    Noise comes from a stream of its own for each step, so that it leaves all other random numbers as they are.
    """

    seed: int
    l1: float
    l2: float
    max_norm: float | None
    gradient_clip: float | None
    gradient_clip_value: float | None
    input_noise: float
    gradient_noise: float

    def penalties(self, weights: Iterable[Tensor]) -> dict[str, Tensor]:
        """The penalties that are on, by name; weights are those of more than one dimension: no biases, no norms."""
        kept = list(weights)
        found: dict[str, Tensor] = {}
        if self.l1:
            found["l1_penalty"] = self.l1 * torch.stack([weight.abs().sum() for weight in kept]).sum()
        if self.l2:
            found["l2_penalty"] = self.l2 * torch.stack([weight.square().sum() for weight in kept]).sum()
        return found

    def noisy(self, inputs: Tensor, step: int, place: int) -> Tensor:
        """Inputs (B, ...), batch number `place` of a training step, with noise if it is on (Bishop 1995)."""
        if not self.input_noise:
            return inputs
        return inputs + self.input_noise * self._noise(inputs, f"input_noise/{place}", step)

    def change_gradients(self, parameters: list[nn.Parameter], step: int) -> Tensor | None:
        """Noise, then clipping by value, then by norm, each if it is on; the norm before that clipping, if on.

        Neelakantan et al. 2015 (noise, constant here); Pascanu et al. 2013 (norm).
        """
        if self.gradient_noise:
            gradients = [weight.grad for weight in parameters if weight.grad is not None]
            for place, gradient in enumerate(gradients):
                gradient.add_(self._noise(gradient, f"gradient_noise/{place}", step), alpha=self.gradient_noise)
        if self.gradient_clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.gradient_clip_value)
        if self.gradient_clip is None:
            return None
        return nn.utils.clip_grad_norm_(parameters, self.gradient_clip)

    @torch.no_grad()
    def limit(self, weights: Iterable[Tensor]) -> None:
        """After a step: shrink the weights into each unit to a norm of max_norm at most (Srivastava et al. 2014)."""
        if self.max_norm is not None:
            for weight in weights:
                weight.copy_(torch.renorm(weight, 2, 0, self.max_norm))

    def _noise(self, like: Tensor, purpose: str, step: int) -> Tensor:
        generator = torch.Generator(like.device).manual_seed(derive(self.seed, purpose, step))
        return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)


def standard(
    seed: int,
    *,
    l1: NonNegativeFloat,
    l2: NonNegativeFloat,
    max_norm: PositiveFloat | None,
    dropout: ProbabilityBelowOne,
    spatial_dropout: ProbabilityBelowOne,
    normalization: Normalization,
    label_smoothing: Probability,
    gradient_clip: PositiveFloat | None,
    gradient_clip_value: PositiveFloat | None,
    input_noise: NonNegativeFloat,
    gradient_noise: NonNegativeFloat,
    decay_all: Flag,
) -> Regularization:
    """Dropout, normalization, smoothing and decay_all go to the model, the loss or the optimizer that asks for them."""
    return Regularization(seed, l1, l2, max_norm, gradient_clip, gradient_clip_value, input_noise, gradient_noise)
