"""Which recurrent network remembers: test errors on the adding problem by length, as a Markdown table.

`python scripts/adding_problem.py [LENGTH ...] [overrides]` trains experiment=adding_problem_lstm with model=rnn, gru
and lstm, of HIDDEN units each, at each length (default 50 and 100), for SEEDS; overrides may follow. Guessing the mean
has a squared error of 1/6.
"""

import sys
import time
from collections.abc import Sequence
from statistics import median

from accuracy import train
from paribus.errors import UserError

LENGTHS = (50, 100)
MODELS = ("rnn", "gru", "lstm")
SEEDS = range(3)
HIDDEN = 64
SOLVED = 0.01  # squared error


def rows(length: int, overrides: Sequence[str]) -> list[str]:
    """A Markdown row for each model."""
    lines = []
    for model in MODELS:
        chosen = [f"model={model}", f"model.hidden_size={HIDDEN}", f"data.length={length}", *overrides]
        metrics, minutes = [], []
        for seed in SEEDS:
            started = time.process_time()
            metrics += train("adding_problem_lstm", [seed], chosen)
            minutes.append((time.process_time() - started) / 60)
        found = [each["test/mse"] for each in metrics]
        solved = sum(error < SOLVED for error in found)
        shown = " ".join(f"{error:.4f}" for error in found)
        lines.append(f"| {length} | {model} | {shown} | {solved} of {len(found)} | {median(minutes):.1f} |")
    return lines


def main(arguments: Sequence[str]) -> int:
    """`[LENGTH ...] [overrides]`."""
    lengths = [int(word) for word in arguments if word.isdecimal()] or LENGTHS
    overrides = [word for word in arguments if not word.isdecimal()]
    seeds = f"test/mse of seeds {SEEDS[0]} to {SEEDS[-1]}"
    print(f"| length | model | {seeds} | solved (below {SOLVED}) | CPU minutes a run |")
    print("| ---: | --- | --- | ---: | ---: |")
    try:
        for length in lengths:
            print("\n".join(rows(length, overrides)), flush=True)
    except UserError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
