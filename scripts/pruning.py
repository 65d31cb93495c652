"""What giving runs up early saves, and what it costs: the same random trials with and without.

`python scripts/pruning.py [overrides]` searches the learning rate and the layers of digits with model=mlp, 30 trials of
30 epochs, one after the other, judged by val/loss; `pruner=hyperband` measures that one. At the end it prints a
Markdown table: `saved` counts epochs, and `lost` is by how much the best val/loss is worse than without.
"""

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from paribus.cli import main as paribus
from paribus.sweeps.manifest import Manifest

SEARCH = (
    "experiment=digits_cnn",
    "model=mlp",
    "optimizer.lr=tag(log,interval(1e-4,1e-1))",
    "model.hidden_sizes=[32],[64],[128],[64,64],[128,128]",
    "trainer=cpu",
    "trainer.max_epochs=30",
    "logger=none",
    "sampler=random",
    "sampler.trials=30",
    "sweep.metric=val/loss",
    "launcher.workers=1",  # whom a run is compared with does not depend on who is the faster
    "launcher.threads=1",
)
COLUMNS = ("", "finished", "given up", "epochs", "saved", "best val/loss", "lost", "seconds of runs")


def search(overrides: Sequence[str]) -> Manifest:
    """Run one search, which shows its progress; its folder is thrown away. Raises SystemExit where it fails."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        code = paribus(["sweep", *SEARCH, *overrides])
        if code:
            raise SystemExit(code)
        (file,) = Path().glob("outputs/sweeps/*/*/manifest.json")
        return Manifest.read(file.parent)


def row(name: str, found: Manifest, whole: Manifest) -> str:
    """One line of the table."""
    epochs, before = (sum(job.result["epochs"] for job in each.jobs) for each in (found, whole))
    best, reference = (_best(each) for each in (found, whole))
    seconds = sum(job.seconds or 0 for job in found.jobs)
    return (
        f"| {name} | {found.count('done')} | {found.count('pruned')} | {epochs:g} | {1 - epochs / before:.0%} "
        f"| {best:.4f} | {best - reference:.4f} | {seconds:.1f} |"
    )


def _best(found: Manifest) -> float:
    return min(job.result["val/loss"] for job in found.jobs if job.state == "done")


def main(overrides: Sequence[str]) -> int:
    """Both searches, then the table."""
    rule = [text for text in overrides if text.startswith("pruner")] or ["pruner=median"]
    others = [text for text in overrides if not text.startswith("pruner")]
    whole, found = search([*others, "pruner=none"]), search([*others, *rule])
    assert [job.values for job in whole.jobs] == [job.values for job in found.jobs]
    print(f"| {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * (len(COLUMNS) - 1)}")
    print(row("pruner=none", whole, whole))
    print(row(f"pruner={found.settings['pruner']['name']}", found, whole))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
