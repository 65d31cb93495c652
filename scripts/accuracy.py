"""Test figures of an experiment over seeds, as a Markdown table.

`python scripts/accuracy.py digits_cnn 5` trains seeds 0 to 4; overrides may follow: `mnist_mlp 3 data.root=data`.
"""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

import paribus.torchvision_ops  # noqa: F401 - before anything imports lightning
from paribus import composition, config
from paribus.errors import UserError
from paribus.experiment import run

MAIN = ("accuracy", "r2", "bleu_lowercase", "wer", "exact_match")  # the figure of the table: the first that is there


def train(experiment: str, seeds: Sequence[int], overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """metrics.json of a run for each seed. Progress goes to stderr, the run folders are thrown away."""
    chosen = [[f"experiment={experiment}", "logger=none", *overrides, f"seed={seed}"] for seed in seeds]
    configs = [config.check(composition.compose(each)) for each in chosen]  # here data.root becomes absolute
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(sys.stderr),
    ):
        return [run(each).metrics for each in configs]


def table(seeds: Sequence[int], metrics: Sequence[dict[str, Any]], metric: str) -> str:
    """One row a seed, then the medians."""
    columns = (f"test/{metric}", f"val/{metric}", "best_epoch", "epochs", "train_seconds")
    rows = [(str(seed), *(found[column] for column in columns)) for seed, found in zip(seeds, metrics, strict=True)]
    rows.append(("median", *(median(found[column] for found in metrics) for column in columns)))
    lines = [
        f"| {name} | {test:.4f} | {validation:.4f} | {best:g} | {epochs:g} | {seconds:.1f} |"
        for name, test, validation, best, epochs, seconds in rows
    ]
    return "\n".join([f"| seed | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns), *lines])


def print_all(
    lines: Callable[[Sequence[int], Sequence[str]], Iterable[str]],
    arguments: Sequence[str],
    *,
    default: int,
    least: int = 1,
) -> int:
    """What a script that takes `[SEEDS] [overrides]` does: print `lines` of seeds and overrides as they come."""
    has_count = bool(arguments) and arguments[0].isdecimal()
    count = int(arguments[0]) if has_count else default
    if count < least:
        print(f"SEEDS={count}: give {least} or more", file=sys.stderr)
        return 2
    try:
        for line in lines(range(count), arguments[has_count:]):
            print(line, flush=True)
    except UserError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def main(arguments: Sequence[str]) -> int:
    """`EXPERIMENT SEEDS [overrides]`."""
    if len(arguments) < 2 or not arguments[1].isdecimal() or int(arguments[1]) < 1:
        print("usage: python scripts/accuracy.py EXPERIMENT SEEDS [overrides]", file=sys.stderr)
        return 2
    seeds = range(int(arguments[1]))
    try:
        metrics = train(arguments[0], seeds, arguments[2:])
    except UserError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return error.exit_code
    print(table(seeds, metrics, next(name for name in MAIN if f"test/{name}" in metrics[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
