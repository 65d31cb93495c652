"""Can the verdicts be trusted? A study of nothing, one of a known difference, and one that is run twice.

`python scripts/check_studies.py` takes about ten minutes and leaves what it found in outputs/studies/checks.md, from
where scripts/studies.py takes it into docs/studies.md. Seeds and sizes were fixed before the first run.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

from paribus import runs
from paribus.cli import main as paribus
from paribus.studies.cells import Cell, cells
from paribus.studies.judging import Finding, judge
from paribus.studies.running import STUDIES, freeze
from paribus.studies.study import Study, read
from paribus.sweeps.launching import launched

REPETITIONS, SEEDS = 20, 10
CALIBRATION = range(100_000, 100_040)  # seeds that no repetition has
RATES = (0.001, 0.00125, 0.0015, 0.0018, 0.0021, 0.0025)  # of Adam; the first is the default
METRIC = "val/loss"
TWICE = ("zero_initialization", "robust_losses")
CLOCK = ("train_seconds", "minutes")  # figures that no second run has again


def main() -> int:
    """All three checks. 1 where one fails."""
    null = read("null", None)
    apart = _repeated(null)
    rate, shift = _calibrated(null)
    arms = {"as it is": [], "planted": [f"optimizer.lr={rate:.6f}"]}
    planted = _repeated(_between(null, arms))
    same = {name: _is_same(name) for name in TWICE}
    none = sum(not each.is_seen for each in apart)
    found = sum(each.is_seen for each in planted)
    lines = [
        "## Can the verdicts be trusted?",
        "",
        "`python scripts/check_studies.py`, seeds and sizes fixed before the first run:",
        "",
        f"- A network compared with itself under other seeds, {SEEDS} pairs: no difference is seen in **{none} of "
        f"{REPETITIONS}** repetitions. At the 95 % level 19 are to be expected.",
        f"- A planted difference of one standard deviation of {METRIC} over seeds (a learning rate of {rate:.6f} "
        f"for {RATES[0]}, which moved {len(CALIBRATION)} other seeds by {shift:.2f} of them), {SEEDS} pairs: it is "
        f"found in **{found} of {REPETITIONS}**.",
        *(
            f"- A second run of `{name}` gives {'the same numbers' if is_same else '**other numbers**'}."
            for name, is_same in same.items()
        ),
        "",
    ]
    (STUDIES / "checks.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    return 0 if none >= 19 and found >= 18 and all(same.values()) else 1


def _between(null: Study, arms: Mapping[str, Sequence[str]]) -> Study:
    """The same with other arms, which share their seeds."""
    first, *others = arms
    prediction = null.predictions[0].model_copy(update={"arm": first, "than": others[-1]})
    panels = [panel.model_copy(update={"arms": ()}) for panel in null.figure]
    changed = {"arms": dict(arms), "seed_offset": {}, "predictions": [prediction], "figure": panels}
    return null.model_copy(update=changed)


def _cells(study: Study, seeds: Sequence[int]) -> list[Cell]:
    """All runs of a study, as one sweep."""
    manifest = launched(freeze(study, seeds, [], None, ["study", study.name]))
    return cells(study, runs.found(manifest.path), {})


def _repeated(study: Study) -> list[Finding]:
    """What the study finds in each of the repetitions, which share no seed."""
    every = _cells(study, range(REPETITIONS * SEEDS))
    found = []
    for first in range(0, REPETITIONS * SEEDS, SEEDS):
        own = range(first, first + SEEDS)
        some = [replace(cell, figures={pair: cell.figures[pair] for pair in own}) for cell in every]
        found += judge(study, some)
    return found


def _calibrated(null: Study) -> tuple[float, float]:
    """The learning rate that moves the figure by one standard deviation over seeds, and by how much it really does."""
    arms = {f"{rate:g}": [f"optimizer.lr={rate}"] for rate in RATES}
    base, *others = _cells(_between(null, arms), CALIBRATION)
    deviation = stdev(base.values(METRIC).values())
    shifts = [0.0, *(abs(_shift(each, base)) / deviation for each in others)]
    for (low, high), (near, far) in zip(pairwise(shifts), pairwise(RATES), strict=True):
        if low <= 1 <= high:
            rate = near + (far - near) * (1 - low) / (high - low)
            again = _between(null, {"base": [], "planted": [f"optimizer.lr={rate:.6f}"]})
            base, planted = _cells(again, CALIBRATION)
            return rate, abs(_shift(planted, base)) / deviation
    raise SystemExit(f"no learning rate from {RATES[0]} to {RATES[-1]} moves {METRIC} by one deviation: {shifts}")


def _shift(cell: Cell, base: Cell) -> float:
    values = base.values(METRIC)
    return fmean(value - values[pair] for pair, value in cell.values(METRIC).items())


def _is_same(name: str) -> bool:
    """Whether two runs of a study say the same, but for the clock."""
    for _ in range(2):
        paribus(["study", name])
    first, second = (_facts(folder) for folder in sorted((STUDIES / name).glob("*/study.json"))[-2:])
    return first == second


def _facts(file: Path) -> object:
    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key not in CLOCK}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return plain(json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main())
