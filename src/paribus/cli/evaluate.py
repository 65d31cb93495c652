"""`paribus evaluate run=DIR`: test the best checkpoint of a run again, from the run folder alone."""

from pathlib import Path

from paribus.cli import take
from paribus.cli.train import saved_or_new
from paribus.errors import ConfigError


def command(arguments: list[str], extension: Path | None) -> int:
    """Print each test figure, and whether it is the stored one."""
    folder, overrides = take("run", arguments)
    if folder is None:
        raise ConfigError("evaluate needs the folder of a run: paribus evaluate run=outputs/runs/NAME/TIME")
    checked = saved_or_new(folder, overrides, extension)
    from paribus.experiment import evaluate

    figures, stored = evaluate(checked, folder)
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        print(f"  {name:<{width}}  {value:.4f}{_compared(value, stored.get(name))}")
    return 0


def _compared(value: float, stored: float | None) -> str:
    if stored is None:
        return "  (not stored)"
    return "" if value == stored else f"  (stored: {stored:.4f})"
