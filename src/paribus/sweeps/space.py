"""What varies in a sweep: dimensions, in Hydra's grammar, and the configs that a choice of values makes.

YAML files are composed once, for each combination of parts; the values of settings are set on what came of it. So a
file that is edited later changes no job of a sweep that has begun.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
)
from omegaconf import DictConfig, OmegaConf

from paribus import config, parts
from paribus.composition import GROUPS, Composed, check_key, compose, parse
from paribus.config import Config
from paribus.errors import ConfigError

LOG = "log"
UNQUOTED = re.compile(r"[\w./-]+")  # texts that need no quotes, unless they are numbers or null


@dataclass(frozen=True)
class Dimension:
    """One key that varies: choices, or an interval from low to high, both ends included."""

    key: str
    choices: tuple[Any, ...] = ()  # empty for an interval
    low: float | int | None = None
    high: float | int | None = None
    is_whole: bool = False
    is_log: bool = False
    when: tuple[tuple[str, Any], ...] = ()  # it exists only where all of these were chosen, by dimensions before it

    def exists(self, values: Mapping[str, Any]) -> bool:
        """Whether there is such a setting beside what was chosen so far."""
        return all(key in values and values[key] == value for key, value in self.when)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that stand for all: every choice, or the ends of the interval."""
        return self.choices or (self.low, self.high)


@dataclass(frozen=True)
class Base:
    """What YAML files give for one combination of parts, before any setting that varies is set."""

    tree: DictConfig
    choices: dict[str, str]
    typed: dict[str, str]


