"""No augmentation."""


def none() -> None:
    """The training examples as they are."""
