"""A cross-validated experiment beside scikit-learn's cross_val_score of its own MLP on the same folds.

`python scripts/compare_cross_validation.py [EXPERIMENT] [FOLDS]`, breast_cancer_mlp and 5 by default. Theirs has the
same hidden sizes and otherwise its own settings, and learns from all rows outside the fold, scaled by them. Ours
learns from those less its validation rows.
"""

import sys
from collections.abc import Sequence

import torch
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from paribus import composition, config
from paribus.building import build_data
from paribus.comparison import Summary, difference, summarize
from paribus.config import Config
from paribus.cross_validation import cross_validate
from paribus.results import RunFolder

MAX_ITERATIONS = 10_000


def main(arguments: Sequence[str]) -> int:
    """Name of an experiment and number of folds."""
    experiment, folds = (*arguments, *("breast_cancer_mlp", "5")[len(arguments) :])
    typed = [f"experiment={experiment}", f"cross_validation={folds}", "trainer=cpu", "logger=none"]
    checked = config.check(composition.compose(typed))
    path, _ = cross_validate(checked)
    found = [RunFolder(path / f"fold_{number}").read_json("metrics.json") for number in range(1, int(folds) + 1)]
    ours = [float(each["test/accuracy"]) for each in found]
    theirs = _theirs(checked, int(folds))
    ratio = 1 / (int(folds) - 1)
    print("| test accuracy of | each fold | mean | deviation | 95 % interval |\n| --- | --- | ---: | ---: | --- |")
    for name, figures in ((f"paribus, {experiment}", ours), ("scikit-learn's MLPClassifier", theirs)):
        print(_row(name, figures, summarize(figures, ratio)))
    print(_row("ours less theirs", [a - b for a, b in zip(ours, theirs, strict=True)], difference(ours, theirs, ratio)))
    return 0


def _theirs(checked: Config, folds: int) -> list[float]:
    """Accuracy of each fold, by the same rows."""
    tests = [build_data(checked.of_fold(number)).raw("test") for number in range(1, folds + 1)]
    fold_of_row = torch.cat([torch.full((len(test.targets),), number) for number, test in enumerate(tests)]).numpy()
    network = MLPClassifier(checked["model"].settings["hidden_sizes"], max_iter=MAX_ITERATIONS, random_state=0)
    model = make_pipeline(StandardScaler(), network)
    inputs, targets = torch.cat([test.inputs for test in tests]), torch.cat([test.targets for test in tests])
    scores = cross_val_score(model, inputs.numpy(), targets.numpy(), cv=PredefinedSplit(fold_of_row))
    return [float(score) for score in scores]


def _row(name: str, figures: Sequence[float], summary: Summary) -> str:
    each = " ".join(f"{round(figure, 4) + 0.0:.4f}" for figure in figures)
    return (
        f"| {name} | {each} | {summary.mean:.4f} | {summary.deviation:.4f} | [{summary.low:.4f}, {summary.high:.4f}] |"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
