"""The types that builders' settings may have. A setting's annotation is looked up here by name, never evaluated.

Each is checked in pydantic's strict mode, without inf and nan; its description says what a value must be.
"""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

STRICT = ConfigDict(strict=True, allow_inf_nan=False)

Flag = Annotated[bool, Field(description="true or false")]


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value  # a column may be named 2020


def _time_as_text(value: Any) -> Any:
    return str(value) if type(value) in (int, float) else value  # a year, or a part of it


Text = Annotated[str, BeforeValidator(_as_text), Field(description="text")]


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("an even number")
    return number


Number = Annotated[float, Field(description="a number")]
PositiveFloat = Annotated[float, Field(gt=0, description="a number above 0")]
NonNegativeFloat = Annotated[float, Field(ge=0, description="a number, 0 or more")]
Probability = Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1")]
ProbabilityBelowOne = Annotated[float, Field(ge=0, lt=1, description="a number from 0 to below 1")]
Fraction = Annotated[float, Field(gt=0, lt=1, description="a number between 0 and 1")]
Share = Annotated[float, Field(gt=0, le=1, description="a number above 0, up to 1")]
PositiveInt = Annotated[int, Field(ge=1, description="a whole number, 1 or more")]
FoldCount = Annotated[int, Field(ge=2, description="a whole number, 2 or more")]
BinCount = Annotated[int, Field(ge=2, description="a whole number, 2 or more")]
SampleCount = Annotated[int, Field(ge=2, description="a whole number, 2 or more")]
PopulationSize = Annotated[int, Field(ge=4, description="a whole number, 4 or more")]
ReductionFactor = Annotated[int, Field(ge=2, description="a whole number, 2 or more")]
SequenceLength = Annotated[int, Field(ge=2, description="a whole number of steps, 2 or more")]
OddInt = Annotated[int, Field(ge=1), AfterValidator(_odd), Field(description="an odd whole number, 1 or more")]
Degrees = Annotated[float, Field(ge=0, le=180, description="a number from 0 to 180")]
Hue = Annotated[float, Field(ge=0, le=0.5, description="a number from 0 to 0.5")]
NonNegativeInt = Annotated[int, Field(ge=0, description="a whole number, 0 or more")]
PositiveIntList = Annotated[
    list[Annotated[int, Field(ge=1)]],
    Field(description="a list of whole numbers, 1 or more each, such as [64,64]"),
]
NonNegativeFloatList = Annotated[
    list[Annotated[float, Field(ge=0)]],
    Field(description="a list of numbers, 0 or more each, such as [1,2.5]"),
]


def _ascending(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the first is above the second")
    return bounds


ShareRange = Annotated[
    list[Annotated[float, Field(gt=0, le=1)]],
    Field(min_length=2, max_length=2, description="two numbers above 0, up to 1, the smaller first, such as [0.1,0.5]"),
    AfterValidator(_ascending),
]
PositiveRange = Annotated[
    list[Annotated[float, Field(gt=0)]],
    Field(min_length=2, max_length=2, description="two numbers above 0, the smaller first, such as [0.5,2]"),
    AfterValidator(_ascending),
]
TextList = Annotated[list[Text], Field(description="a list of texts, such as [age,city]")]


def _as_character(value: Any) -> Any:
    return "\t" if value in ("tab", "\\t") else value  # a tab is hard to type


Character = Annotated[
    str,
    BeforeValidator(_as_character),
    StringConstraints(min_length=1, max_length=1),
    Field(description="one character, or tab"),
]
RunName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$", max_length=100),
    Field(description="letters, digits, '_', '-' and '.'"),
]


def _objectives(names: Any) -> Any:
    """Not test figures: what is chosen by them is no longer tested by them."""
    every = names if isinstance(names, list) else [names]
    if not every or not all(isinstance(name, str) and OBJECTIVE.match(name) for name in every):
        raise ValueError("no figure to choose by")
    if len(set(every)) < len(every):
        raise ValueError("one is named twice")
    return names


OBJECTIVE = re.compile(r"^((train|val)/\w+|train_seconds|epochs)$")
MetricName = Annotated[
    str, StringConstraints(pattern=r"^(train|val)/\w+$"), Field(description="a metric such as val/loss")
]
Objectives = Annotated[
    Any,
    AfterValidator(_objectives),
    Field(description="a metric such as val/accuracy, or a list such as [val/loss,train_seconds]"),
]


def _absolute(path: str) -> str:
    if not path.strip():
        raise ValueError("empty path")
    if re.match(r"^\w+://", path):
        raise ValueError("a URL")
    return str(Path(path).expanduser().absolute())


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


