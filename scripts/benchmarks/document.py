"""docs/benchmarks.md: one section a benchmark, each with its table and the machine that it was measured on."""

import inspect
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from benchmarks.measuring import Benchmark, Row

OPENING = """\
# Benchmarks

Written by `make bench`, or a part of it by `python scripts/benchmark.py NAME`, the name being that in brackets below.
Everything runs on the CPU and is measured in turns, round after round. Seconds are medians over the rounds; a ratio
is taken within each round, and the median of those is shown. A target is the largest ratio wanted.
"""
TABLE = """\
| what | seconds | ratio | to | target | reached |
| --- | ---: | ---: | --- | ---: | --- |
"""


def title(benchmark: Benchmark) -> str:
    """The first line of a benchmark's docstring."""
    return (inspect.getdoc(benchmark) or "").splitlines()[0].rstrip(".")


def update(path: Path, name: str, benchmarks: Mapping[str, Benchmark], rows: Sequence[Row]) -> None:
    """Write the section of benchmark `name`, leaving those of the others as they are."""
    sections = _sections(path)
    sections[name] = _section(name, benchmarks[name], rows)
    known = [sections[each] for each in benchmarks if each in sections]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([OPENING, *known]), encoding="utf-8")


def _sections(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].rpartition("(")[2].rstrip(")"): part.rstrip("\n") + "\n" for part in parts}


def _section(name: str, benchmark: Benchmark, rows: Sequence[Row]) -> str:
    body = (inspect.getdoc(benchmark) or "").partition("\n")[2].strip()
    table = TABLE + "".join(_line(row) for row in rows)
    number = max(row.rounds for row in rows)
    rounds = f"{number} round{'s' if number > 1 else ''}"
    return f"## {title(benchmark)} ({name})\n\n{body}\n\n{table}\nMeasured {_machine()}; {rounds}.\n"


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    limit = "" if row.limit is None else f"{row.limit:g}"
    return f"| {row.what} | {row.seconds:.3f} | {ratio} | {row.baseline or ''} | {limit} | {row.reached} |\n"


def _machine() -> str:
    versions = f"torch {torch.__version__}, lightning {metadata.version('lightning')}"
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads"
    return f"{datetime.now(UTC):%Y-%m-%d} on {_processor()}, {threads}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    facts = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)$", facts.read_text(), re.MULTILINE) if facts.is_file() else []
    return names[0] if names else platform.machine()
