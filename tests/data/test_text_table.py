"""Tables of texts: batches, targets of each kind, and one line for each fault of a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from paribus.data.loader import Fold, Loading
from paribus.data.spec import NO_TARGET, PADDING, UNKNOWN, BinarySpec, ClassificationSpec, RegressionSpec
from paribus.data.text_table import text_table
from paribus.data.texts.module import TextData
from paribus.errors import ConfigError, DataError

ROWS = 60
LOADING = Loading(0, 8, 1)
ANIMALS = ("cat", "dog", "cow")


def _text(row: int) -> str:
    return f"no {row % 7} the " + "very " * (row * 5 % 11) + ANIMALS[row % 3]


def _frame(**columns: object) -> pl.DataFrame:
    rows = range(ROWS)
    given = {"t": [_text(row) for row in rows], "y": [ANIMALS[row % 3] for row in rows]}
    return pl.DataFrame({**given, **columns})


def _table(path: Path, loading: Loading = LOADING, **settings: object) -> TextData:
    chosen: dict[str, Any] = {
        "text": "t",
        "target": "y",
        "task": "classification",
        "tokens": "word",
        "vocabulary_size": 1000,
        "min_count": 1,
        "lowercase": True,
        "max_length": 100,
        "delimiter": None,
        "decimal_comma": False,
        "validation_fraction": 0.2,
        "test_fraction": 0.2,
        "scale_target": True,
        **settings,
    }
    return text_table(loading, path=str(path), **chosen)


def _written(folder: Path, frame: pl.DataFrame, name: str = "t.csv") -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator="\t" if name.endswith(".tsv") else ",")
    return path


def _spelled(data: TextData, inputs: torch.Tensor) -> list[str]:
    """The words of each row of inputs (B, steps)."""
    return [" ".join(data.spec.vocabulary[number] for number in row if number != PADDING) for row in inputs.tolist()]


# ---- batches


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
def test_batches_hold_the_words_of_the_texts_and_their_classes(tmp_path: Path, name: str) -> None:
    data = _table(_written(tmp_path, _frame(), name))
    assert isinstance(data.spec, ClassificationSpec) and data.spec.class_names == ("cat", "cow", "dog")
    seen: list[str] = []
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for inputs, targets in loader.batches():
            spelled = _spelled(data, inputs)
            assert [text.split()[-1] for text in spelled] == [data.spec.class_names[label] for label in targets]
            seen += spelled
    expected = [" ".join(_text(row).split()) for row in range(ROWS)]
    assert data.spec.input_shape == (max(len(text.split()) for text in expected),)
    assert len(seen) == ROWS and {text for text in seen if "<unknown>" not in text} <= set(expected)


def test_a_batch_is_cut_to_its_longest_text(tmp_path: Path) -> None:
    data = _table(_written(tmp_path, _frame()))
    widths = set()
    for loader in (data.train_dataloader(), data.val_dataloader()):
        for inputs, _ in loader.batches():
            assert (inputs[:, -1] != PADDING).any()
            widths.add(inputs.shape[1])
    assert len(widths) > 2 and max(widths) <= data.spec.input_shape[0]


def test_texts_of_like_lengths_are_together_and_each_epoch_in_another_order(tmp_path: Path) -> None:
    path = _written(tmp_path, _frame())
    loader = _table(path).train_dataloader()
    spreads, orders = [], []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        batches = list(loader.batches())
        lengths = [(inputs != PADDING).sum(1) for inputs, _ in batches]
        spreads.append(max(int(each.max() - each.min()) for each in lengths))
        orders.append(torch.cat(lengths).tolist())
    assert max(spreads) <= 5  # of 0 to 10 words more than the least
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])
    again = torch.cat([(inputs != PADDING).sum(1) for inputs, _ in _table(path).train_dataloader().batches()])
    assert again.tolist() == orders[0]


def test_texts_at_positions_are_those_of_the_inputs(tmp_path: Path) -> None:
    texts = [f"  {_text(row).title()} {row}" for row in range(ROWS)]
    data = _table(_written(tmp_path, _frame(t=texts), "t.parquet"))
    for name in ("train", "val", "test"):
        positions = torch.arange(data.num_rows(name)).flip(0)
        found = data.texts(name, positions)
        spelled = _spelled(data, data.raw(name).inputs[positions])
        for text, words in zip(found, spelled, strict=True):
            assert text in texts
            pairs = zip(text.lower().split(), words.split(), strict=True)
            assert all(word in (given, "<unknown>") for given, word in pairs)
    for name in ("val", "test"):
        lengths = (data.raw(name).inputs != PADDING).sum(1)
        assert (lengths.diff() >= 0).all()


def test_classes_are_drawn_evenly_where_sampling_is_balanced(tmp_path: Path) -> None:
    labels = ["rare" if row % 10 == 0 else "common" for row in range(ROWS)]
    data = _table(_written(tmp_path, _frame(y=labels)), replace(LOADING, sampling="balanced"))
    assert isinstance(data.spec, BinarySpec)
    loader, drawn = data.train_dataloader(), []
    for epoch in range(20):
        loader.sampler.set_epoch(epoch)
        drawn += [targets for _, targets in loader.batches()]
    assert torch.cat(drawn).double().mean().item() == pytest.approx(0.5, abs=0.06)


def test_folds_and_shares_of_the_training_rows_are_seen_to(tmp_path: Path) -> None:
    path = _written(tmp_path, _frame(t=[f"{_text(row)} {row}" for row in range(ROWS)]))
    tested: list[str] = []
    for index in (1, 2, 3):
        data = _table(path, Loading(0, 8, 1, fold=Fold(index, 3)))
        tested += data.texts("test", torch.arange(data.num_rows("test")))
    assert sorted(tested) == sorted(f"{_text(row)} {row}" for row in range(ROWS))
    data = _table(path, Loading(0, 8, 1, train_fraction=0.5))
    assert data.num_rows("train") == 18 and data.num_rows("test") == 12


def test_one_seed_one_split_and_a_changed_text_is_noticed(tmp_path: Path) -> None:
    path = _written(tmp_path, _frame())
    first = _table(path).fingerprint
    assert _table(path).fingerprint == first
    assert _table(path, replace(LOADING, seed=1)).fingerprint != first
    texts = [_text(row) for row in range(ROWS)]
    changed = _written(tmp_path, _frame(t=[texts[0] + " very", *texts[1:]]), "u.csv")
    assert _table(changed).fingerprint != first


def test_remarks_say_what_became_of_the_texts(tmp_path: Path) -> None:
    data = _table(_written(tmp_path, _frame()))
    lengths = sorted(len(_text(row).split()) for row in range(ROWS))
    assert data.remarks == (
        f"vocabulary: {len(data.spec.vocabulary)} tokens, learned from the 36 training texts",
        f"tokens of a text: median {lengths[(ROWS - 1) // 2]}, longest {lengths[-1]}",
        "unknown tokens: val 0.00%, test 0.00%",
    )


def test_texts_that_are_cut_are_counted(tmp_path: Path) -> None:
    path = _written(tmp_path, _frame())
    data, whole = _table(path, max_length=6), _table(path)
    assert data.spec.input_shape == (6,)
    lengths = {name: (whole.raw(name).inputs != PADDING).sum(1) for name in ("train", "val", "test")}
    counts = ", ".join(f"{name} {int((each > 6).sum())}" for name, each in lengths.items())
    assert data.remarks[-1] == f"texts cut to data.max_length=6 tokens: {counts}"


def test_texts_of_unknown_words_alone_are_counted(tmp_path: Path) -> None:
    plain = _table(_written(tmp_path, _frame(t=[f"{_text(row)} {row}" for row in range(ROWS)])))
    strange = int(plain.texts("val", torch.tensor([0]))[0].split()[-1])
    texts = ["ξξξ" if row == strange else f"{_text(row)} {row}" for row in range(ROWS)]
    data = _table(_written(tmp_path, _frame(t=texts)))
    assert "texts of unknown tokens alone: train 0, val 1, test 0" in data.remarks
    assert data.raw("val").inputs[0, 0] == UNKNOWN


def test_a_column_of_numbers_can_be_a_text(tmp_path: Path) -> None:
    numbers = [100 + row % 17 for row in range(ROWS)]
    data = [_table(_written(tmp_path, _frame(t=numbers), name)) for name in ("t.csv", "t.parquet")]
    assert data[0].spec == data[1].spec and data[0].fingerprint == data[1].fingerprint


# ---- numbers and tags


def test_numbers_are_learned_in_standard_units_and_come_back(tmp_path: Path) -> None:
    values = [1e6 + 3.5 * (row % 5) for row in range(ROWS)]
    data = _table(_written(tmp_path, _frame(y=values)), task="regression")
    assert isinstance(data.spec, RegressionSpec) and data.spec.is_text
    targets = data.raw("train").targets.double()
    assert targets.mean().item() == pytest.approx(0, abs=1e-6)
    assert targets.std(correction=0).item() == pytest.approx(1)
    own = targets * data.spec.target_scale + data.spec.target_mean
    assert {round(value, 1) for value in own.tolist()} == set(values)
    assert _table(tmp_path / "t.csv", task="regression", scale_target=False).raw("val").targets.max() > 1e6


def test_decimal_commas_are_numbers_if_set(tmp_path: Path) -> None:
    path = _written(tmp_path, _frame(y=[f"{row % 5},5" for row in range(ROWS)]))
    data = _table(path, task="regression", decimal_comma=True, scale_target=False)
    assert set(data.raw("train").targets.tolist()) == {0.5, 1.5, 2.5, 3.5, 4.5}


def _tags(row: int) -> str:
    return " ".join({"no": "D", "the": "D", "very": "R"}.get(word, "N") for word in _text(row).split())


def test_each_word_has_its_tag_and_padding_has_none(tmp_path: Path) -> None:
    data = _table(_written(tmp_path, _frame(y=[_tags(row) for row in range(ROWS)])), task="tagging")
    assert isinstance(data.spec, ClassificationSpec) and data.spec.is_aligned
    assert data.spec.class_names == ("D", "N", "R")
    for loader in (data.train_dataloader(), data.test_dataloader()):
        for inputs, targets in loader.batches():
            assert inputs.shape == targets.shape
            assert torch.equal(inputs == PADDING, targets == NO_TARGET)
            for number, tag in zip(inputs.flatten().tolist(), targets.flatten().tolist(), strict=True):
                if number > UNKNOWN:
                    word = data.spec.vocabulary[number]
                    assert data.spec.class_names[tag] == {"no": "D", "the": "D", "very": "R"}.get(word, "N")


def test_tags_are_cut_with_their_words(tmp_path: Path) -> None:
    data = _table(_written(tmp_path, _frame(y=[_tags(row) for row in range(ROWS)])), task="tagging", max_length=5)
    assert data.raw("train").targets.shape[1] == data.raw("train").inputs.shape[1] == 5


def test_words_of_tagged_texts_are_what_stands_between_spaces(tmp_path: Path) -> None:
    texts, tags = ["don't stop."] * 30 + ["stop (now)"] * 30, ["A B"] * 60
    data = _table(_written(tmp_path, _frame(t=texts, y=tags)), task="tagging")
    assert set(data.spec.vocabulary[2:]) == {"don't", "stop.", "stop", "(now)"}


# ---- faults

TEXT_COLUMN = [_text(row) for row in range(ROWS)]
LABELS = [ANIMALS[row % 3] for row in range(ROWS)]


def _with(values: list[Any], row: int, value: object) -> list[Any]:
    return [*values[:row], value, *values[row + 1 :]]


# What is wrong -> columns, settings, what the error must say.
FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "empty text": ({"t": _with(TEXT_COLUMN, 3, None)}, {}, "t.csv: row 5, column 't': the text is empty"),
    "blank text": ({"t": _with(TEXT_COLUMN, 3, " \u00a0 ")}, {}, "row 5, column 't': the text is empty"),
    "NA": ({"t": _with(TEXT_COLUMN, 0, "NA")}, {}, "row 2, column 't': the text is empty (so are NA,"),
    "no texts": ({"t": [None] * ROWS}, {}, "row 2, column 't': the text is empty"),
    "missing target": ({"y": _with(LABELS, 7, None)}, {}, "row 9, column 'y': the target is missing; mend or delete"),
    "no such text": ({"text": TEXT_COLUMN}, {"text": "texts"}, "data.text=texts is no column"),
    "misspelt text": ({}, {"text": "T"}, "t.csv; columns: t, y"),
    "misspelt target": ({"label": LABELS}, {"target": "labl"}, "data.target=labl is no column of"),
    "suggested target": ({"label": LABELS}, {"target": "labl"}, "did you mean label?"),
    "wrong delimiter": ({}, {"delimiter": ";"}, "use data.delimiter=,"),
    "one column twice": ({}, {"target": "t"}, "data.target=t is data.text, too; give each a column of its own"),
    "one class": ({"y": ["cat"] * ROWS}, {}, "column 'y' holds one class only (cat)"),
    "rare class": ({"y": _with(LABELS, 4, "owl")}, {}, "column 'y': class 'owl' has 1 row; each class needs 3 or more"),
    "classes of fractions": ({"y": [row + 0.5 for row in range(ROWS)]}, {}, "use data.task=regression"),
    "text for a number": ({}, {"task": "regression"}, "row 2, column 'y': 'cat' is not a number, which regression"),
    "comma for a point": ({"y": [f"{row},5" for row in range(ROWS)]}, {"task": "regression"}, "decimal_comma=true"),
    "infinite number": (
        {"y": [1e300, *map(float, range(1, ROWS))]},
        {"task": "regression"},
        "row 2, column 'y': 1e+300 cannot",
    ),
    "constant number": ({"y": [3] * ROWS}, {"task": "regression"}, "same value in every training row"),
    "one text": ({"t": ["the same"] * ROWS}, {}, "column 't': all texts are the same; there is nothing to learn"),
    "min_count too high": ({}, {"min_count": 1000}, "data.min_count=1000 leaves no token"),
    "no room": ({}, {"vocabulary_size": 2}, "data.vocabulary_size=2 leaves no token"),
    "strange test texts": (
        {"t": [f"word{row}" for row in range(ROWS)]},
        {},
        "column 't': this and 11 more of the 12 texts of val hold no token that is in the vocabulary of the 36",
    ),
    "no rows to train on": ({}, {"test_fraction": 0.6, "validation_fraction": 0.6}, "leave no rows to train on"),
    "letters tagged": ({}, {"task": "tagging", "tokens": "character"}, "data.tokens=character does not go with"),
    "too few tags": (
        {"y": _with([_tags(row) for row in range(ROWS)], 2, "D")},
        {"task": "tagging"},
        f"t.csv: row 4, column 'y': 1 tag for {len(_text(2).split())} words of column 't'; give one tag for each",
    ),
    "too many tags": (
        {"t": _with(TEXT_COLUMN, 2, "word"), "y": _with([_tags(row) for row in range(ROWS)], 2, "D N")},
        {"task": "tagging"},
        "row 4, column 'y': 2 tags for 1 word of column 't'",
    ),
    "one tag": (
        {"y": [" ".join("N" * len(_text(row).split())) for row in range(ROWS)]},
        {"task": "tagging"},
        "column 'y' holds one tag only (N)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_line(tmp_path: Path, fault: str) -> None:
    columns, settings, message = FAULTS[fault]
    path = _written(tmp_path, _frame(**columns))
    with pytest.raises((DataError, ConfigError)) as error:
        _table(path, **settings)
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_tag_that_training_lacks_is_named(tmp_path: Path) -> None:
    tags = [_tags(row) for row in range(ROWS)]
    for row in range(ROWS):
        path = _written(tmp_path, _frame(y=_with(tags, row, tags[row].replace("N", "X"))))
        try:
            _table(path, task="tagging")
        except DataError as error:
            assert f"row {row + 2}, column 'y': the tag 'X' is in " in str(error)
            assert str(error).endswith("so it cannot be learned; add rows that have it, or leave it out")
            return
    pytest.fail("some row is in no training split")


def test_columns_of_lists_and_bytes_are_no_texts(tmp_path: Path) -> None:
    for wrong in ([["a", "b"]] * ROWS, [b"a"] * ROWS):
        for column in ("t", "y"):
            path = _written(tmp_path, _frame(**{column: wrong}), "t.parquet")
            with pytest.raises(DataError, match=f"t.parquet: column '{column}' holds .*one text or number a row"):
                _table(path)
    path = _written(tmp_path, _frame(t=_with(TEXT_COLUMN, 1, "  ")), "t.parquet")
    with pytest.raises(DataError, match="row 2, column 't': the text is empty"):
        _table(path)