class Space:
    """The dimensions of a sweep and what all its jobs have in common."""

    def __init__(
        self,
        dimensions: Sequence[Dimension],
        common: Sequence[str],
        bases: Mapping[str, Base],
        extension: Path | None,
        place: Path,
    ) -> None:
        self.dimensions, self._common, self._bases = tuple(dimensions), tuple(common), dict(bases)
        self._extension, self._place = extension, place

    @classmethod
    def read(cls, overrides: Sequence[str], extension: Path | None) -> "Space":
        """From what was typed, composed for every combination of parts. Raises ConfigError for the first mistake."""
        parsed = {text: parse(text) for text in overrides}
        for each in parsed.values():
            check_key(each, extension)
        dimensions = [_dimension(text, each, extension) for text, each in parsed.items() if each.is_sweep_override()]
        _check_keys(dimensions, list(parsed.values()))
        common = [text for text, each in parsed.items() if not each.is_sweep_override()]
        ordered = _in_order(dimensions)
        bases = {}
        for values in combinations([each for each in ordered if each.key in GROUPS]):
            composed = compose([*common, *map(_override, values.items())], extension)
            bases[_label(values)] = Base(composed.tree, dict(composed.choices), dict(composed.typed))
        return cls(ordered, common, bases, extension, Path.cwd())

    def state(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        bases = {
            label: {"text": OmegaConf.to_yaml(base.tree), "choices": base.choices, "typed": base.typed}
            for label, base in self._bases.items()
        }
        return {
            "dimensions": [asdict(each) for each in self.dimensions],
            "common": list(self._common),
            "bases": bases,
            "place": str(self._place),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], extension: Path | None) -> "Space":
        """What `state` gave, also once it has been through JSON."""
        dimensions = [
            Dimension(
                **{
                    **each,
                    "choices": tuple(each["choices"]),
                    "when": tuple((key, value) for key, value in each["when"]),
                }
            )
            for each in state["dimensions"]
        ]
        bases = {
            label: Base(_tree(base["text"]), base["choices"], base["typed"]) for label, base in state["bases"].items()
        }
        return cls(dimensions, state["common"], bases, extension, Path(state["place"]))

    def config(self, values: Mapping[str, Any]) -> tuple[Config, list[str]]:
        """The checked config for values of the dimensions that exist, and the overrides that compose it.

        Raises ConfigError where they are wrong, or do not go together.
        """
        chosen = {key: value for key, value in values.items() if key in GROUPS}
        base = self._bases[_label(chosen)]
        tree, typed = base.tree.copy(), dict(base.typed)
        for key, value in values.items():
            typed[key] = _override((key, value))
            if key not in chosen:
                OmegaConf.update(tree, key, value, force_add=True)
        overrides = [*self._common, *map(_override, values.items())]
        try:
            with contextlib.chdir(self._place):  # where relative paths begin
                return config.check(Composed(tree, base.choices, typed, tuple(overrides), self._extension)), overrides
        except ConfigError as error:
            raise ConfigError(f"{error}{self._remedy(str(error))}") from None

    def check(self) -> list[Config]:
        """Check every choice and every end of an interval once, for each combination of parts: all these configs.

        Raises ConfigError for the first that is wrong.
        """
        found = []
        for chosen in self.combinations_of_parts():
            found.append(self.config(self.with_first(chosen))[0])
            for each in self.dimensions:
                if each.key not in GROUPS and each.key in self.with_first(chosen):
                    others = (self.with_first({**chosen, each.key: value}) for value in each.ends)
                    found += [self.config(values)[0] for values in others]
        return found

    def combinations_of_parts(self) -> Iterator[dict[str, Any]]:
        """The choices of groups that go together."""
        return combinations([each for each in self.dimensions if each.key in GROUPS])

    def with_first(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Values for a choice of some, with the first of each other dimension that exists then."""
        values: dict[str, Any] = {}
        for each in self.dimensions:
            if each.key in chosen or (each.key not in GROUPS and each.exists(values)):
                values[each.key] = chosen.get(each.key, each.ends[0])
        return values

    def _remedy(self, message: str) -> str:
        for each in self.dimensions:
            is_meant = message.startswith(f"{each.key}=") and "be a whole number" in message
            if each.low is not None and not each.is_whole and is_meant:
                return f"; use {each.key}=int(interval({each.low:g},{each.high:g}))"
        swept = [each for each in self.dimensions if each.key in GROUPS and len(each.choices) > 1]
        if swept and "is not a setting of" in message:
            key, value = swept[0].key, swept[0].choices[0]
            return f"; where only some choices have it, say so: tag('{key}={value}',choice(...))"
        return ""


def combinations(dimensions: Sequence[Dimension]) -> Iterator[dict[str, Any]]:
    """All values of dimensions with choices, the last varying fastest; one that does not exist is left out."""
    seen: list[dict[str, Any]] = []
    for picked in product(*(each.choices for each in dimensions)):
        values: dict[str, Any] = {}
        for each, value in zip(dimensions, picked, strict=True):
            if each.exists(values):
                values[each.key] = value
        if values not in seen[-1:] and (len(values) == len(dimensions) or values not in seen):
            seen.append(values)
            yield values


def _dimension(text: str, override: Override, extension: Path | None) -> Dimension:
    key = override.key_or_group
    sweep = override.value()
    if isinstance(sweep, Glob):
        choices = tuple(sweep.filter(list(parts.options(key, extension)))) if key in GROUPS else ()
        if not choices:
            raise ConfigError(f"{text} stands for nothing; glob is for names of a group, such as model=glob(*)")
        return Dimension(key, choices)
    assert isinstance(sweep, ChoiceSweep | RangeSweep | IntervalSweep)
    when, is_log = _tags(text, sweep.tags)
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None and sweep.end is not None
        low, high = sweep.start, sweep.end
        if low >= high:
            raise ConfigError(f"{text}: the interval is empty; give the lower end first")
        if is_log and low <= 0:
            raise ConfigError(f"{text}: a log scale begins above 0, and this one at {low:g}")
        is_whole = isinstance(low, int) and isinstance(high, int)
        return Dimension(key, (), low, high, is_whole, is_log, when)
    if is_log:
        raise ConfigError(f"{text}: log is for intervals, as in tag(log,interval(1e-4,1e-1)); choices are as they are")
    choices = tuple(_plain(key, each) for each in override.sweep_string_iterator())
    if not choices:
        raise ConfigError(f"{text}: the range is empty")
    for place, value in enumerate(choices):
        if value in choices[:place]:
            raise ConfigError(f"{text}: {value} is named twice; each run would be made twice")
    return Dimension(key, choices, when=when)


def _plain(key: str, text: str) -> Any:
    value = parse(f"{key}={text}").value()
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _tags(text: str, tags: set[str]) -> tuple[tuple[tuple[str, Any], ...], bool]:
    when = []
    for tag in sorted(tags - {LOG}):
        key, equals, value = tag.partition("=")
        if not equals:
            raise ConfigError(f"{text}: {tag} is no tag; there are log and conditions such as 'model=mlp', in quotes")
        when.append((key, _plain(key, value)))
    return tuple(when), LOG in tags


def _check_keys(dimensions: Sequence[Dimension], parsed: Sequence[Override]) -> None:
    """Raise ConfigError for a key that is given twice, and for a condition on what does not vary."""
    keys = [override.key_or_group for override in parsed]
    by_key = {each.key: each for each in dimensions}
    for each in dimensions:
        if keys.count(each.key) > 1:
            raise ConfigError(f"{each.key} is given twice; give it once, with all its values")
        for key, value in each.when:
            if key not in by_key or value not in by_key[key].choices:
                known = " or ".join(f"'{key}={choice}'" for choice in by_key[key].choices) if key in by_key else ""
                instead = f"it can be {known}" if known else f"{key} does not vary by choices"
                raise ConfigError(f"{each.key} is to exist where '{key}={value}', and {instead}")
            if each.key in GROUPS and key not in GROUPS:
                raise ConfigError(
                    f"{each.key} is to exist where '{key}={value}': a group depends on groups alone, settings on both"
                )


def _in_order(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """As typed, but each after those that it depends on. Raises ConfigError for a circle."""
    ordered: list[Dimension] = []
    waiting = list(dimensions)
    while waiting:
        known = {each.key for each in ordered}
        ready = next((each for each in waiting if all(key in known for key, _ in each.when)), None)
        if ready is None:
            raise ConfigError(f"{waiting[0].key} and {waiting[-1].key} wait for each other; drop one of the conditions")
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _label(values: Mapping[str, Any]) -> str:
    return " ".join(map(_override, values.items()))


def _override(item: tuple[str, Any]) -> str:
    """KEY=VALUE as Hydra's grammar reads it back."""
    key, value = item
    return f"{key}={Override._get_value_element_as_str(_quoted(value))}"


def _quoted(value: Any) -> Any:
    """The value with quotes around the texts that would otherwise be read as something else, such as 'true' or '1'."""
    if isinstance(value, dict):
        return {key: _quoted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(inner) for inner in value]
    if not isinstance(value, str) or (UNQUOTED.fullmatch(value) and parse(f"text={value}").value() == value):
        return value
    return QuotedString(value, Quote.single)


def _tree(text: str) -> DictConfig:
    tree = OmegaConf.create(text)
    assert isinstance(tree, DictConfig)
    return tree
