"""`paribus list [GROUP]`: what there is to choose from, read from YAML and signatures without importing torch."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from paribus import parts
from paribus.composition import ROOTS
from paribus.config import as_typed
from paribus.errors import ConfigError, nearest

GROUPS = (*ROOTS["train"], *ROOTS["sweep"], parts.STUDY)
PIPE_WIDTH = 200  # columns of a table that no terminal shows


def command(arguments: list[str], extension: Path | None) -> int:
    """Without a group: the groups. With one: its choices, what they are and their settings."""
    if len(arguments) > 1:
        raise ConfigError(f"list takes one group, and {len(arguments)} are given")
    if arguments and arguments[0] not in GROUPS:
        raise ConfigError(f"{arguments[0]} is not a group; {nearest(arguments[0], GROUPS, 'groups')}")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(_choices(arguments[0], extension) if arguments else _groups(extension))
    return 0


def _groups(extension: Path | None) -> Table:
    table = Table("group", "choices", box=None, pad_edge=False)
    for group in GROUPS:
        table.add_row(group, ", ".join(parts.options(group, extension)))
    return table


def _choices(group: str, extension: Path | None) -> Table:
    files = parts.options(group, extension)
    if group not in parts.SOURCES:  # experiments and studies choose parts and are none
        table = Table(group, "what it is", box=None, pad_edge=False)
        for name, file in files.items():
            table.add_row(name, parts.first_comment(file))
        return table
    table = Table(group, "what it is", "settings: what they must be = default", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for name, part in parts.by_option(group, extension).items():
        values = OmegaConf.to_container(OmegaConf.load(files[name]))
        assert isinstance(values, dict)
        settings = [f"{key}: {each.describe()} = {_shown(values.get(key))}" for key, each in part.schema.items()]
        table.add_row(name, parts.first_comment(files[name]), "\n".join(settings))
    return table


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} blocks"
    return "to be given" if value == "???" else as_typed(value)
