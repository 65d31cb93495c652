"""What is asked of a sweep as a whole, checked: the sampler, the pruner, the launcher and what is best."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from paribus import config, parts
from paribus.composition import Composed, compose, plain
from paribus.config import Choice
from paribus.errors import ConfigError
from paribus.metric_names import lower_is_better
from paribus.parts import Setting

SECTION = {
    "name": Setting("RunName", optional=True),
    "metric": Setting("Objectives", optional=True),
    "direction": Setting("Directions", optional=False),
    "batch": Setting("PositiveInt", optional=True),
}
HEADS = (*parts.SWEEP_GROUPS, "sweep", "hydra", "hydra/launcher")


@dataclass(frozen=True)
class Settings:
    """The checked settings of a sweep."""

    name: str | None
    metrics: tuple[str, ...] | None  # None: what trainer.monitor says
    direction: str | list[str]
    batch: int | None
    sampler: Choice
    pruner: Choice
    launcher: list[str]  # overrides of Hydra's own node

    @property
    def is_search(self) -> bool:
        """Whether each trial is made of what came of those before."""
        return self.sampler.part.name != "grid"

    def directions(self, metrics: Sequence[str]) -> list[Literal["min", "max"]]:
        """Of each metric. Raises ConfigError where as many were not given."""
        if self.direction == "auto":
            return ["min" if lower_is_better(name) else "max" for name in metrics]
        given = self.direction if isinstance(self.direction, list) else [self.direction]
        if len(given) != len(metrics):
            raise ConfigError(f"sweep.direction={self.direction}: there are {len(metrics)} metrics; give one for each")
        return list(given)  # type: ignore[arg-type]

    def state(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        return {
            "batch": self.batch,
            **{
                group: {"name": choice.part.name, "settings": dict(choice.settings)}
                for group, choice in (("sampler", self.sampler), ("pruner", self.pruner))
            },
        }


def divided(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of the sweep and those of its runs."""
    own = [text for text in overrides if _head(text) in HEADS]
    return own, [text for text in overrides if _head(text) not in HEADS]


def _head(text: str) -> str:
    return text.partition("=")[0].partition(".")[0].lstrip("+~")


def check(overrides: Sequence[str], extension: Path | None) -> Settings:
    """Compose configs/sweep.yaml with its overrides and check it. Raises ConfigError for the first mistake."""
    hydras = [text for text in overrides if _head(text).startswith("hydra")]
    if any(not text.startswith(("hydra/launcher=", "hydra.launcher.")) for text in hydras):
        raise ConfigError(f"{hydras[0]}: of Hydra's own settings only the launcher can be chosen")
    composed = compose([text for text in overrides if text not in hydras], extension, root="sweep")
    values = plain(composed.tree)
    config.check_keys(values, (*parts.SWEEP_GROUPS, "sweep"), composed)
    section = _section(values["sweep"], composed)
    chosen = {group: config.choice(group, group, values[group], composed) for group in parts.SWEEP_GROUPS}
    named = section["metric"]
    settings = Settings(
        section["name"],
        None if named is None else tuple(named) if isinstance(named, list) else (named,),
        section["direction"],
        section["batch"],
        chosen["sampler"],
        chosen["pruner"],
        hydras or chosen["launcher"].build(),
    )
    _check_together(settings)
    return settings


def _section(values: Any, composed: Composed) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ConfigError(f"sweep={values!r} is no section; set sweep.name, sweep.metric, sweep.direction, sweep.batch")
    for key in values:
        if key not in SECTION:
            raise ConfigError(config.unknown(f"sweep.{key}", "a setting of a sweep", SECTION, composed, "there are"))
    return {
        key: config.checked(f"sweep.{key}", values.get(key, "???"), setting, composed)
        for key, setting in SECTION.items()
    }


def _check_together(settings: Settings) -> None:
    several = settings.metrics is not None and len(settings.metrics) > 1
    if several and not settings.is_search:
        raise ConfigError("sweep.metric: a grid is ranked by one metric; several are for a search, as with sampler=tpe")
    if settings.pruner.part.name == "none":
        return
    if not settings.is_search:
        raise ConfigError(
            f"pruner={settings.pruner.part.name}: a grid runs all it names; prune with sampler=random or tpe"
        )
    if several:
        raise ConfigError(f"pruner={settings.pruner.part.name} goes by one metric; give one, or use pruner=none")