# Made absolute in the saved config, so that a run can be evaluated from any folder.
FolderPath = Annotated[str, AfterValidator(_absolute), Field(description="the path of a folder")]
FilePath = Annotated[str, AfterValidator(_absolute), Field(description="the path of a file")]
SourcePath = Annotated[str, AfterValidator(_absolute), Field(description="the path of a folder or an archive")]


def _weights(source: str) -> str:
    return source if source in ("none", "imagenet") else _absolute(source)


Weights = Annotated[str, AfterValidator(_weights), Field(description="none, imagenet or the path of a file")]
FilePaths = Annotated[
    list[Annotated[str, AfterValidator(_absolute)]],
    BeforeValidator(_as_list),
    Field(min_length=1, description="a file or a list of files, such as pairs.tsv or [train.en,train.de]"),
]
PATHS = ("FolderPath", "FilePath", "FilePaths", "SourcePath", "Weights")

Scaling = Annotated[Literal["standard", "min_max", "none"], Field(description="standard, min_max or none")]
ImageScaling = Annotated[
    Literal["standard", "min_max", "imagenet", "none"], Field(description="standard, min_max, imagenet or none")
]


def _whole(value: Any) -> Any:
    if type(value) is not int:  # True equals 1, which is enough for a Literal
        raise ValueError("not a whole number")
    return value


Channels = Annotated[Literal[1, 3], BeforeValidator(_whole), Field(description="1 (grey) or 3 (colour)")]
Resizing = Annotated[Literal["crop", "pad", "stretch"], Field(description="crop, pad or stretch")]
BadFiles = Annotated[Literal["error", "skip"], Field(description="error or skip")]
StemStride = Annotated[Literal[1, 2], BeforeValidator(_whole), Field(description="1 or 2")]
Sampling = Annotated[Literal["shuffled", "balanced"], Field(description="shuffled or balanced")]
TaskKind = Annotated[Literal["classification", "regression"], Field(description="classification or regression")]
MissingValues = Annotated[Literal["error", "drop", "fill"], Field(description="error, drop or fill")]
Normalization = Annotated[
    Literal["none", "batch", "layer", "group", "instance"], Field(description="none, batch, layer, group or instance")
]
Interval = Annotated[Literal["step", "epoch"], Field(description="step or epoch")]
Accelerator = Annotated[Literal["auto", "cpu", "gpu"], Field(description="auto, cpu or gpu")]
Precision = Annotated[
    Literal["auto", "32-true", "bf16-mixed", "64-true"], Field(description="auto, 32-true, bf16-mixed or 64-true")
]
Direction = Annotated[Literal["auto", "min", "max"], Field(description="auto, min or max")]


def _directions(chosen: Any) -> Any:
    known = ("min", "max") if isinstance(chosen, list) else ("auto", "min", "max")
    every = chosen if isinstance(chosen, list) else [chosen]
    if not every or not all(each in known for each in every):
        raise ValueError("no direction")
    return chosen


Directions = Annotated[
    Any,
    AfterValidator(_directions),
    Field(description="auto, min or max, or a list of min and max, one for each metric"),
]
Executor = Annotated[Literal["slurm", "local"], Field(description="slurm or local")]
PaddingMode = Annotated[Literal["zeros", "reflect"], Field(description="zeros or reflect")]
Interpolation = Annotated[Literal["nearest", "bilinear"], Field(description="nearest or bilinear")]
Reduction = Annotated[Literal["fan_in", "fan_out"], Field(description="fan_in or fan_out")]
RecurrentWeights = Annotated[Literal["orthogonal", "same"], Field(description="orthogonal or same")]
SequencePooling = Annotated[
    Literal["last", "mean", "max", "attention"], Field(description="last, mean, max or attention")
]
InitialState = Annotated[Literal["zero", "learned"], Field(description="zero or learned")]
Nonlinearity = Annotated[Literal["tanh", "relu"], Field(description="tanh or relu")]
EncoderCell = Annotated[Literal["lstm", "gru"], Field(description="lstm or gru")]
AttentionKind = Annotated[
    Literal["none", "bahdanau", "luong_dot", "luong_general", "luong_concat"],
    Field(description="none, bahdanau, luong_dot, luong_general or luong_concat"),
]
TiedEmbeddings = Annotated[Literal["none", "target", "all"], Field(description="none, target or all")]
TeacherForcingSchedule = Annotated[
    Literal["linear", "exponential", "inverse_sigmoid"], Field(description="linear, exponential or inverse_sigmoid")
]
WindowNormalization = Annotated[
    Literal["none", "subtract_last_value", "instance"], Field(description="none, subtract_last_value or instance")
]
OutputRatio = Annotated[float, Field(ge=0, le=100, description="a number from 0 to 100")]
OutputLength = Annotated[int, Field(ge=1, le=10_000, description="a whole number from 1 to 10000")]
TokenKind = Annotated[Literal["character", "word", "byte_pair"], Field(description="character, word or byte_pair")]
PairTokens = Annotated[
    Literal["character", "word", "spaced", "byte_pair"], Field(description="character, word, spaced or byte_pair")
]
UnicodeForm = Annotated[Literal["nfc", "nfkc", "none"], Field(description="nfc, nfkc or none")]
EmptyLines = Annotated[Literal["error", "skip"], Field(description="error or skip")]
PairScores = Annotated[
    Literal["translation", "pronunciation", "exact"], Field(description="translation, pronunciation or exact")
]
SoundDictionary = Annotated[Literal["g014b2b", "cmudict"], Field(description="g014b2b or cmudict")]
CaptionLanguage = Annotated[Literal["en", "de"], Field(description="en or de")]
CaptionTest = Annotated[
    Literal["test_2016_flickr", "test_2017_flickr", "test_2017_mscoco", "test_2018_flickr"],
    Field(description="test_2016_flickr, test_2017_flickr, test_2017_mscoco or test_2018_flickr"),
]
TextTask = Annotated[
    Literal["classification", "regression", "tagging"], Field(description="classification, regression or tagging")
]
Gaps = Annotated[Literal["error", "fill", "ignore"], Field(description="error, fill or ignore")]
Duplicates = Annotated[Literal["error", "mean", "last"], Field(description="error, mean or last")]
SeriesOutput = Annotated[Literal["horizon", "each_step"], Field(description="horizon or each_step")]
ErrorUnits = Annotated[Literal["own", "standard"], Field(description="own or standard")]


