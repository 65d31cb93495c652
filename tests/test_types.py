from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from paribus import types

NO_NUMBERS: list[Any] = [True, "0.1", nan, inf, -inf, None, [1], {}]
NO_WHOLE_NUMBERS: list[Any] = [*NO_NUMBERS, 1.0, 2.5, "3"]
NO_TEXTS: list[Any] = [0.5, True, None, ["a"]]
BLOCK = {"channels": 4, "kernel": 3, "stride": 1, "padding": 0, "padding_mode": "zeros", "pooling": "max"}

# type -> (good values, bad values)
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "Flag": ([True, False], [0, 1, "true", "yes", None]),
    "Text": (["", "a b", "ä"], NO_TEXTS),
    "Number": ([-1.5, 0, 3, 1e300], NO_NUMBERS),
    "PositiveFloat": ([1e-9, 1, 2.5], [*NO_NUMBERS, 0, 0.0, -1, -1e-9]),
    "NonNegativeFloat": ([0, 0.0, 2.5], [*NO_NUMBERS, -1, -1e-9]),
    "Probability": ([0, 0.5, 1, 1.0], [*NO_NUMBERS, -0.1, 1.1, 2]),
    "ProbabilityBelowOne": ([0, 0.5, 0.999], [*NO_NUMBERS, -0.1, 1, 1.0]),
    "Fraction": ([0.001, 0.5, 0.999], [*NO_NUMBERS, 0, 1, 1.0, -0.5]),
    "PositiveInt": ([1, 2, 10**9], [*NO_WHOLE_NUMBERS, 0, -1]),
    "NonNegativeInt": ([0, 1, 10**9], [*NO_WHOLE_NUMBERS, -1]),
    "PositiveIntList": ([[], [1], [64, 64]], [64, "64", None, [0], [64, -1], [1.0], [True], ["64"], [None], [[64]]]),
    "TextList": ([[], ["age"], ["age", "city"]], ["age", None, [0.5], [True], [None], [["age"]]]),
    "Character": ([",", ";", "\t", "é"], [*NO_TEXTS, 1, "", ",,"]),
    "RunName": (
        ["digits", "a_b-c.1", "_x", "3"],
        [*NO_TEXTS, 1, "", "a b", "../x", ".x", "-x", "a/b", "x" * 101, "a\n"],
    ),
    "MetricName": (
        ["val/loss", "train/accuracy"],
        [*NO_TEXTS, 1, "", "loss", "test/loss", "val/", "val/a b", "val/a/b"],
    ),
    "Objectives": (
        ["val/loss", ["val/loss"], ["val/accuracy", "train_seconds"], "epochs"],
        [*NO_TEXTS[:2], 1, "", "loss", "test/loss", ["test/loss"], [], ["val/loss", "val/loss"], [1], "val/"],
    ),
    "Directions": (["auto", "min", "max", ["min"], ["min", "max"]], [None, "", "lowest", ["auto"], 1, ["min", 1]]),
    "Executor": (["slurm", "local"], [None, "", "pbs", 1]),
    "Scaling": (["standard", "min_max", "none"], [None, "", "Standard", "minmax", 1]),
    "TaskKind": (["classification", "regression"], [None, "", "ranking"]),
    "MissingValues": (["error", "drop", "fill"], [None, "", "mean", 0]),
    "Normalization": (["none", "batch", "layer", "group", "instance"], [None, False, "", "groups"]),
    "Sampling": (["shuffled", "balanced"], [None, "", "weighted"]),
    "Share": ([0.001, 0.5, 1, 1.0], [*NO_NUMBERS, 0, 0.0, 1.1]),
    "FoldCount": ([2, 10], [*NO_WHOLE_NUMBERS, 1, 0, -2]),
    "Direction": (["auto", "min", "max"], [None, "", "up"]),
    "RecurrentWeights": (["orthogonal", "same"], [None, "", "xavier"]),
    "NonNegativeFloatList": ([[], [0, 0.5], [2.0]], [1.0, None, "1", [-1], [True], [nan], ["1"]]),
    "Interval": (["step", "epoch"], [None, "", "steps", 1]),
    "Accelerator": (["auto", "cpu", "gpu"], [None, "", "cuda", "tpu"]),
    "BinCount": ([2, 31], [*NO_WHOLE_NUMBERS, 1, 0]),
    "OddInt": ([1, 5], [*NO_WHOLE_NUMBERS, 0, 4, -1]),
    "Degrees": ([0, 15, 180], [*NO_NUMBERS, -1, 181]),
    "Hue": ([0, 0.5], [*NO_NUMBERS, -0.1, 0.6]),
    "ShareRange": (
        [[0.1, 1.0], [0.5, 0.5]],
        [0.5, None, [], [0.1], [0, 1.0], [0.1, 1.1], [0.5, 0.1], [0.1, 0.2, 0.3]],
    ),
    "PositiveRange": ([[0.5, 2.0]], [2.0, None, [], [1.0], [0.0, 1.0], [2.0, 0.5]]),
    "PaddingMode": (["zeros", "reflect"], [None, "", "edge"]),
    "Interpolation": (["nearest", "bilinear"], [None, "", "cubic"]),
    "ImageScaling": (["standard", "min_max", "imagenet", "none"], [None, "", "ImageNet", 1]),
    "Channels": ([1, 3], [*NO_WHOLE_NUMBERS, 0, 2, 4]),
    "Resizing": (["crop", "pad", "stretch"], [None, "", "fit", 1]),
    "BadFiles": (["error", "skip"], [None, "", "ignore", True]),
    "StemStride": ([1, 2], [*NO_WHOLE_NUMBERS, 0, 4]),
    "Precision": (["auto", "32-true", "bf16-mixed", "64-true"], [None, "", 32, "32", "16-mixed"]),
    "SampleCount": ([2, 500], [*NO_WHOLE_NUMBERS, 1, 0]),
    "PopulationSize": ([4, 50], [*NO_WHOLE_NUMBERS, 3, 0, -4]),
    "ReductionFactor": ([2, 4], [*NO_WHOLE_NUMBERS, 1, 0, -2]),
    "SequenceLength": ([2, 100], [*NO_WHOLE_NUMBERS, 1, 0, -2]),
    "SequencePooling": (["last", "mean", "max", "attention"], [None, "", "first", "none"]),
    "InitialState": (["zero", "learned"], [None, "", 0, "random"]),
    "Nonlinearity": (["tanh", "relu"], [None, "", "gelu"]),
    "WindowNormalization": (["none", "subtract_last_value", "instance"], [None, "", True, "last"]),
    "EncoderCell": (["lstm", "gru"], [None, "", "rnn", 1]),
    "AttentionKind": (
        ["none", "bahdanau", "luong_dot", "luong_general", "luong_concat"],
        [None, "", "luong", True],
    ),
    "TiedEmbeddings": (["none", "target", "all"], [None, False, "source"]),
    "TeacherForcingSchedule": (["linear", "exponential", "inverse_sigmoid"], [None, "", "sigmoid"]),
    "OutputRatio": ([0, 1.5, 100], [*NO_NUMBERS, -0.1, 101]),
    "OutputLength": ([1, 10_000], [*NO_WHOLE_NUMBERS, 0, 10_001]),
    "TokenKind": (["character", "word", "byte_pair"], [None, "", "bpe"]),
    "PairTokens": (["character", "word", "spaced", "byte_pair"], [None, "", "bpe"]),
    "UnicodeForm": (["nfc", "nfkc", "none"], [None, "", "NFC"]),
    "EmptyLines": (["error", "skip"], [None, "", "ignore"]),
    "PairScores": (["translation", "pronunciation", "exact"], [None, "", "bleu"]),
    "SoundDictionary": (["g014b2b", "cmudict"], [None, "", "CMUdict"]),
    "CaptionLanguage": (["en", "de"], [None, "", "fr", "EN"]),
    "CaptionTest": (
        ["test_2016_flickr", "test_2017_flickr", "test_2017_mscoco", "test_2018_flickr"],
        [None, "", "test_2016"],
    ),
    "FilePaths": ([["/a/b"], ["/a.en", "/a.de.gz"]], [None, 5, [], [""], "", ["s3://b"], [1]]),
    "TextTask": (["classification", "regression", "tagging"], [None, "", "ranking"]),
    "Gaps": (["error", "fill", "ignore"], [None, "", "drop"]),
    "Duplicates": (["error", "mean", "last"], [None, "", "first"]),
    "SeriesOutput": (["horizon", "each_step"], [None, "", "step"]),
    "ErrorUnits": (["own", "standard"], [None, "", "raw"]),
    "RowBorders": ([[1, 2, 3]], [None, 5, [], [1, 2], [1, 2, 3, 4], [0, 1, 2], [2, 2, 3], [3, 2, 1], [1.0, 2, 3]]),
    "TimeBorders": ([["2020", "2021"], ["a", "b", "c"]], [None, "2020", [], ["2020"], ["a", "b", "c", "d"]]),
    "Reduction": (["fan_in", "fan_out"], [None, "", "fan_avg"]),
    "ConvolutionBlocks": ([[], [BLOCK], [BLOCK, BLOCK]], [None, BLOCK, "x", [5], [[]], [{}]]),
}
PATHS = [name for name in types.PATHS if name != "FilePaths"]
CASES = [(name, value) for name, (good, _) in VALUES.items() for value in good]
FAULTS = [(name, value) for name, (_, bad) in VALUES.items() for value in bad]


