"""Every study, one after the other, and docs/studies.md with the verdict, effect and figure of each.

`python scripts/studies.py` runs all; `python scripts/studies.py NAME ...` runs some, and the document has these and the
last run of each of the others; `--document` runs none. Runs are kept in outputs/studies, and the document has what
scripts/check_studies.py found there, too.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from paribus.comparing.verdicts import p_value
from paribus.parts import STUDY, options
from paribus.studies.running import STUDIES
from paribus.studies.study import Study, load

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "studies.md"
FIGURES = ROOT / "docs" / "studies"
CHECKS = STUDIES / "checks.md"
OPENING = """\
# What textbooks claim, put to the test

Each study changes one part of a run and leaves all else equal: the same split, order of batches and, where shapes
allow, initial weights, with 5 seeds or more. A claim **holds** where each of its predictions is confirmed at the 95 %
level, **does not hold here** where one is refuted, and is **not decided** otherwise. Intervals are over seeds on these
data; of other data they say nothing. Some studies were changed after a first run, two of them from another verdict to
one that holds (gradient_clipping, linear_stack): what was tried before stands below each.

`paribus study NAME` runs one; `python scripts/studies.py` runs all of them and writes this page.
"""


@dataclass(frozen=True)
class Finished:
    """The last run of a study."""

    study: Study
    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """study.json."""
        found: dict[str, Any] = json.loads((self.folder / "study.json").read_text(encoding="utf-8"))
        return found

    def row(self) -> str:
        """One line of the table; the effect is that of the first prediction."""
        first = self.facts["findings"][0]
        less = f" less {first['than']}" if type(first["than"]) is str else ""
        effect = f"{first['metric']} of {first['arm']}{less}: {first['shown']}, expected {first['expected']}"
        size = "" if first["effect"] is None else f"{first['effect']:.1f}"
        p = "" if first["p"] is None else p_value(first["p"]).removeprefix("p = ").removeprefix("p ")
        name = self.study.name
        return (
            f"| [{name}](#{name}) | {self.study.claim} | **{self.facts['verdict']}** | {effect} | {size} | {p} "
            f"| {self.facts['minutes']:.1f} |"
        )

    def section(self) -> str:
        """The figure, and every prediction."""
        name = self.study.name
        found = "\n".join(f"- {each['sentence']}" for each in self.facts["findings"])
        return (
            f"## {name}\n\n{self.study.claim} **{self.facts['verdict'].capitalize()}.** ({self.study.source})\n\n"
            f"![{name}](studies/{name}.png)\n\n{found}\n\nWhat was tried: {self.study.tried}\n"
        )


def main(arguments: Sequence[str]) -> int:
    """`[NAME ...]`, or --document."""
    files = options(STUDY, None)
    unknown = [name for name in arguments if name not in files and name != "--document"]
    if unknown:
        print(f"{unknown[0]} is no study; there are {', '.join(files)}", file=sys.stderr)
        return 2
    names = [] if "--document" in arguments else arguments or list(files)
    codes = [subprocess.call([sys.executable, "-m", "paribus", "study", name]) for name in names]
    _write([Finished(load(file), folders[-1]) for name, file in files.items() if (folders := _folders(name))])
    return max(codes, default=0)


def _folders(name: str) -> list[Path]:
    """Those of the study's runs that came to an end, the last one last."""
    return sorted(file.parent for file in (STUDIES / name).glob("*/study.json"))


def _write(finished: Sequence[Finished]) -> None:
    FIGURES.mkdir(exist_ok=True)
    for each in finished:
        shutil.copyfile(each.folder / "figures" / "study.png", FIGURES / f"{each.study.name}.png")
    DOCUMENT.write_text("\n".join(_lines(finished)), encoding="utf-8")
    print(DOCUMENT)


def _lines(finished: Sequence[Finished]) -> Iterator[str]:
    yield OPENING
    yield "| study | claim | verdict | main effect | in standard deviations | p | minutes |"
    yield "| --- | --- | --- | --- | ---: | ---: | ---: |"
    yield from (each.row() for each in finished)
    yield "\nMinutes are of two cores: half of what all runs took. The main effect is the first prediction's.\n"
    if CHECKS.is_file():
        yield CHECKS.read_text(encoding="utf-8")
    yield from (each.section() for each in finished)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
