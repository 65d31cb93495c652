"""`paribus sweep`: many runs, each of them one choice of what varies."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from paribus.cli import take
from paribus.sweeps import engine
from paribus.sweeps.launching import launched
from paribus.sweeps.manifest import KEPT, Manifest
from paribus.sweeps.table import best_table

PIPE_WIDTH = 200  # columns of a table that no terminal shows


def command(arguments: list[str], extension: Path | None) -> int:
    """Run a new sweep, or what is missing of an old one: resume=DIR. 1 where a job has not finished."""
    manifest = run_sweep(arguments, extension, ["sweep", *arguments])
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(best_table(manifest))
    print(manifest.path)
    return 0 if manifest.count(*KEPT) == len(manifest.jobs) else 1


def run_sweep(arguments: list[str], extension: Path | None, command: Sequence[str]) -> Manifest:
    """Run it: the manifest with what became of every job. Raises ConfigError before there is a folder."""
    folder, overrides = take("resume", [text for text in arguments if text not in ("-m", "--multirun")])
    if folder is not None:
        return launched(engine.resumed(folder, overrides, extension))
    return launched(engine.freeze(overrides, extension, command))
