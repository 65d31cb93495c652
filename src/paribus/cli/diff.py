"""`paribus diff RUN RUN`: config, environment and figures of two runs side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from paribus.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from paribus.runs import Run


def command(arguments: list[str], extension: Path | None) -> int:
    """Print what differs; with all=true everything, with what differs marked."""
    flags = [word for word in arguments if word.startswith("all=")]
    folders = [word for word in arguments if word not in flags]
    if flags not in ([], ["all=true"], ["all=false"]):
        raise ConfigError(f"{' '.join(flags)}: all is true or false")
    if len(folders) != 2:
        raise ConfigError(f"diff takes two run folders, and {len(folders)} are given: paribus diff RUN RUN [all=true]")
    from paribus.comparing.tables import environment, show
    from paribus.runs import read

    one, other = (read(Path(folder).expanduser()) for folder in folders)
    is_all = flags == ["all=true"]
    show(
        [
            _table("run", _ending(one), _ending(other), is_all=True),
            *_section("config", one.settings, other.settings, is_all),
            *_section("environment", environment(one), environment(other), is_all),
            *_section("figures", _figures(one), _figures(other), is_all),
        ]
    )
    return 0


def _ending(run: "Run") -> dict[str, str]:
    measured = "of the end" if run.figures else f"of epoch {run.rows[-1]['epoch']:.0f}" if run.rows else "none yet"
    told = {"error": run.error} if run.error else {}
    return {"folder": str(run.path), "status": run.status, **told, "figures": measured}


def _figures(run: "Run") -> dict[str, str]:
    """Those of the end, or else of the last epoch there is; in full, so that no difference is rounded away."""
    last = run.rows[-1] if run.rows else {}
    return {name: f"{value:.0f}" if value % 1 == 0 else repr(value) for name, value in (run.figures or last).items()}


def _section(title: str, one: Mapping[str, str], other: Mapping[str, str], is_all: bool) -> "list[str | Table]":
    """A table of what differs, or of all; a line where there is nothing to show."""
    if not one and not other:
        return [f"{title}: neither run has any yet"]
    if not is_all and one == other:
        return [f"{title}: the same"]
    return [_table(title, one, other, is_all)]


def _table(title: str, one: Mapping[str, str], other: Mapping[str, str], is_all: bool) -> "Table":
    """Where all is shown, what differs is marked."""
    from paribus.comparing.tables import table
    from paribus.comparing.variants import side_by_side

    rows = []
    for key, (first, second) in side_by_side([one, other]).items():
        if is_all or first != second:
            mark = "" if not is_all else "* " if first != second else "  "
            rows.append([f"{mark}{key}", first, second])
    return table(title, ["", "one", "other"], rows)
