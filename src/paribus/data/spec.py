"""What the rest of the program needs to know of a data set. Its class says which kind of task it is."""

from dataclasses import dataclass, field

PADDING = 0  # the number of the token that fills a text up to the longest of its batch
UNKNOWN = 1  # the number of all tokens that training did not have
END = 2  # the number of the token that ends a sequence of a pair, and that a decoder begins with
NO_TARGET = -1  # the target of steps that are padding


@dataclass(frozen=True)
class DataSpec:
    """input_shape is that of one example: (features,), (channels, height, width), or of a sequence (steps, features).

    With a vocabulary it is (steps,): an example is the number of each token, PADDING after its last. With is_aligned
    there is a target for each step of the input, NO_TARGET where that is padding. With is_stream each example of a
    batch goes on where the same one of the batch before ended.
    """

    input_shape: tuple[int, ...]
    vocabulary: tuple[str, ...] = field(default=(), kw_only=True)
    is_aligned: bool = field(default=False, kw_only=True)
    is_stream: bool = field(default=False, kw_only=True)

    @property
    def is_image(self) -> bool:
        """Whether one example is (channels, height, width)."""
        return len(self.input_shape) == 3

    @property
    def is_text(self) -> bool:
        """Whether one example is the numbers of tokens (steps,)."""
        return bool(self.vocabulary)

    @property
    def is_sequence(self) -> bool:
        """Whether one example has steps: (steps, features), or tokens (steps,)."""
        return self.is_text or len(self.input_shape) == 2

    @property
    def target_shape(self) -> tuple[int, ...]:
        """That of one example's target: () for one number."""
        return self.input_shape[:1] if self.is_aligned else ()

    @property
    def num_values(self) -> int:
        """How many numbers a target has, or each step's where is_aligned: as often does a model give its outputs."""
        return 1


@dataclass(frozen=True)
class ClassificationSpec(DataSpec):
    """Targets (N,), or (N, steps), are whole numbers, the index of a class name each."""

    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


@dataclass(frozen=True)
class BinarySpec(ClassificationSpec):
    """Two classes; the second is the positive one."""


@dataclass(frozen=True)
class PairSpec(ClassificationSpec):
    """A sequence of tokens for each sequence of tokens: the classes are the tokens of the target.

    Inputs (N, steps) are numbers of source tokens, END after the last, then PADDING; targets (N, longest_target) those
    of target tokens, END after the last, then NO_TARGET. Both vocabularies begin with PADDING, UNKNOWN and END.
    scores says what outputs are judged by: translation, pronunciation or exact.
    """

    longest_target: int
    scores: str
    has_one_vocabulary: bool

    @property
    def target_shape(self) -> tuple[int, ...]:
        """(longest_target,)."""
        return (self.longest_target,)


@dataclass(frozen=True)
class NumericSpec(DataSpec):
    """Targets are numbers in standard units."""


@dataclass(frozen=True)
class RegressionSpec(NumericSpec):
    """Targets (N,) in standard units: value = target * target_scale + target_mean."""

    target_name: str
    target_mean: float
    target_scale: float


@dataclass(frozen=True)
class Column:
    """A target of a forecast, in standard units: value = number * scale + mean.

    place is where it stands among the features of the inputs, None where it is not among them. naive_error is the
    mean |value - value a season before| of the training rows, in its own units, by which MASE divides.
    """

    name: str
    mean: float
    scale: float
    place: int | None
    naive_error: float


@dataclass(frozen=True)
class ForecastSpec(NumericSpec):
    """Targets (N, horizon, K) of K columns; with is_aligned (N, steps, K), each step's being `horizon` steps ahead.

    Of the input's steps the first num_past are known when the forecast is made; more may follow, for what is known of
    the steps to be forecast: columns known ahead, 0 in all others, and last a feature that is 1 there. Errors are in
    standard units where in_standard_units, as benchmarks of several columns have them, else in each column's own.
    window_normalization is none, subtract_last_value or instance: what is taken from each window before the model, and
    given back after it.
    """

    columns: tuple[Column, ...]
    horizon: int
    num_past: int
    in_standard_units: bool
    window_normalization: str = "none"

    @property
    def target_shape(self) -> tuple[int, ...]:
        """(horizon, K), or aligned (steps, K)."""
        return (*(self.input_shape[:1] if self.is_aligned else (self.horizon,)), len(self.columns))

    @property
    def num_values(self) -> int:
        """horizon * K, or aligned K for each step."""
        return len(self.columns) * (1 if self.is_aligned else self.horizon)


def classification_spec(
    input_shape: tuple[int, ...],
    class_names: tuple[str, ...],
    *,
    vocabulary: tuple[str, ...] = (),
    is_aligned: bool = False,
) -> ClassificationSpec:
    """A BinarySpec for two classes, else a ClassificationSpec."""
    kind = BinarySpec if len(class_names) == 2 else ClassificationSpec
    return kind(input_shape, class_names, vocabulary=vocabulary, is_aligned=is_aligned)
