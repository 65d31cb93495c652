"""Many short runs: a sweep against separate commands, and what a warm worker adds to a run."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measuring import PARIBUS, Measure, Row, Settings, in_turns, reported_seconds, wall_seconds

RUNS = 24
RUN = ("model=mlp", "trainer=cpu", "trainer.max_epochs=2", "logger=none")
STEADY_RUNS = 8  # of which the first is not counted

SWEEP = f"`paribus sweep` of {RUNS} runs"
BASIC = "the same with Hydra's basic launcher"
SEPARATE = f"{RUNS} `paribus train` commands"
WARM = "a run in a warm worker, the sweep's own work included"
BARE = "a run in a loop that calls experiment.run"
LIMIT = 0.33


def benchmark(settings: Settings) -> list[Row]:
    """A sweep of short runs.

    MLPs on digits, two epochs each, with all that a run writes but TensorBoard's files. The separate commands come one
    after the other, as in a shell's loop; the sweep has a worker for each core. The last three rows are seconds a run
    once everything is warm, on one worker with one thread, from the end of one run to the end of the next: in a sweep,
    in a process that does nothing but call experiment.run with ready configs, and what the first is above the second
    (at most 0.3 s are wanted).
    """
    sweep = [PARIBUS, "sweep", *RUN, f"seed=range({RUNS})"]
    measures: dict[str, Measure] = {
        SWEEP: partial(wall_seconds, sweep),
        BASIC: partial(wall_seconds, [*sweep, "launcher=basic"]),
        SEPARATE: _separate,
        WARM: partial(reported_seconds, "benchmarks.sweep", "sweep"),
        BARE: partial(reported_seconds, "benchmarks.sweep", "bare"),
    }
    found = in_turns(measures, settings.rounds)
    added = [warm - bare for warm, bare in zip(found.seconds[WARM], found.seconds[BARE], strict=True)]
    return [
        found.row(SWEEP, SEPARATE, LIMIT),
        found.row(BASIC, SEPARATE),
        found.row(SEPARATE),
        found.row(WARM),
        found.row(BARE),
        Row("what the worker and the sweep add to a run", median(added), len(added)),
    ]


def _separate() -> float:
    return sum(wall_seconds([PARIBUS, "train", *RUN, f"seed={seed}"]) for seed in range(RUNS))


def _in_sweep(folder: Path) -> float:
    chosen = (*RUN, f"seed=range({STEADY_RUNS})", "launcher.workers=1", "launcher.threads=1")
    subprocess.run([PARIBUS, "sweep", *chosen], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return _steady(sorted(folder.glob("outputs/sweeps/*/*/job_*")))


def _bare(folder: Path) -> float:
    import torch

    from paribus import composition, config
    from paribus.experiment import run

    torch.set_num_threads(1)
    configs = [config.check(composition.compose([*RUN, f"seed={seed}"])) for seed in range(STEADY_RUNS)]
    places = [folder / str(seed) for seed in range(STEADY_RUNS)]
    for checked, place in zip(configs, places, strict=True):
        run(checked, place=place)
    return _steady(places)


def _steady(places: Sequence[Path]) -> float:
    """Seconds a run, from the end of the first to the end of the last."""
    ends = [datetime.fromisoformat(json.loads((place / "status.json").read_text())["ended"]) for place in places]
    return (ends[-1] - ends[0]).total_seconds() / (len(ends) - 1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print({"sweep": _in_sweep, "bare": _bare}[sys.argv[1]](Path(place)))
