"""A study as its YAML file describes it: arms that differ in one part, and what is predicted of them. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from yaml import YAMLError

from paribus import parts
from paribus.errors import ConfigError, nearest

BEST = "best "  # opens the name of the cell that a small search chooses for an arm
FEWEST_SEEDS = 5

Relation = Literal["higher", "lower", "not higher", "not lower", "equal", "no different"]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid", frozen=True)


class Prediction(_Strict):
    """What the claim says of one figure: that an arm has it higher or lower than another, or as high.

    Arms are named as in `arms`; where an arm has several settings, followed by them: "batch optimizer.lr=0.1", or as
    "best batch", the setting with the best mean of `best_by`. `than` may be a number. `margin` is the smallest
    difference that matters: a predicted difference that is surely smaller is refuted, "not higher" means by no more
    than it, and "equal" within it.
    "no different" means no more than that no difference is seen.
    """

    metric: str
    arm: str
    expect: Relation
    than: str | float | int
    margin: Annotated[float, Field(ge=0)] = 0.0


class Panel(_Strict):
    """One panel of the study's figure: a metric of the arms.

    dots: a dot a run, and mean and interval of each arm. curves: over epochs, from metrics.csv. over: against the
    setting `x`. depth: the figures METRIC/1, METRIC/2 ... against their number.
    """

    kind: Literal["dots", "curves", "over", "depth"]
    metric: str
    x: str | None = None
    log: Literal["none", "x", "y", "xy"] = "none"
    arms: tuple[str, ...] = Field(default=(), strict=False)  # all where none is named
    title: str | None = None

    @model_validator(mode="after")
    def _x_is_for_over(self) -> "Panel":
        if (self.kind == "over") != (self.x is not None):
            raise ValueError("x is the setting that a panel of the kind over needs, and no other takes")
        return self


class Study(_Strict):
    """One claim and how it is put to the test."""

    name: str
    claim: str
    source: str
    tried: str  # what was tried before the study was as it is, and what is known of its limits
    minutes: Annotated[float, Field(gt=0)]  # on two cores
    common: list[str]  # overrides of all arms
    arms: Annotated[dict[str, list[str]], Field(min_length=1)]  # overrides of each; one with several values makes cells
    seeds: Annotated[int, Field(ge=FEWEST_SEEDS)] = FEWEST_SEEDS
    seed_offset: dict[str, int] = {}  # of an arm that is to have other seeds than the rest
    best_by: str | None = None  # the validation figure that chooses among the settings of an arm
    diverged: dict[str, float] = {}  # figures of a run whose loss is no longer finite, such as guessing has
    measures: dict[str, dict[str, Any]] = {}  # beyond what runs measure: functions of paribus.studies.measures
    predictions: Annotated[list[Prediction], Field(min_length=1)]
    figure: Annotated[list[Panel], Field(min_length=1, max_length=4)]


def read(name: str, extension: Path | None) -> Study:
    """The study of that name. Raises ConfigError where there is none, or its file is wrong."""
    files = parts.options(parts.STUDY, extension)
    if name not in files:
        raise ConfigError(f"{name} is no study; {nearest(name, files, 'studies')}")
    return load(files[name])


def load(file: Path) -> Study:
    """A study from its file, named as the file. Raises ConfigError."""
    try:
        content = OmegaConf.to_container(OmegaConf.load(file))
    except (OSError, YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file} is no study: it has no keys")
    try:
        study = Study.model_validate({"name": file.stem, **content})
    except ValidationError as error:
        raise ConfigError(f"{file}: {_first(error)}") from None
    _check(study, file)
    return study


def _first(error: ValidationError) -> str:
    every = error.errors()
    first = next((each for each in every if each["type"] == "extra_forbidden"), every[0])  # misspelled, so missing too
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        kinds: dict[str, type[BaseModel]] = {"predictions": Prediction, "figure": Panel}
        known = kinds.get(str(first["loc"][0]), Study).model_fields
        return f"{place} is not a key of a study; {nearest(str(first['loc'][-1]), known, 'keys')}"
    if first["type"] == "missing":
        return f"{place} is missing"
    return f"{place}={first['input']}: {first['msg'].removeprefix('Value error, ')}"


def _check(study: Study, file: Path) -> None:
    """Raise ConfigError where one thing names another that is not there."""
    named = [arm for each in study.predictions for arm in (each.arm, each.than) if isinstance(arm, str)]
    for name in [*(arm_of(each, study.arms) for each in named), *study.seed_offset, *_in_panels(study)]:
        if name not in study.arms:
            raise ConfigError(f"{file}: {name} is no arm; {nearest(name, study.arms, 'arms')}")
    if study.best_by is None and any(each.startswith(BEST) for each in named):
        raise ConfigError(f"{file}: best ... needs best_by, the validation figure by which the best is chosen")
    if study.best_by is not None and study.best_by.startswith("test/"):
        raise ConfigError(f"{file}: best_by={study.best_by}: what is chosen by a test figure is not tested by it")


def _in_panels(study: Study) -> Sequence[str]:
    return [arm for panel in study.figure for arm in panel.arms]


def arm_of(cell: str, arms: Mapping[str, Any]) -> str:
    """The arm that the name of a cell opens with; the name itself where it is none."""
    bare = cell.removeprefix(BEST)
    return max((arm for arm in arms if bare == arm or bare.startswith(f"{arm} ")), key=len, default=bare)
