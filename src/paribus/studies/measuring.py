"""The measures that a study names, found and checked before anything runs. No torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from paribus import parts, types
from paribus.config import as_typed
from paribus.errors import ConfigError, nearest
from paribus.parts import Part
from paribus.studies.study import Study

if TYPE_CHECKING:
    from paribus.studies.measured import Measured

GROUP = "measure"


class NotMeasurable(Exception):  # noqa: N818 - it is no error
    """A run that diverged before there was what a measure looks at."""


class Measure(NamedTuple):
    """A measure with its checked settings."""

    part: Part
    settings: dict[str, Any]

    def of(self, measured: "Measured") -> dict[str, float]:
        """Its figures of a run, by the names "MEASURE/FIGURE"; none of a run that has nothing to measure."""
        try:
            found: dict[str, float] = self.part.build({"run": measured}, self.settings)
        except NotMeasurable:
            return {}
        return {f"{self.part.name}/{name}": value for name, value in found.items()}


def measures(study: Study, extension: Path | None) -> list[Measure]:
    """Those that the study names. Raises ConfigError for one that does not exist, or a setting that is wrong."""
    return [_measure(name, dict(settings), study, extension) for name, settings in study.measures.items()]


def _measure(name: str, settings: dict[str, Any], study: Study, extension: Path | None) -> Measure:
    part = parts.function(GROUP, name, extension)
    if part is None:
        raise ConfigError(
            f"study {study.name}: {name} is no measure; {nearest(name, parts.functions(GROUP, extension))}"
        )
    place = f"study {study.name}: measures.{name}"
    for key in settings:
        if key not in part.settings:
            raise ConfigError(f"{place}.{key} is not a setting of {name}; {nearest(key, part.settings, 'it has')}")
    for key, setting in part.settings.items():
        if key not in settings:
            raise ConfigError(f"{place}.{key} is missing: give {setting.describe()}")
        try:
            settings[key] = types.checked(setting.type_name, settings[key], optional=setting.optional)
        except ValueError:
            raise ConfigError(f"{place}.{key}={as_typed(settings[key])} must be {setting.describe()}") from None
    return Measure(part, settings)
