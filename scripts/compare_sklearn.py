"""Our MLPs against scikit-learn's models on the same splits, as a Markdown table.

`python scripts/compare_sklearn.py` trains each experiment for seeds 0 to 9; each seed draws another split. Our run
learns from the training rows and chooses its epoch by the validation rows. scikit-learn's models choose nothing, so
they learn from both, with the inputs scaled as ours are. The last column says whether ours is shown to be worse: the
interval of the paired difference, ours minus theirs, lies wholly below 0.
"""

import sys
from collections.abc import Sequence
from statistics import mean

import torch
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

from accuracy import train
from paribus import composition, config
from paribus.building import build_data
from paribus.comparison import difference
from paribus.config import Config
from paribus.data.spec import RegressionSpec

EXPERIMENTS = ("iris_mlp", "wine_mlp", "breast_cancer_mlp", "diabetes_mlp")
SEEDS = range(10)
MAX_ITERATIONS = 10_000  # far more than any of them needs to converge


def references(checked: Config) -> dict[str, float]:
    """Test accuracy, or R2, of scikit-learn's models on the config's split."""
    data = build_data(checked)
    splits = [data.train_dataloader(), data.val_dataloader(), data.test_dataloader()]
    train_inputs = torch.cat([split.inputs for split in splits[:2]]).numpy()
    train_targets = torch.cat([split.targets for split in splits[:2]]).numpy()
    test_inputs, test_targets = splits[2].inputs.numpy(), splits[2].targets.numpy()
    return {
        type(model).__name__: float(model.fit(train_inputs, train_targets).score(test_inputs, test_targets))
        for model in _models(checked, is_regression=isinstance(data.spec, RegressionSpec))
    }


def _models(checked: Config, *, is_regression: bool) -> list[BaseEstimator]:
    sizes = checked["model"].settings["hidden_sizes"]
    network = MLPRegressor if is_regression else MLPClassifier
    linear = Ridge() if is_regression else LogisticRegression(max_iter=MAX_ITERATIONS)
    return [network(hidden_layer_sizes=sizes, max_iter=MAX_ITERATIONS, random_state=checked.seed), linear]


def rows(experiment: str) -> list[str]:
    """A Markdown row for each of scikit-learn's models."""
    checked = [config.check(composition.compose([f"experiment={experiment}", f"seed={seed}"])) for seed in SEEDS]
    theirs = [references(each) for each in checked]
    data = build_data(checked[0])
    test_to_train = data.num_rows("test") / data.num_rows("train")
    metrics = train(experiment, SEEDS)
    metric = "accuracy" if "test/accuracy" in metrics[0] else "r2"
    ours = [each[f"test/{metric}"] for each in metrics]
    lines = []
    for name in theirs[0]:
        found = difference(ours, [other[name] for other in theirs], test_to_train)
        worse = "yes" if found.high < 0 else "no"
        lines.append(
            f"| {experiment} | {metric} | {mean(ours):.4f} | {name} | {mean(other[name] for other in theirs):.4f} "
            f"| {round(found.mean, 4) + 0.0:+.4f} [{found.low:+.4f}, {found.high:+.4f}] | {worse} |"
        )
    return lines


def main(experiments: Sequence[str]) -> int:
    """Names of experiments; none for all four."""
    print("| experiment | metric | Paribus | scikit-learn's | its figure | difference, 95 % interval | shown worse |")
    print("| --- | --- | ---: | --- | ---: | ---: | --- |")
    for experiment in experiments or EXPERIMENTS:
        print("\n".join(rows(experiment)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
