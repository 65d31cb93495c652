"""`paribus list [GROUP]`: what there is to choose from, read from YAML and signatures without importing torch."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from paribus import parts
from paribus.composition import GROUPS
from paribus.errors import ConfigError, nearest

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
    settings = ["settings: what they must be = default"] if group in parts.GROUPS else []
    table = Table(group, "what it is", *settings, box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for name, file in parts.options(group, extension).items():
        cells = ["\n".join(_settings(group, file, extension))] if settings else []
        table.add_row(name, parts.first_comment(file), *cells)
    return table


def _settings(group: str, file: Path, extension: Path | None) -> list[str]:
    values = OmegaConf.to_container(OmegaConf.load(file))
    assert isinstance(values, dict)
    part = parts.find(group, str(values.get("name")), extension)
    if part is None:
        raise ConfigError(f"{file}: name: {values.get('name')} names no {group} in code")
    return [f"{key}: {setting.describe()} = {_shown(values.get(key))}" for key, setting in part.schema.items()]


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} blocks"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return "to be given" if value == "???" else str(value)