def test_every_type_is_in_the_table() -> None:
    declared = {name for name, kind in vars(types).items() if hasattr(kind, "__metadata__")}
    assert declared == {*VALUES, *PATHS}


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_good_value_is_taken_as_it_is(name: str, value: Any) -> None:
    assert types.checked(name, value) == (value if name != "ConvolutionBlocks" else _blocks(value))


def test_a_column_may_be_named_by_a_number() -> None:
    assert types.checked("Text", 2020) == "2020"
    assert types.checked("TextList", [2020, "age"]) == ["2020", "age"]


def _blocks(value: list[dict[str, Any]]) -> list[types.ConvolutionBlock]:
    return [types.ConvolutionBlock(**block) for block in value]


@pytest.mark.parametrize(("name", "value"), FAULTS)
def test_a_bad_value_is_told_what_it_must_be(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^[\w\[\].]*\|.+"):
        types.checked(name, value)


@pytest.mark.parametrize("name", [*VALUES, *PATHS])
def test_every_type_says_in_words_what_a_value_must_be(name: str) -> None:
    assert types.describe(name) not in ("", name)


def test_null_is_taken_where_it_is_optional() -> None:
    assert types.checked("PositiveFloat", None, optional=True) is None
    with pytest.raises(ValueError, match=r"^\|a number above 0 or null$"):
        types.checked("PositiveFloat", 0, optional=True)


@pytest.mark.parametrize("name", PATHS)
def test_paths_are_made_absolute(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert types.checked(name, "../data") == f"{tmp_path}/../data"
    assert types.checked(name, "/a,b=(c)") == "/a,b=(c)"
    assert types.checked(name, "~/data") == "/home/someone/data"


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("value", ["", "  ", "http://example.com/x", "s3://bucket", 5, None, True, ["a"]])
def test_what_is_no_path_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^\|(none, imagenet or )?the path of a"):
        types.checked(name, value)


BLOCK_FAULTS = [
    ({"channels": 0}, "channels", "a whole number, 1 or more"),
    ({"channels": True}, "channels", "a whole number, 1 or more"),
    ({"kernel": 0}, "kernel", "a whole number, 1 or more"),
    ({"kernel": 3.0}, "kernel", "a whole number, 1 or more"),
    ({"kernel": "3"}, "kernel", "a whole number, 1 or more"),
    ({"stride": nan}, "stride", "a whole number, 1 or more"),
    ({"padding": -1}, "padding", "a whole number, 0 or more"),
    ({"padding": None}, "padding", "a whole number, 0 or more"),
    ({"padding_mode": "reflect"}, "padding_mode", "zeros or replicate"),
    ({"pooling": None}, "pooling", "none, max, avg or min"),
    ({"kernal": 3}, "kernal", "left out: kernal is not a key of a block"),
]


@pytest.mark.parametrize(("change", "key", "must"), BLOCK_FAULTS)
def test_a_fault_in_a_block_names_its_place(change: dict[str, Any], key: str, must: str) -> None:
    with pytest.raises(ValueError, match=r"\|") as error:
        types.checked("ConvolutionBlocks", [BLOCK, {**BLOCK, **change}])
    assert str(error.value) == f"[1].{key}|{must}"


@pytest.mark.parametrize("key", BLOCK)
def test_a_key_missing_from_a_block_is_named(key: str) -> None:
    block = {name: value for name, value in BLOCK.items() if name != key}
    with pytest.raises(ValueError, match=r"\|") as error:
        types.checked("ConvolutionBlocks", [block])
    assert str(error.value) == f"[0].{key}|given"


def test_a_block_cannot_be_changed() -> None:
    block = types.checked("ConvolutionBlocks", [BLOCK])[0]
    with pytest.raises(ValueError, match="frozen"):
        block.kernel = 5


def test_names_that_are_no_types() -> None:
    assert not any(types.known(name) for name in ("int", "float", "", "checked", "PositiveFlote", "_absolute"))


@pytest.mark.parametrize("name", ["Any", "Path", "Field", "STRICT", "PATHS", "TypeAdapter", "nothing"])
def test_what_types_py_imports_is_no_type(name: str) -> None:
    assert not types.known(name)
