"""`paribus check`: build everything but train nothing; show sizes, the first loss and an estimate of the time."""

from pathlib import Path

from paribus import composition, config


def command(arguments: list[str], extension: Path | None) -> int:
    """Validate the config, then print what a run of it would be."""
    checked = config.check(composition.compose(arguments, extension))
    from paribus.inspection import inspect

    print("\n".join(inspect(checked.of_fold(1) if checked.is_several else checked)))
    return 0
