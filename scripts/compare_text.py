"""The experiment text_lstm against simple models of the same tokens on the same splits, as a Markdown table.

`python scripts/compare_text.py [SEEDS] [overrides]` trains seeds 0 to SEEDS - 1, 5 by default; each draws another
split. Ours learns from the training rows and chooses its epoch by the validation rows. Theirs are logistic regression
on counts of tokens, and on the tf-idf of runs of 1 to 3 tokens: each chooses its C by the validation rows and then
learns from both. The last column says whether ours is shown to be worse: the interval of the paired difference, ours
minus theirs, lies wholly below 0.
"""

import sys
from collections.abc import Iterator, Sequence
from statistics import mean

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from accuracy import print_all, train
from paribus import composition, config
from paribus.building import build_data
from paribus.comparison import difference
from paribus.data.module import Split, TensorData
from paribus.data.spec import PADDING, ClassificationSpec
from paribus.errors import ConfigError

EXPERIMENT = "text_lstm"
TOKEN = r"\S+"  # of texts of numbers with spaces between them
PENALTIES = (0.1, 1.0, 10.0, 100.0)  # values of C
MAX_ITERATIONS = 10_000  # far more than it needs to converge

Texts = list[str]


def references(data: TensorData) -> dict[str, float]:
    """Test accuracy of the simple models on the data's splits."""
    splits = {name: data.raw(name) for name in ("train", "val", "test")}
    texts = {name: list(_numbers(split)) for name, split in splits.items()}
    targets = {name: split.targets.numpy() for name, split in splits.items()}
    vectorizers = {
        "counts of tokens, logistic regression": CountVectorizer(token_pattern=TOKEN),
        "tf-idf of 1 to 3 tokens, logistic regression": TfidfVectorizer(token_pattern=TOKEN, ngram_range=(1, 3)),
    }
    found = {name: _accuracy(vectorizer, texts, targets) for name, vectorizer in vectorizers.items()}
    majority = DummyClassifier().fit(texts["train"], targets["train"])
    return {**found, "the most frequent class": float(majority.score(texts["test"], targets["test"]))}


def _numbers(split: Split) -> Iterator[str]:
    """The tokens of each text, a number each, with spaces between them."""
    for row in split.inputs:
        yield " ".join(map(str, row[row != PADDING].tolist()))


def _accuracy(vectorizer: CountVectorizer, texts: dict[str, Texts], targets: dict[str, np.ndarray]) -> float:
    """On the test texts, learned from all others. What is counted is what the training texts have."""
    inputs = {"train": vectorizer.fit_transform(texts["train"])}
    inputs |= {name: vectorizer.transform(texts[name]) for name in ("val", "test")}

    def score(penalty: float) -> float:
        model = LogisticRegression(C=penalty, max_iter=MAX_ITERATIONS).fit(inputs["train"], targets["train"])
        return float(model.score(inputs["val"], targets["val"]))

    model = LogisticRegression(C=max(PENALTIES, key=score), max_iter=MAX_ITERATIONS)
    both = vectorizer.transform(texts["train"] + texts["val"])
    model.fit(both, np.concatenate([targets["train"], targets["val"]]))
    return float(model.score(inputs["test"], targets["test"]))


def table(ours: Sequence[float], theirs: Sequence[dict[str, float]], test_to_train: float) -> str:
    """A row a model: its accuracy of each seed and their mean, and how ours differs."""
    seeds = " | ".join(f"seed {seed}" for seed in range(len(ours)))
    lines = [f"| test accuracy | {seeds} | mean | difference, 95 % interval | shown worse |"]
    lines.append(f"| --- |{' ---: |' * (len(ours) + 2)} --- |")
    lines.append(f"| {EXPERIMENT} | {_figures(ours)} | | |")
    for name in theirs[0]:
        figures = [each[name] for each in theirs]
        found = difference(ours, figures, test_to_train)
        worse = "yes" if found.high < 0 else "no"
        lines.append(
            f"| {name} | {_figures(figures)} | {found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}] | {worse} |"
        )
    return "\n".join(lines)


def _figures(figures: Sequence[float]) -> str:
    return " | ".join(f"{figure:.4f}" for figure in (*figures, mean(figures)))


def compare(seeds: Sequence[int], overrides: Sequence[str]) -> Iterator[str]:
    """Train and measure all. Raises UserError for settings that cannot be used."""
    typed = [f"experiment={EXPERIMENT}", *overrides]
    data = [build_data(config.check(composition.compose([*typed, f"seed={seed}"]))) for seed in seeds]
    if not isinstance(data[0].spec, ClassificationSpec) or not data[0].spec.is_text or data[0].spec.is_aligned:
        raise ConfigError("the data must be texts with a class each")
    theirs = [references(each) for each in data]
    ours = [float(metrics["test/accuracy"]) for metrics in train(EXPERIMENT, seeds, overrides)]
    yield table(ours, theirs, data[0].num_rows("test") / data[0].num_rows("train"))


def main(arguments: Sequence[str]) -> int:
    """`[SEEDS] [overrides]`."""
    return print_all(compare, arguments, default=5, least=2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
