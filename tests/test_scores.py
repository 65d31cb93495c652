import builtins
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sacrebleu.metrics import BLEU, CHRF
from torchmetrics.functional.text import char_error_rate, edit_distance, word_error_rate

from paribus import scores
from paribus.errors import ConfigError
from paribus.metric_names import lower_is_better

WRITTEN = ["A man rides his bike down the hill .", "two dogs play", "", "The well-known band isn't here!"]
TRUE = ["A man rides a bike down the hill.", "Two dogs play in the snow.", "Nobody.", "The well-known band isn't here."]
OTHER = [None, "two dogs are playing", None, "the Well-Known band is not here!"]
ODD = [
    "",
    " ",
    "\n\t",
    "\x07",
    "日本語 😀",
    "\ud800",
    "$x^2$ \\frac",
    "a" * 300,
    "שלום",
    "<unknown>",
    "e\u0301",
    "\u00a0",
]


def _several() -> list[list[str]]:
    return [[one] if other is None else [one, other] for one, other in zip(TRUE, OTHER, strict=True)]


def test_translations_are_measured_as_sacrebleu_does() -> None:
    found = scores.measured("translation", WRITTEN, _several())
    streams: list[Sequence[str]] = [TRUE, OTHER]  # type: ignore[list-item]
    assert found == {
        "exact_match": 0,
        "bleu": BLEU(tokenize="13a").corpus_score(WRITTEN, streams).score,
        "bleu_lowercase": BLEU(tokenize="13a", lowercase=True).corpus_score(WRITTEN, streams).score,
        "chrf": CHRF().corpus_score(WRITTEN, streams).score,
    }
    assert 0 < found["bleu"] < found["bleu_lowercase"] < 100


def test_bleu_of_one_sentence_is_that_of_papineni() -> None:
    """3 of 4 words, 2 of 3 pairs, 1 of 2 triples, and no 4 words of 1: half a match of 1, as mteval smooths it."""
    found = scores.measured("translation", ["the cat sat here"], [["the cat sat down there"]])
    brevity = math.exp(1 - 5 / 4)
    assert found["bleu"] == pytest.approx(100 * brevity * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25)


def test_what_equals_a_reference_is_perfect() -> None:
    perfect = dict.fromkeys(("bleu", "bleu_lowercase", "chrf"), pytest.approx(100)) | {"exact_match": 1}
    assert scores.measured("translation", TRUE, [["something else entirely", each] for each in TRUE]) == perfect
    assert scores.measured("pronunciation", TRUE, [[each] for each in TRUE]) == {"exact_match": 1, "wer": 0, "per": 0}
    assert scores.measured("exact", TRUE, [[each] for each in TRUE]) == {"exact_match": 1, "cer": 0}


def test_an_empty_translation_scores_nothing() -> None:
    assert set(scores.measured("translation", [""], [["Nobody."]]).values()) == {0}
    assert scores.by_example("translation", [""], [["Nobody."]]) == [0]


def test_pronunciations_are_held_against_the_nearest_reference() -> None:
    outputs = ["T AH M EY T OW", "R EH D", "", "K  AE T "]
    references = [["T AH M AA T OW"], ["R IY D Z AH", "R EH"], ["AH", "DH AH"], ["K AE T"]]
    # 1 edit of 6, 1 of 2, 1 of 1, none of 3
    expected = {"exact_match": 1 / 4, "wer": 3 / 4, "per": pytest.approx(3 / 12)}
    assert scores.measured("pronunciation", outputs, references) == expected
    assert scores.by_example("pronunciation", outputs, references) == pytest.approx([5 / 6, 1 / 2, 0, 1])


def test_of_equally_near_references_the_first_counts() -> None:
    for references, length in ([["A B C", "A"], 3], [["A", "A B C"], 1]):
        found = scores.measured("pronunciation", ["A B"], [references])  # type: ignore[list-item]
        assert found["per"] == pytest.approx(1 / length)


