"""Measures speed and writes docs/benchmarks.md: `python scripts/benchmark.py [NAME ...]`.

Names of BENCHMARKS measure only those parts and leave the others of the document as they are. A new benchmark is one
function in scripts/benchmarks/ that takes Settings and returns rows, and one line in BENCHMARKS: its docstring is the
text of its section, its first line the heading. A missed target is printed plainly and is no failure.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    document,
    epoch,
    image_epoch,
    image_step,
    measuring,
    optimizers,
    per_image,
    seq2seq,
    sequences,
    start,
    sweep,
)
from benchmarks.measuring import Benchmark, Settings

PROJECT = Path(__file__).resolve().parents[1]
DATA_ROOTS = (PROJECT.parent / "shared" / "data", PROJECT / "data")
BENCHMARKS: dict[str, Benchmark] = {
    "epoch": epoch.benchmark,
    "per_image": per_image.benchmark,
    "start": start.benchmark,
    "optimizers": optimizers.benchmark,
    "image_step": image_step.benchmark,
    "image_epoch": image_epoch.benchmark,
    "sequences": sequences.benchmark,
    "seq2seq": seq2seq.benchmark,
    "sweep": sweep.benchmark,
}


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks named, or all, and write each one's section as soon as it is known."""
    options = _options(arguments)
    settings = Settings(options.data_root.resolve(), options.rounds)
    for name in options.names or BENCHMARKS:
        print(f"{name}: {document.title(BENCHMARKS[name])}", flush=True)
        try:
            rows = BENCHMARKS[name](settings)
        except measuring.CommandError as error:
            print(f"{name} could not be measured: {error}", file=sys.stderr)
            return 1
        document.update(options.output, name, BENCHMARKS, rows)
        print("\n".join(f"  {row.summary}" for row in rows), flush=True)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="times that all is measured, in turns (default 5)")
    parser.add_argument("--data-root", type=Path, default=_data_root(), help="the folder that holds the data sets")
    parser.add_argument("--output", type=Path, default=PROJECT / "docs" / "benchmarks.md", help="the document")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    if options.rounds < 1:
        parser.error("--rounds takes 1 or more")
    return options


def _data_root() -> Path:
    return next((root for root in DATA_ROOTS if (root / "MNIST").is_dir()), DATA_ROOTS[-1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
