"""Scores of written texts, each against one or more references.

Shares of 0..1 are exact_match, wer, per and cer; BLEU and chrF are 0..100, as everyone prints them. White space within
a text is one space to all but these two, which have their own ways. BLEU is Papineni et al. 2002 with the tokens of
mteval-v13a, chrF Popović 2015; both are sacreBLEU's (Post 2018), on running text.

bleu_lowercase is what to hold against the BLEU of lower-cased, tokenized text in older papers, but for the tokens:
13a leaves words with hyphens and apostrophes whole, which Moses' tokenizer divides.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torchmetrics.functional.text import char_error_rate, word_error_rate

from paribus.errors import ConfigError

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

References = Sequence[Sequence[str]]  # of each output one or more

KINDS = {
    "translation": ("exact_match", "bleu", "bleu_lowercase", "chrf"),
    "pronunciation": ("exact_match", "wer", "per"),
    "exact": ("exact_match", "cer"),
}
Edits = tuple[Callable[[str, str], Tensor], Callable[[str], int]]  # edits / length of the reference; a text's length
PHONES: Edits = (word_error_rate, lambda text: len(text.split()))
LETTERS: Edits = (char_error_rate, len)
WORDS = {
    "exact_match": "share of outputs equal to a reference; white space is one space",
    "wer": "share of outputs equal to no reference",
    "per": "edits of tokens between spaces to the nearest reference / its tokens, each summed over all examples",
    "cer": "edits of characters to the nearest reference / its characters, each summed over all examples",
}


def measured(kind: str, outputs: Sequence[str], references: References) -> dict[str, float]:
    """The scores of a kind, in the order of KINDS.

    Raises ConfigError where translations are measured and sacrebleu is not installed.
    """
    assert outputs and all(references), "there is nothing to measure, or an output without a reference"
    return {name: MEASURES[name](outputs, references) for name in KINDS[kind]}


def by_example(kind: str, outputs: Sequence[str], references: References) -> list[float]:
    """Of each output 1 where it is right, to 0 at worst.

    A translation has its chrF / 100, with the best of its references; any other 1 - edits / length of the nearest
    reference, and 0 where there are more edits than that. Raises ConfigError as `measured` does.
    """
    right = are_right(outputs, references)
    if kind == "translation":
        score = _metric("chrf").sentence_score
        found = [min(1.0, score(output, known).score / 100) for output, known in zip(outputs, references, strict=True)]
    else:
        edits = _nearest(PHONES if kind == "pronunciation" else LETTERS, outputs, references)
        found = [1.0 - min(1.0, count / max(1, length)) for count, length in edits]
    return [1.0 if is_right else score for is_right, score in zip(right, found, strict=True)]


def are_right(outputs: Sequence[str], references: References) -> list[bool]:
    """Whether each output equals one of its references."""
    return [_spaced(output) in map(_spaced, known) for output, known in zip(outputs, references, strict=True)]


def mistakes(
    sources: Sequence[str], outputs: Sequence[str], references: References, scores: Sequence[float]
) -> list[dict[str, Any]]:
    """A row for each output that equals no reference, the worst first.

    Each has source, reference (several are joined by " | "), output and score, which is that of by_example.
    """
    right = are_right(outputs, references)
    wrong = sorted((place for place in range(len(outputs)) if not right[place]), key=lambda place: scores[place])
    return [
        {
            "source": sources[place],
            "reference": " | ".join(references[place]),
            "output": outputs[place],
            "score": scores[place],
        }
        for place in wrong
    ]


def signatures(kind: str, references: References = ()) -> dict[str, str]:
    """How each score of a kind is measured: sacreBLEU's signature, or words.

    Without references sacreBLEU's says that their number varies. Raises ConfigError as `measured` does.
    """
    return {name: WORDS.get(name) or _signature(name, references) for name in KINDS[kind]}


def _signature(name: str, references: References) -> str:
    metric, counts = _metric(name), {len(known) for known in references}
    metric.num_refs = counts.pop() if len(counts) == 1 else -1  # as it does itself once it has measured
    return str(metric.get_signature())


def _metric(name: str) -> "Metric":
    """A new one of sacreBLEU: it keeps what it has measured."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise ConfigError(
            "data.scores=translation needs sacrebleu; install it with pip install 'paribus[translation]'"
        ) from None
    # force: a text that ends in " ." is what the model wrote, and nothing to warn of.
    return CHRF() if name == "chrf" else BLEU(lowercase=name == "bleu_lowercase", tokenize="13a", force=True)


def _of_sacrebleu(name: str, outputs: Sequence[str], references: References) -> float:
    streams = list(zip_longest(*references))  # None where an output has fewer references than another
    return min(100.0, float(_metric(name).corpus_score(outputs, streams).score))  # it may miss it by a digit


def _exact_match(outputs: Sequence[str], references: References) -> float:
    return sum(are_right(outputs, references)) / len(outputs)


def _wrong(outputs: Sequence[str], references: References) -> float:
    return 1 - _exact_match(outputs, references)


def _error_rate(unit: Edits, outputs: Sequence[str], references: References) -> float:
    edits = _nearest(unit, outputs, references)
    return sum(count for count, _ in edits) / max(1, sum(length for _, length in edits))


def _nearest(unit: Edits, outputs: Sequence[str], references: References) -> list[tuple[int, int]]:
    """Of each output the edits to its nearest reference, the first of equally near ones, and that one's length."""
    return [
        min((_edits(unit, _spaced(output), _spaced(each)) for each in known), key=lambda found: found[0])
        for output, known in zip(outputs, references, strict=True)
    ]


@lru_cache(maxsize=50_000)  # a test's figures, tables and scores all ask for the same ones
def _edits(unit: Edits, output: str, reference: str) -> tuple[int, int]:
    """Edits from an output to a reference, and the reference's length."""
    rate, count = unit
    length = count(reference)
    if output == reference:
        return 0, length
    if length == 0:  # by which the rate would divide
        return count(output), length
    return round(float(rate(output, reference)) * length), length


def _spaced(text: str) -> str:
    return " ".join(text.split())


MEASURES: dict[str, Callable[[Sequence[str], References], float]] = {
    "exact_match": _exact_match,
    "wer": _wrong,
    "per": partial(_error_rate, PHONES),
    "cer": partial(_error_rate, LETTERS),
    **{name: partial(_of_sacrebleu, name) for name in ("bleu", "bleu_lowercase", "chrf")},
}
