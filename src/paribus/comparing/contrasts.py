"""Contrasts: every variant against the baseline in every metric, tested together."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from paribus.comparing.variants import Pair, Variant, pair_name
from paribus.comparison import Difference, Summary, holm, paired, summarize
from paribus.errors import ConfigError, nearest

EFFORT = ("epochs", "train_seconds")  # figures that are shown, and not tested


@dataclass(frozen=True)
class Contrast:
    """One variant less the baseline in one metric."""

    metric: str
    variant: Variant
    baseline: Variant
    pairs: Sequence[Pair]  # that both have a finite figure of
    difference: Difference
    corrected: float | None  # its p-value, corrected for all in the main metric, or for all in the others

    @property
    def differences(self) -> list[float]:
        """Of each pair, in their order."""
        return [of(self.variant, self.metric, pair) - of(self.baseline, self.metric, pair) for pair in self.pairs]


@dataclass(frozen=True)
class Comparison:
    """What the runs say together."""

    variants: Sequence[Variant]
    baseline: Variant
    metrics: Sequence[str]
    main: str
    why_main: str
    contrasts: Sequence[Contrast]

    def tested(self, *, in_main: bool) -> int:
        """The contrasts for which p-values in the main metric, or those in the others, are corrected."""
        chosen = [each for each in self.contrasts if (each.metric == self.main) == in_main]
        return sum(each.corrected is not None for each in chosen)

    @property
    def others(self) -> list[Variant]:
        """Those that are held against the baseline."""
        return [each for each in self.variants if each is not self.baseline]

    @property
    def is_of_folds(self) -> bool:
        """Whether there are folds of cross-validations among the pairs."""
        return any(fold is not None for each in self.contrasts for _, _, fold in each.pairs)

    def main_contrasts(self) -> list[Contrast]:
        """Those in the main metric."""
        return [each for each in self.contrasts if each.metric == self.main]


def compare(variants: Sequence[Variant], baseline: Variant, asked: Sequence[str]) -> Comparison:
    """Every variant against the baseline, by the metrics asked for or else all of the test.

    Raises ConfigError where no run has finished, no seed is shared, or a metric is unknown.
    """
    if not baseline.runs:
        raise ConfigError(f"no run of the baseline {baseline.name} has finished{_first_reason(baseline)}")
    others = [each for each in variants if each is not baseline and each.runs]
    if not others:
        rest = next(each for each in variants if each is not baseline)
        raise ConfigError(f"no run but those of the baseline {baseline.name} has finished{_first_reason(rest)}")
    sharing = [each for each in others if each.runs.keys() & baseline.runs.keys()]
    if not sharing:
        raise ConfigError(
            f"no seed is shared: {baseline.name} has {_seeds(baseline)}, {others[0].name} has {_seeds(others[0])}; "
            "runs are paired by seed (and fold), so give runs with the same ones"
        )
    compared = [each for each in variants if each is baseline or each in sharing]
    metrics = _metrics(compared, asked)
    main, why = _main(metrics, baseline, asked)
    return Comparison(compared, baseline, metrics, main, why, _contrasts(metrics, main, sharing, baseline))


def of(variant: Variant, metric: str, pair: Pair) -> float:
    """A figure of a run; nan where it has none."""
    return variant.runs[pair].figures.get(metric, float("nan"))


def finite(variant: Variant, metric: str) -> list[float]:
    """A figure of all of its runs that have one."""
    return [value for pair in variant.runs if isfinite(value := of(variant, metric, pair))]


def summary(variant: Variant, metric: str) -> Summary | None:
    """Mean and interval over all finished runs; None where they are too few for one."""
    figures = finite(variant, metric)
    return summarize(figures, test_to_train(variant)) if len(figures) > 1 else None


def test_to_train(variant: Variant) -> float:
    """The ratio of test rows to training rows in a fold of cross-validation; 0 without it."""
    settings = variant.settings
    folds = settings.get("cross_validation", "null")
    if folds == "null":
        return 0
    tested = 1 / int(folds)
    trained = 1 - tested - float(settings.get("data.validation_fraction", 0))
    return tested / (trained * float(settings.get("data.train_fraction", 1)))


def _contrasts(metrics: Sequence[str], main: str, variants: Sequence[Variant], baseline: Variant) -> list[Contrast]:
    found = [
        (metric, variant, pairs)
        for metric in metrics
        for variant in variants
        if (pairs := _pairs(metric, variant, baseline))
    ]
    differences = [
        paired(
            [of(variant, metric, pair) for pair in pairs],
            [of(baseline, metric, pair) for pair in pairs],
            test_to_train(baseline),
        )
        for metric, variant, pairs in found
    ]
    is_main = [metric == main for metric, _, _ in found]
    families = {of_main: iter(_corrected(differences, is_main, of_main)) for of_main in (True, False)}
    return [
        Contrast(metric, variant, baseline, pairs, each, None if each.p is None else next(families[metric == main]))
        for (metric, variant, pairs), each in zip(found, differences, strict=True)
    ]


def _corrected(differences: Sequence[Difference], is_main: Sequence[bool], of_main: bool) -> list[float]:
    """The main metric is named before anything is seen, so it does not pay for those that are shown beside it."""
    chosen = [each.p for each, main in zip(differences, is_main, strict=True) if main == of_main]
    return holm([p for p in chosen if p is not None])


def _pairs(metric: str, variant: Variant, baseline: Variant) -> list[Pair]:
    shared = [pair for pair in baseline.runs if pair in variant.runs]
    return [pair for pair in shared if isfinite(of(variant, metric, pair)) and isfinite(of(baseline, metric, pair))]


def _metrics(variants: Sequence[Variant], asked: Sequence[str]) -> list[str]:
    """Those asked for, or all of the test, that every variant has."""
    runs = [run for variant in variants for run in variant.runs.values()]
    shared = [name for name in runs[0].figures if all(name in run.figures for run in runs)]
    for name in asked:
        if name not in shared:
            anywhere = any(name in run.figures for run in runs)
            what = "is not a metric of all runs" if anywhere else "is not a metric of these runs"
            raise ConfigError(f"metric={name} {what}; {nearest(name, shared, 'they have')}")
    metrics = list(dict.fromkeys(asked)) or [name for name in shared if name.startswith("test/")]
    if not metrics:
        raise ConfigError("the runs have no test metric in common: they are of different tasks; name one with metric=")
    return metrics


def _main(metrics: Sequence[str], baseline: Variant, asked: Sequence[str]) -> tuple[str, str]:
    """The metric that is put in words, and why it is that one."""
    if asked:
        return metrics[0], "asked for"
    monitor = baseline.settings.get("trainer.monitor", "val/loss")
    watched = f"test/{monitor.partition('/')[2]}"
    if watched in metrics and watched != "test/loss":
        return watched, f"goes with trainer.monitor={monitor}"
    if "test/accuracy" in metrics and "test/exact_match" not in metrics:  # texts are not classified
        return "test/accuracy", "that of classification"
    if watched in metrics:
        return watched, f"goes with trainer.monitor={monitor}"
    return metrics[0], "the first that all runs have"


def _seeds(variant: Variant) -> str:
    return ", ".join(map(pair_name, variant.runs))


def _first_reason(variant: Variant) -> str:
    return f" ({variant.left_out[0][0].path}: {variant.left_out[0][1]})" if variant.left_out else ""
