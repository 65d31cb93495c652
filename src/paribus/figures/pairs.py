"""What was written for sources of each length, and the worst of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from scipy.stats import binomtest  # type: ignore[import-untyped]

from paribus import scores
from paribus.figures.drawing import new_figure
from paribus.figures.texts import MOST_DRAWN, letters, table

MOST_BUCKETS = 8
FEWEST = 20  # examples of a bucket
LONGEST = 0.98  # the share of sources that decides how wide buckets are; the longest may be far from all others
NARROW, WIDE = 0.8, 4.8  # inches of a column of texts
COLOUR = "#0072B2"


def score_by_length(
    kind: str, lengths: Sequence[int], outputs: Sequence[str], references: scores.References, *, run: str = ""
) -> Figure:
    """The length of each source in tokens, what was written, what is right -> a bar for each bucket of lengths.

    Of translations it is their BLEU, of all else the share of exact matches with its 95 % interval (Wilson 1927).
    """
    buckets = _buckets(lengths)
    is_bleu = kind == "translation"
    name, key = ("BLEU", "bleu") if is_bleu else ("Exact match", "exact_match")
    values = [_score(key, places, outputs, references) for places in buckets]
    figure = new_figure(max(5.4, 1.4 + 0.8 * len(buckets)), 3.8, run)
    figure.suptitle(f"{name} by source length (test)", fontsize=12)
    axes = figure.subplots()
    axes.bar(range(len(buckets)), values, width=0.7, color=COLOUR, alpha=0.6)
    tops = values
    if not is_bleu:
        intervals = [_interval(value, len(places)) for value, places in zip(values, buckets, strict=True)]
        axes.vlines(range(len(buckets)), *zip(*intervals, strict=True), color="black", linewidth=1.2)
        tops = [high for _, high in intervals]
    for place, (value, top) in enumerate(zip(values, tops, strict=True)):
        shown = f"{value:.3f}" if not is_bleu or value < 1 else f"{value:.1f}"
        axes.annotate(shown, (place, top), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    every = _score(key, range(len(lengths)), outputs, references)
    axes.axhline(every, color="dimgrey", linewidth=1, linestyle="--")
    axes.set_title(f"dashed: {every:.3g}, of all {len(lengths)}", loc="right", fontsize=9)
    labels = [f"{_range([lengths[place] for place in places])}\nn = {len(places)}" for places in buckets]
    axes.set_xticks(range(len(buckets)), labels, fontsize=8)
    axes.set(xlabel="source length (tokens)", ylabel=name, xlim=(-0.6, len(buckets) - 0.4))
    axes.set_ylim(0, 1.12 * max(*tops, every) or 1)
    return figure


def _buckets(lengths: Sequence[int]) -> list[list[int]]:
    """Positions in buckets of lengths, about equally wide; one of fewer than FEWEST examples is joined to the next."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    shortest, longest = lengths[order[0]], lengths[order[int(LONGEST * (len(order) - 1))]]
    width = -(-(longest - shortest + 1) // MOST_BUCKETS)
    buckets: list[list[int]] = [[]]
    begun = 0
    for place in order:
        bucket = min((lengths[place] - shortest) // width, MOST_BUCKETS - 1)
        if bucket > begun and len(buckets[-1]) >= FEWEST:
            buckets.append([])
        begun = bucket
        buckets[-1].append(place)
    if len(buckets) > 1 and len(buckets[-1]) < FEWEST:
        buckets[-2:] = [buckets[-2] + buckets[-1]]
    return buckets


def _score(name: str, places: Sequence[int], outputs: Sequence[str], references: scores.References) -> float:
    return scores.MEASURES[name]([outputs[place] for place in places], [references[place] for place in places])


def _interval(share: float, count: int) -> tuple[float, float]:
    low, high = binomtest(round(share * count), count).proportion_ci(method="wilson")
    return float(low), float(high)


def _range(lengths: Sequence[int]) -> str:
    shortest, longest = min(lengths), max(lengths)
    return f"{shortest}" if shortest == longest else f"{shortest}–{longest}"


def worst_pairs(rows: Sequence[Mapping[str, Any]], *, run: str = "") -> Figure:
    """The first of the rows that scores.mistakes gives, drawn as a table; long texts lose their middle."""
    shown = rows[:MOST_DRAWN]
    columns = {name: _width([row[name] for row in shown]) for name in ("source", "reference", "output")}
    title = (
        f"Worst mistakes (test): {len(shown)} of {len(rows)} outputs that are wrong"
        if rows
        else "Worst mistakes (test): none"
    )
    return table(shown, columns | {"score": 0.8}, title, run=run)


def _width(texts: Sequence[str]) -> float:
    """As many inches as the longest needs, within limits."""
    longest = max((len(text) for text in texts), default=0)
    return min(max(NARROW, WIDE * (longest + 1) / letters(WIDE)), WIDE)
