"""The choices of the group decoding: how the output is searched for."""

from dataclasses import dataclass, replace

from torch import Tensor

from paribus.data.spec import END, PADDING
from paribus.errors import ConfigError
from paribus.types import NonNegativeFloat, OutputLength, OutputRatio, PositiveInt


@dataclass(frozen=True)
class Decoding:
    """How outputs are searched for, how long they may be and how they are scored; with beam_size 1 greedily."""

    beam_size: int
    length_penalty: float
    n_best: int
    max_ratio: float
    max_extra: int

    @property
    def greedily(self) -> "Decoding":
        """The quickest with the same limits on length."""
        return replace(self, beam_size=1, length_penalty=0.0, n_best=1)

    def longest(self, sources: Tensor) -> Tensor:
        """Sources (B, S) -> (B,), the most tokens of each one's output: ceil(max_ratio * tokens of it) + max_extra.

        The source's END is not counted, that of the output is. An output without END by then is cut.
        """
        counts = ((sources != PADDING) & (sources != END)).sum(dim=1)
        return (self.max_ratio * counts).ceil().long() + self.max_extra

    def penalty(self, lengths: Tensor) -> Tensor:
        """What a log-probability is divided by: ((5 + length) / 6) ** length_penalty (Wu et al. 2016, eq. 14).

        Lengths of any shape count END; an output that was cut has none, and its length is that of its tokens.
        """
        penalty: Tensor = ((5 + lengths) / 6) ** self.length_penalty
        return penalty


def greedy(*, max_ratio: OutputRatio, max_extra: OutputLength) -> Decoding:
    """The likeliest token at each step, up to ceil(max_ratio * source tokens) + max_extra tokens with END."""
    return Decoding(1, 0.0, 1, max_ratio, max_extra)


def beam(
    *,
    beam_size: PositiveInt,
    length_penalty: NonNegativeFloat,
    n_best: PositiveInt,
    max_ratio: OutputRatio,
    max_extra: OutputLength,
) -> Decoding:
    """Beam search: the beam_size likeliest prefixes are written on (Wu et al. 2016, section 7, without coverage).

    Raises ConfigError for an n_best above beam_size.
    """
    if n_best > beam_size:
        raise ConfigError(f"decoding.n_best={n_best} is more than decoding.beam_size={beam_size}; lower it")
    return Decoding(beam_size, length_penalty, n_best, max_ratio, max_extra)
