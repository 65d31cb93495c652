"""What the rest of the program needs to know of a data set. Its class says which kind of task it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSpec:
    """input_shape is that of one example: (features,) or (channels, height, width)."""

    input_shape: tuple[int, ...]

    @property
    def is_image(self) -> bool:
        """Whether one example is (channels, height, width)."""
        return len(self.input_shape) == 3


@dataclass(frozen=True)
class ClassificationSpec(DataSpec):
    """Targets (N,) are whole numbers, the index of a class name each."""

    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


@dataclass(frozen=True)
class BinarySpec(ClassificationSpec):
    """Two classes; the second is the positive one."""


@dataclass(frozen=True)
class RegressionSpec(DataSpec):
    """Targets (N,) are numbers in standard units: value = target * target_scale + target_mean."""

    target_name: str
    target_mean: float
    target_scale: float


def classification_spec(input_shape: tuple[int, ...], class_names: tuple[str, ...]) -> ClassificationSpec:
    """A BinarySpec for two classes, else a ClassificationSpec."""
    kind = BinarySpec if len(class_names) == 2 else ClassificationSpec
    return kind(input_shape, class_names)
