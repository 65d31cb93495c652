"""Which recurrent network remembers: test errors on the adding problem by length, as a Markdown table.

`python scripts/adding_problem.py [SEEDS] [overrides]` trains experiment=adding_problem_lstm with model=rnn, gru and
lstm, of HIDDEN units each, for seeds 0 to SEEDS - 1 (3 by default), at lengths 50 and 100 or at those given as
overrides: `data.length=200 data.length=400`. Guessing the mean has a squared error of 1/6.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from accuracy import print_all, train

LENGTH = "data.length="
LENGTHS = (f"{LENGTH}50", f"{LENGTH}100")
MODELS = ("rnn", "gru", "lstm")
HIDDEN = 64
SOLVED = 0.01  # squared error


def compare(seeds: Sequence[int], overrides: Sequence[str]) -> Iterator[str]:
    """The table, a model after the other."""
    yield f"| length | model | test/mse of each seed | solved (below {SOLVED}) | CPU minutes a run |"
    yield "| ---: | --- | --- | ---: | ---: |"
    lengths = [override for override in overrides if override.startswith(LENGTH)] or LENGTHS
    others = [override for override in overrides if not override.startswith(LENGTH)]
    for length in lengths:
        for model in MODELS:
            chosen = [*others, length, f"model={model}", f"model.hidden_size={HIDDEN}"]
            errors, minutes = zip(*(_trained(seed, chosen) for seed in seeds), strict=True)
            shown = " ".join(f"{error:.4f}" for error in errors)
            solved = f"{sum(error < SOLVED for error in errors)} of {len(errors)}"
            yield f"| {length.removeprefix(LENGTH)} | {model} | {shown} | {solved} | {median(minutes):.1f} |"


def _trained(seed: int, chosen: Sequence[str]) -> tuple[float, float]:
    """Test error and CPU minutes."""
    started = time.process_time()
    (metrics,) = train("adding_problem_lstm", [seed], chosen)
    return metrics["test/mse"], (time.process_time() - started) / 60


def main(arguments: Sequence[str]) -> int:
    """`[SEEDS] [overrides]`."""
    return print_all(compare, arguments, default=3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
