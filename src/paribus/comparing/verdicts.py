"""In words: whether what is seen is more than noise."""

from collections.abc import Mapping
from math import floor, log10

from paribus.comparing.contrasts import Comparison, Contrast
from paribus.comparison import CONFIDENCE
from paribus.metric_names import lower_is_better

SMALLEST = 1e-5  # numbers below it are written with an exponent
SEEDS = (
    "Runs are paired by seed: the intervals are over initial weights, order and, where the data is split by the "
    "seed, splits of these same rows; of other data they say nothing."
)
DATA = "The variants have different data, so a pair shares no rows, and what is a difference of data is not told apart."
FOLDS = (
    "Folds share training rows: intervals and tests are corrected for that (Nadeau and Bengio 2003); of other data "
    "they say nothing."
)


def verdicts(comparison: Comparison) -> list[str]:
    """A sentence for each variant in the main metric, then what all of them rest on."""
    lines = [_verdict(each, comparison) for each in comparison.main_contrasts()]
    if all(each.difference.count == 1 for each in comparison.main_contrasts()):
        return [*lines, "One run a side cannot tell a difference from noise; compare several seeds: seeds=5"]
    if len({each.settings.get("data.name") for each in comparison.variants}) > 1:
        return [*lines, DATA]
    return [*lines, FOLDS if comparison.is_of_folds else SEEDS]


def number(value: float, *beside: float) -> str:
    """Four decimals, more where it and what stands beside it are small, in as many for all of them."""
    largest = max(abs(value), *map(abs, beside), 0)
    if 0 < largest < SMALLEST:
        return f"{value:.2e}"
    return f"{value:.{4 if largest == 0 or largest >= 0.01 else 2 - floor(log10(largest))}f}"


def with_interval(mean: float, low: float, high: float) -> str:
    """0.0122 [0.0040, 0.0204]."""
    return f"{number(mean, low, high)} [{number(low, mean, high)}, {number(high, mean, low)}]"


def p_value(p: float) -> str:
    """As it is written in papers."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _verdict(contrast: Contrast, comparison: Comparison) -> str:
    ours, theirs, metric, found = contrast.variant.name, contrast.baseline.name, contrast.metric, contrast.difference
    if not any(contrast.differences):
        if _is_same_throughout(contrast):
            return f"{ours} and {theirs} are the same to the last bit in all figures of {_pairs(found.count)}"
        return f"no difference in {metric}: {ours} and {theirs} have the same in each of {_pairs(found.count)}"
    if found.count == 1:
        return f"{ours} less {theirs} is {number(found.mean)} in {metric}, with one pair only"
    better = (found.mean < 0) == lower_is_better(metric)
    than = f"{ours} is {'better' if better else 'worse'} than {theirs} in {metric} by"
    if found.p is None:
        return (
            f"{than} {number(abs(found.mean))} in each of {_pairs(found.count)}: without any spread nothing is tested"
        )
    assert found.low is not None and found.high is not None and contrast.corrected is not None
    tested = p_value(contrast.corrected) + _corrected_for(comparison.tested(in_main=True))
    if contrast.corrected >= 1 - CONFIDENCE:
        interval = with_interval(found.mean, found.low, found.high)
        return f"no difference beyond noise is shown: {ours} less {theirs} is {interval} in {metric} ({tested})"
    low, high = sorted((abs(found.low), abs(found.high)))
    size = f"{abs(found.effect or 0):.1f} standard deviations of the differences"
    return f"{than} {with_interval(abs(found.mean), low, high)}, more than noise ({tested}; {size})"


def _corrected_for(count: int) -> str:
    return f", corrected for {count} comparisons" if count > 1 else ""


def _pairs(count: int) -> str:
    return f"{count} pairs" if count > 1 else "one pair"


def _is_same_throughout(contrast: Contrast) -> bool:
    """Whether each pair measured the same in all that does not depend on the clock."""
    both = [(contrast.variant.runs[pair].figures, contrast.baseline.runs[pair].figures) for pair in contrast.pairs]
    return all(_untimed(ours) == _untimed(theirs) for ours, theirs in both)


def _untimed(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if name != "train_seconds"}
