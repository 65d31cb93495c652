"""How often a decoder in training reads the true token before a step, else its own: Bengio et al. 2015, sec. 2.4."""

from dataclasses import dataclass

from paribus.errors import ConfigError

STEEPNESS = 100  # the k of inverse_sigmoid: the first and the last 1 % of the way fall outside the training


@dataclass(frozen=True)
class TeacherForcing:
    """The share of steps that read the true token: `first` at the start of training, `last` at its end.

    linear: a straight line. exponential: falls by the same factor each step. inverse_sigmoid: slow, fast, slow, and
    half of the way at half of the training. Raises ConfigError for an exponential one from or to 0.
    """

    schedule: str
    first: float
    last: float

    def __post_init__(self) -> None:
        for key, share in (("teacher_forcing", self.first), ("teacher_forcing_end", self.last)):
            if self.schedule == "exponential" and share == 0:
                raise ConfigError(
                    f"model.{key}=0: an exponential schedule never reaches 0; use a share above 0, such as 0.01, or "
                    "model.teacher_forcing_schedule=linear"
                )

    def share(self, progress: float) -> float:
        """When so much of the training is done, from 0 to 1."""
        if self.schedule == "exponential":
            return float(self.first * (self.last / self.first) ** progress)
        way = {"linear": progress, "inverse_sigmoid": _sigmoid_way(progress)}[self.schedule]
        return (1 - way) * self.first + way * self.last  # exact at both ends


def _sigmoid_way(progress: float) -> float:
    """From 0 to 1. Bengio et al. have the share k / (k + exp(i / k)) after i steps, which never is quite 1 or 0.

    Here i = 2 k ln(k) * progress, so that the middle, i = k ln(k), is half of the training whatever its length, and the
    curve is stretched to begin and end where it should.
    """
    begin, now, end = (STEEPNESS / (STEEPNESS + STEEPNESS ** (2 * done)) for done in (0.0, progress, 1.0))
    return float((begin - now) / (begin - end))