def _rising(borders: list[Any]) -> list[Any]:
    if any(first >= second for first, second in pairwise(borders)):
        raise ValueError("not rising")
    return borders


RowBorders = Annotated[
    list[Annotated[int, Field(ge=1)]],
    Field(
        min_length=3,
        max_length=3,
        description="three whole numbers, rising: the rows at which train, validation and test end",
    ),
    AfterValidator(_rising),
]
TimeBorders = Annotated[
    list[Annotated[str, BeforeValidator(_time_as_text)]],
    Field(min_length=2, max_length=3, description="the times at which validation and test begin, and test may end"),
]


class ConvolutionBlock(BaseModel):
    """Convolution, normalization, activation, pooling. Sizes in pixels; padding on each side."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid", frozen=True)

    channels: Annotated[int, Field(ge=1, description="a whole number, 1 or more")]
    kernel: Annotated[int, Field(ge=1, description="a whole number, 1 or more")]
    stride: Annotated[int, Field(ge=1, description="a whole number, 1 or more")]
    padding: Annotated[int, Field(ge=0, description="a whole number, 0 or more")]
    padding_mode: Annotated[Literal["zeros", "replicate"], Field(description="zeros or replicate")]
    pooling: Annotated[Literal["none", "max", "avg", "min"], Field(description="none, max, avg or min")]


ConvolutionBlocks = Annotated[
    list[ConvolutionBlock],
    Field(description=f"a list of blocks with the keys {', '.join(ConvolutionBlock.model_fields)}"),
]


def known(name: str) -> bool:
    """Whether an annotation of this name is one of this file's types."""
    kind = globals().get(name)
    return hasattr(kind, "__metadata__") or kind is ConvolutionBlock


def describe(name: str) -> str:
    """What a value of the named type must be, such as "a number above 0"."""
    metadata = getattr(globals()[name], "__metadata__", ())
    return next((item.description for item in metadata if getattr(item, "description", None)), name)


def checked(name: str, value: Any, *, optional: bool = False) -> Any:
    """The value as the named type, or a ValueError whose text is "KEY_SUFFIX|what it must be".

    KEY_SUFFIX names the place inside a nested value, such as "[1].kernel"; it is empty for plain ones.
    """
    if optional and value is None:
        return None
    try:
        return _adapter(name).validate_python(value)
    except ValidationError as error:
        raise ValueError(_where_and_what(error, name, optional)) from None


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    kind = globals()[name]
    has_own = isinstance(kind, type) and issubclass(kind, BaseModel)
    return TypeAdapter(kind, config=None if has_own else STRICT)


def _where_and_what(error: ValidationError, name: str, optional: bool) -> str:
    first = error.errors()[0]
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
    must = describe(name)
    if first["type"] == "extra_forbidden":
        must = f"left out: {first['loc'][-1]} is not a key of a block"
    elif first["type"] == "missing":
        must = "given"
    elif "." in place:
        must = ConvolutionBlock.model_fields[str(first["loc"][-1])].description or must
    return f"{place}|{must}{' or null' if optional and not place else ''}"
