"""Studies and runs with figures that a test has planted, without a run having been made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paribus.runs import Run
from paribus.studies.cells import ARM, Cell, cells
from paribus.studies.study import Study

NAN = "RunError: train/loss is nan at step 1; lower optimizer.lr"
KEYS: dict[str, Any] = {
    "name": "mine",
    "claim": "Small is as good as large.",
    "source": "The test.",
    "tried": "As it stands.",
    "minutes": 1,
    "common": ["data=iris"],
    "arms": {"small": ["model.hidden_sizes=[4]"], "large": ["model.hidden_sizes=[8]"]},
    "predictions": [{"metric": "test/accuracy", "arm": "small", "expect": "equal", "than": "large", "margin": 0.1}],
    "figure": [{"kind": "dots", "metric": "test/accuracy"}],
}


def study(**keys: Any) -> Study:
    """A study of two arms, with other keys where they are given."""
    return Study.model_validate({**KEYS, **keys})


def run(
    arm: str,
    seed: int,
    figures: Mapping[str, float] = {},
    *,
    error: str | None = None,
    rows: Sequence[dict[str, float]] = (),
    **chosen: str,
) -> Run:
    """One run of an arm; finished if it has figures, failed if it has an error, else not begun."""
    status = "finished" if figures else "failed" if error else "waiting"
    settings = {key.replace("__", "."): value for key, value in chosen.items()}
    folder = Path("_".join([arm, str(seed), *settings.values()]))
    return Run(folder, {"seed": str(seed)}, {}, status, error, figures, list(rows), {ARM: arm, **settings})


def cells_of(chosen: Study, values: Mapping[str, Sequence[float]], metric: str = "test/accuracy") -> list[Cell]:
    """A cell for each arm, with a figure of each of its runs in the order of their seeds."""
    every = [run(arm, seed, {metric: value}) for arm, own in values.items() for seed, value in enumerate(own)]
    return cells(chosen, every, {})