def test_error_rates_are_those_of_torchmetrics_where_each_has_one_reference() -> None:
    generator = random.Random(0)
    outputs, true = ([_word(generator) for _ in range(300)] for _ in range(2))
    references = [[each] for each in true]
    phones = scores.measured("pronunciation", outputs, references)
    assert phones["per"] == pytest.approx(float(word_error_rate(outputs, true)))
    assert scores.measured("exact", outputs, references)["cer"] == pytest.approx(float(char_error_rate(outputs, true)))
    edits = edit_distance(outputs, true, reduction="none").tolist()
    shares = [1 - min(1, count / len(each)) for count, each in zip(edits, true, strict=True)]
    assert scores.by_example("exact", outputs, references) == pytest.approx(shares)


def test_characters_are_counted_with_the_spaces_between_words() -> None:
    found = scores.measured("exact", ["2019-05-3", "a  b"], [["2019-05-03"], ["ab"]])
    assert found == {"exact_match": 0, "cer": pytest.approx(2 / 12)}


def test_a_longer_output_than_twice_its_reference_is_not_below_0() -> None:
    assert scores.measured("exact", ["abcdef"], [["x"]])["cer"] == 6
    assert scores.by_example("exact", ["abcdef"], [["x"]]) == [0]


@pytest.mark.parametrize("kind", scores.KINDS)
def test_any_text_can_be_measured(kind: str) -> None:
    outputs = [one for one in ODD for _ in ODD]
    references = [[other, *ODD[: place % 2]] for _ in ODD for place, other in enumerate(ODD)]
    found = scores.measured(kind, outputs, references)
    assert tuple(found) == scores.KINDS[kind] and all(math.isfinite(value) for value in found.values())
    shares = scores.by_example(kind, outputs, references)
    assert all(0 <= share <= 1 for share in shares)
    right = scores.are_right(outputs, references)
    assert all(share == 1 for share, is_right in zip(shares, right, strict=True) if is_right)


@pytest.mark.parametrize("kind", scores.KINDS)
def test_the_order_of_examples_is_no_matter(kind: str) -> None:
    one, other = scores.measured(kind, WRITTEN, _several()), scores.measured(kind, WRITTEN[::-1], _several()[::-1])
    assert one == pytest.approx(other)


def test_better_is_higher_but_for_errors() -> None:
    every = {name for names in scores.KINDS.values() for name in names}
    assert {name for name in every if lower_is_better(name)} == {"wer", "per", "cer"}


def test_signatures_are_those_of_sacrebleu() -> None:
    bleu, chrf = BLEU(tokenize="13a", lowercase=True), CHRF()
    for metric in (bleu, chrf):
        metric.corpus_score(WRITTEN, [TRUE])
    found = scores.signatures("translation", [[each] for each in TRUE])
    assert found["bleu_lowercase"] == str(bleu.get_signature()) and found["chrf"] == str(chrf.get_signature())
    assert "nrefs:1|case:mixed" in found["bleu"] and "tok:13a" in found["bleu"]
    assert "nrefs:var" in scores.signatures("translation", _several())["bleu"]
    for kind, names in scores.KINDS.items():
        assert tuple(scores.signatures(kind)) == names and all(scores.signatures(kind).values())


def test_the_worst_mistakes_come_first() -> None:
    outputs, references = ["same", "x", "near", "y"], [["same"], ["far", "farther"], ["nears"], ["far"]]
    shares = scores.by_example("exact", outputs, references)
    found = scores.mistakes(["a", "b", "c", "d"], outputs, references, shares)
    assert found == [
        {"source": "b", "reference": "far | farther", "output": "x", "score": 0},
        {"source": "d", "reference": "far", "output": "y", "score": 0},
        {"source": "c", "reference": "nears", "output": "near", "score": pytest.approx(0.8)},
    ]


def test_without_sacrebleu_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *others: Any, **named: Mapping[str, Any]) -> Any:
        if name.startswith("sacrebleu"):
            raise ImportError(name)
        return real(name, *others, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    assert scores.measured("exact", ["a"], [["a"]]) == {"exact_match": 1, "cer": 0}
    for call in (scores.measured, scores.by_example):
        with pytest.raises(ConfigError, match=r"needs sacrebleu; install it with pip install 'paribus\[translation\]'"):
            call("translation", ["a"], [["a"]])
    with pytest.raises(ConfigError, match="sacrebleu"):
        scores.signatures("translation")


def _word(generator: random.Random) -> str:
    return " ".join(generator.choices("ABCDEFGHIJ", k=generator.randint(3, 10)))
