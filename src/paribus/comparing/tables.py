"""Tables for the terminal: what differs side by side, means and differences."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paribus.comparing.contrasts import EFFORT, Comparison, Contrast, finite, summary
from paribus.comparing.variants import ABSENT, Variant, differing, pair_name, side_by_side
from paribus.comparing.verdicts import number, p_value, with_interval
from paribus.comparison import CONFIDENCE
from paribus.runs import Run

LETTERS = 12  # of a commit
MIXED = " | "  # between what differs among the runs of one variant
UNCUT = 1000  # columns where the output is no terminal: nothing is cut or folded


def show(lines: Iterable[str | Table]) -> None:
    """Print texts as they are and tables as wide as they need, or as the terminal is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNCUT)
    for line in lines:
        if isinstance(line, Table):
            with console.capture() as captured:
                console.print(line)
            line = "\n".join(each.rstrip() for each in captured.get().splitlines())
        print(line)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> Table:
    """Cells are texts as they stand; names of columns are broken at their commas.

    With `numbers` all columns but the first keep to the right.
    """
    made = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(
            Text(column.replace(", ", ",\n")), justify="right" if numbers and place else "left", overflow="fold"
        )
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def configs(variants: Sequence[Variant]) -> Table:
    """The settings that differ."""
    found = differing([each.settings for each in variants])
    return table("configs", ["", *(each.name for each in variants)], [[key, *values] for key, values in found.items()])


def environments(variants: Sequence[Variant]) -> dict[str, list[str]]:
    """What is not the same wherever the runs ran, by key: of each variant all that its runs have."""
    values = side_by_side([_together(each.runs.values()) for each in variants])
    return {key: each for key, each in values.items() if len(set(each)) > 1 or MIXED in each[0]}


def places(variants: Sequence[Variant], found: Mapping[str, Sequence[str]]) -> list[str | Table]:
    """What differs in where the runs ran, and what that means."""
    if not found:
        return ["all runs ran in the same environment"]
    columns = ["", *(each.name for each in variants)]
    warning = f"warning: the runs differ in where they ran ({', '.join(found)}), which can make differences too"
    return [table("environments", columns, [[key, *values] for key, values in found.items()]), warning]


def means(comparison: Comparison) -> Table:
    """Of each metric and of the effort: the mean over the finished runs of each variant, with its interval."""
    variants = comparison.variants
    effort = [
        name for name in EFFORT if name not in comparison.metrics and all(finite(each, name) for each in variants)
    ]
    rows = [[name, *(mean(each, name) for each in variants)] for name in (*comparison.metrics, *effort)]
    columns = [f"{each.name}, {len(each.runs)} run{'s' * (len(each.runs) > 1)}" for each in variants]
    return table(f"means with {CONFIDENCE:.0%} intervals", ["", *columns], rows, numbers=True)


def mean(variant: Variant, metric: str) -> str:
    """With its interval where there are runs enough for one; of the effort the mean alone."""
    found, figures = summary(variant, metric), finite(variant, metric)
    if metric in EFFORT:
        return f"{fmean(figures):.1f}"
    if found is None:
        return number(figures[0]) if figures else ABSENT
    return with_interval(found.mean, found.low, found.high)


def differences(comparison: Comparison) -> Table:
    """A line for each contrast, those in the main metric first."""
    ordered = sorted(comparison.contrasts, key=lambda each: each.metric != comparison.main)
    columns = ["", "less " + comparison.baseline.name, "difference", "interval", "p", "corrected", "effect", "pairs"]
    title = f"paired differences, {CONFIDENCE:.0%} intervals, {_corrections(comparison)}"
    return table(title, columns, map(_difference, ordered), numbers=True)


def _corrections(comparison: Comparison) -> str:
    main, others = comparison.tested(in_main=True), comparison.tested(in_main=False)
    beside = f", and for {others} in the others" if others else ""
    return f"p-values corrected by Holm for {main} in {comparison.main}{beside}"


def _difference(contrast: Contrast) -> list[str]:
    found = contrast.difference
    interval = ABSENT
    if found.low is not None and found.high is not None:
        interval = with_interval(found.mean, found.low, found.high).partition(" ")[2]
    return [
        contrast.metric,
        contrast.variant.name,
        number(found.mean, found.low or 0, found.high or 0),
        interval,
        *(ABSENT if p is None else p_value(p).removeprefix("p = ").removeprefix("p ") for p in _both(contrast)),
        ABSENT if found.effect is None else f"{found.effect:.2f}",
        str(found.count),
    ]


def _both(contrast: Contrast) -> tuple[float | None, float | None]:
    return contrast.difference.p, contrast.corrected


def _together(runs: Iterable[Run]) -> dict[str, str]:
    """What the environments of runs have, by key; where they differ, all of it."""
    found = side_by_side([environment(run) for run in runs])
    return {key: MIXED.join(sorted(set(values))) for key, values in found.items()}


def environment(run: Run) -> dict[str, str]:
    """Where it ran, with a commit as short as it is told elsewhere."""
    return {key: value[:LETTERS] if key == "git_commit" else value for key, value in run.environment.items()}


def pairing(comparison: Comparison) -> list[str]:
    """Which pairs there are of each variant, and which runs have no part in them."""
    lines = []
    for variant in comparison.others:
        shared = [pair for pair in comparison.baseline.runs if pair in variant.runs]
        lines.append(f"{variant.name} and {comparison.baseline.name} share seeds {', '.join(map(pair_name, shared))}")
    return lines


def left_out(variants: Sequence[Variant], comparison: Comparison) -> list[str]:
    """A line for each reason for which runs of a variant have no part in the comparison."""
    reasons: dict[tuple[str, str], list[Run]] = {}
    for variant in variants:
        for run, why in variant.left_out:
            reasons.setdefault((variant.name, why), []).append(run)
        for pair in _alone(variant, comparison):
            reasons.setdefault((variant.name, "no partner with the same seed"), []).append(variant.runs[pair])
    return [f"left out: {name}, {_named(runs)} ({why})" for (name, why), runs in reasons.items()]


def _alone(variant: Variant, comparison: Comparison) -> list[tuple[int, str, int | None]]:
    partners = comparison.others if variant is comparison.baseline else [comparison.baseline]
    return [pair for pair in variant.runs if not any(pair in each.runs for each in partners)]


def _named(runs: Sequence[Run]) -> str:
    word = "seed" if len(runs) == 1 else "seeds"
    seeds = ", ".join(str(run.seed) if run.fold is None else f"{run.seed} fold {run.fold}" for run in runs)
    return f"{word} {seeds} in {runs[0].path.name}" if len(runs) == 1 else f"{word} {seeds}"
