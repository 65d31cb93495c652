"""What is asked of a sweep as a whole, checked: the sampler, the pruner, the launcher and what is best."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException, MissingConfigException

from paribus import config, parts
from paribus.composition import Composed, compose, parse, plain
from paribus.config import Choice
from paribus.errors import ConfigError, nearest
from paribus.metric_names import lower_is_better
from paribus.parts import Setting

SECTION = {
    "name": Setting("RunName", optional=True),
    "metric": Setting("Objectives", optional=True),
    "direction": Setting("Directions", optional=False),
    "batch": Setting("PositiveInt", optional=True),
}
HEADS = (*parts.SWEEP_GROUPS, "sweep", "hydra")
HYDRAS = ("hydra/launcher=", "hydra.launcher.")  # what may be set of Hydra's own
CHOICES = ("launcher=", "hydra/launcher=")


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
            raise ConfigError(
                f"sweep.direction={','.join(given)}: give one direction for each metric, here {', '.join(metrics)}"
            )
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
    return re.split("[=./]", text, maxsplit=1)[0].lstrip("+~")


def renewed(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Overrides of a sweep that goes on with others: another launcher comes without the settings of the one before."""
    is_other = any(text.startswith(CHOICES) for text in now)
    keys = {text.partition("=")[0] for text in now}
    kept = [text for text in before if text.partition("=")[0] not in keys]
    return [*(text for text in kept if not is_other or not text.startswith(("launcher", *HYDRAS))), *now]


def check(overrides: Sequence[str], extension: Path | None) -> Settings:
    """Compose configs/sweep.yaml with its overrides and check it. Raises ConfigError for the first mistake."""
    for text in overrides:
        if parse(text).is_sweep_override():
            raise ConfigError(f"{text}: what a sweep is does not vary; give one value")
    hydras = [text for text in overrides if _head(text) == "hydra"]
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
        _launcher(hydras, composed) or chosen["launcher"].build(),
    )
    _check_together(settings)
    return settings


def _launcher(hydras: list[str], composed: Composed) -> list[str]:
    """What was typed of Hydra's own node, if anything. Raises ConfigError where there is no such launcher."""
    for text in hydras:
        if not text.startswith(HYDRAS):
            raise ConfigError(f"{text}: of Hydra's own settings only hydra/launcher can be chosen, or sampler= instead")
        for other in (typed for key, typed in composed.typed.items() if key.partition(".")[0] == "launcher"):
            raise ConfigError(f"{text} and {other}: give one launcher, Hydra's own or that of the sweep")
    if not hydras:
        return []
    try:
        with initialize_config_dir(str(parts.configs_folder()), version_base="1.3"):
            hydra_compose(None, hydras, return_hydra_config=True)
    except MissingConfigException as error:
        ending = nearest((error.missing_cfg_file or "").rpartition("/")[2], error.options or ())
        raise ConfigError(f"{' '.join(hydras)}: Hydra has no such launcher; {ending}") from None
    except HydraException as error:
        raise ConfigError(f"{' '.join(hydras)}: {str(error).splitlines()[0]}") from None
    return hydras


def _section(values: Any, composed: Composed) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ConfigError(f"sweep={values!r} is no section; set sweep.name, sweep.metric, sweep.direction, sweep.batch")
    for key in values:
        if key not in SECTION:
            raise ConfigError(config.unknown(f"sweep.{key}", "a setting of a sweep", SECTION, composed, "there are"))
    metric = values.get("metric")
    for name in metric if isinstance(metric, list) else [metric]:
        if str(name).startswith("test/"):
            raise ConfigError(
                f"sweep.metric={name}: what is chosen by test figures is no longer tested by them; use "
                f"{str(name).replace('test/', 'val/')}"
            )
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
