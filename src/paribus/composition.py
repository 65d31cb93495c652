"""Composing: Hydra turns YAML files and overrides into one config, and what it says of mistakes becomes one line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from paribus import parts
from paribus.errors import ConfigError, nearest

GROUPS = (*parts.GROUPS, "experiment")
ROOTS = {"train": GROUPS, "sweep": tuple(parts.SWEEP_GROUPS)}  # files of configs/ that are composed, and their groups
# Groups of which a saved run can be given another choice, since it has learned nothing by them; what a run from before
# there was the group has.
RECHOSEN = {"decoding": "greedy"}
# Settings that runs of earlier versions do not have, as they were then.
ADDED = {"figures": True, "trainer.devices": 1}


@dataclass(frozen=True)
class Composed:
    """A config as composed, interpolations unresolved, not yet checked."""

    tree: DictConfig
    choices: Mapping[str, str]  # group -> option; empty for a saved config
    typed: Mapping[str, str]  # key -> the last override of it, as the user wrote it
    overrides: tuple[str, ...]  # all of them, in the order in which they were written
    extension: Path | None


def compose(overrides: Sequence[str], extension: Path | None = None, root: str = "train") -> Composed:
    """Compose configs/<root>.yaml with the overrides. Raises ConfigError, one line, for whatever Hydra refuses."""
    parsed = [_single(text) for text in overrides]
    cleaned = [_cleaned(override, extension, ROOTS[root]) for override in parsed]
    typed = {override.key_or_group: text for override, text in zip(parsed, overrides, strict=True)}
    if extension is not None:
        cleaned.append(f"hydra.searchpath=['file://{_quoted(extension / 'configs')}']")
    try:
        with initialize_config_dir(str(parts.configs_folder()), version_base="1.3"):
            tree = hydra_compose(root, cleaned, return_hydra_config=True)
        choices = OmegaConf.to_container(tree.hydra.runtime.choices)
        del tree._content["hydra"]  # type: ignore[union-attr]
    except MissingConfigException as error:
        raise _unknown_option(error, extension) from None
    except (HydraException, OmegaConfBaseException, YAMLError, OSError, ValueError, TypeError) as error:
        raise ConfigError(_one_line(error)) from None
    assert isinstance(choices, dict)
    OmegaConf.set_struct(tree, False)
    return Composed(
        tree, {str(group): str(option) for group, option in choices.items()}, typed, tuple(overrides), extension
    )


def recompose(saved: Path, overrides: Sequence[str], extension: Path | None = None) -> Composed:
    """A saved config with overrides on top. Settings may change, parts but RECHOSEN may not. Raises ConfigError."""
    try:
        tree = OmegaConf.load(saved)
    except (OSError, YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise ConfigError(f"{saved} cannot be read: {_one_line(error)}") from None
    if not isinstance(tree, DictConfig) or not tree:
        raise ConfigError(f"{saved} is not the config of a run: it is empty or has no keys")
    for group, option in RECHOSEN.items():
        if group not in tree:
            OmegaConf.update(tree, group, OmegaConf.load(parts.options(group, extension)[option]))
    for setting, before in ADDED.items():
        if OmegaConf.select(tree, setting) is None:
            OmegaConf.update(tree, setting, before, force_add=True)
    typed = {}
    parsed = {text: _single(text) for text in overrides}
    for text, override in sorted(parsed.items(), key=lambda each: each[1].key_or_group not in GROUPS):  # groups first
        key: str = override.key_or_group
        value: Any = override.value()
        typed[key] = text
        if key in (*GROUPS, "name") and key not in RECHOSEN:
            raise ConfigError(f"{text}: a saved run keeps its parts and name; start a new run for another {key}")
        _cleaned(override, extension, GROUPS)
        if key in RECHOSEN:
            value = OmegaConf.load(parts.options(key, extension)[str(value)])
        OmegaConf.update(tree, key, value, merge=key not in RECHOSEN, force_add=True)
    return Composed(tree, {}, typed, tuple(overrides), extension)


def parse(text: str) -> Override:
    """An override by Hydra's grammar, which may give several values. Raises ConfigError for what is none."""
    if text.startswith("-"):
        raise ConfigError(f"{text} is not a flag of this command; overrides look like optimizer.lr=0.01")
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        override = _parse_as_text(text, error)
    if not override.key_or_group:
        raise ConfigError(f"{text} is not an override: it has no key before the =")
    return override


def _single(text: str) -> Override:
    override = parse(text)
    if override.is_sweep_override():
        key, _, value = text.partition("=")
        if key in parts.SEVERAL:
            raise ConfigError(f"{text}: several are chosen as a list; use {key}=[{value}]")
        raise ConfigError(
            f"{text} gives several values where one is wanted; several are for a sweep, and a text with a comma needs "
            f"two pairs of quotes: '{key}=\"{value}\"'"
        )
    return override


def _parse_as_text(text: str, error: HydraException) -> Override:
    """What Hydra's grammar has no place for, such as data.path=a(1).csv, is taken as it stands."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(
            f"{text or repr(text)} is not an override; overrides look like model=mlp or optimizer.lr=0.01"
        )
    quoted = value.replace("\\", "\\\\").replace('"', '\\"') if '"' in value else value
    try:
        return OverridesParser.create().parse_override(f'{key}="{quoted}"')
    except HydraException:
        raise ConfigError(f"{text} cannot be read: {_one_line(error)}") from None


def check_key(override: Override, extension: Path | None, groups: Sequence[str] = GROUPS) -> None:
    """Raise ConfigError where the key of an override is none that can be set."""
    key, text = override.key_or_group, override.input_line or ""
    head, _, tail = key.partition(".")
    if override.package is not None:
        raise ConfigError(f"{text}: packages (@) cannot be overridden; write {key}={override.get_value_string()}")
    if override.is_delete():
        is_switch = key in groups and "none" in parts.options(key, extension)
        instead = f"switch it off with {key}=none" if is_switch else f"give it another value with {key}=..."
        raise ConfigError(f"{text}: nothing can be removed; {instead}")
    if head == "hydra" or key.startswith("hydra/"):
        raise ConfigError(
            f"{text}: Hydra's own settings have no effect; runs are kept in outputs/runs/<name>, set name"
        )
    if head in ROOTS["sweep"] and head not in groups:
        raise ConfigError(f"{text}: a {head} is for sweeps; use paribus sweep, or leave it out")
    if head in groups and tail.rpartition(".")[2] == "name" and tail.count(".") <= (head in parts.SEVERAL):
        raise ConfigError(f"{text}: a part is chosen by its group; use {head}={override.get_value_string()}")


def _cleaned(override: Override, extension: Path | None, groups: Sequence[str]) -> str:
    """The override as Hydra is to see it: settings are forced in, so that our own check words every mistake."""
    check_key(override, extension, groups)
    key = override.key_or_group
    if key in groups:
        return _chosen(key, override.value(), override.input_line or "", extension)
    return f"++{key}={override.get_value_string()}"


def _chosen(group: str, option: object, text: str, extension: Path | None) -> str:
    known = parts.options(group, extension)
    if option is None and group == "experiment":
        return "~experiment"
    if group in parts.SEVERAL and isinstance(option, list):
        return _several_chosen(group, [str(each) for each in option], text, known)
    if isinstance(option, list | dict) or option is None:
        raise ConfigError(f"{text}: {group} takes one name; {nearest(str(option), known)}")
    if str(option) not in known:
        raise ConfigError(f"{group}={option}: there is no such {group}; {nearest(str(option), known)}")
    return f"{group}={option}"


def _several_chosen(group: str, chosen: list[str], text: str, known: Mapping[str, Path]) -> str:
    for place, option in enumerate(chosen):
        if option not in known:
            raise ConfigError(f"{text}: {option} is no {group}; {nearest(option, known)}")
        if option in chosen[:place]:
            raise ConfigError(f"{text}: {option} is named twice; each can be chosen once")
    return f"{group}=[{','.join(chosen)}]"


def _unknown_option(error: MissingConfigException, extension: Path | None) -> ConfigError:
    """For a name that a YAML file gives: the user's own are checked before Hydra sees them."""
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    source = re.match(r"In '([^']+)'", str(error))
    where = f"{source.group(1)}.yaml: " if source else ""
    known = parts.options(group, extension) if group in GROUPS else {}
    ending = nearest(option, known) if known else nearest(group or option, GROUPS, "groups")
    return ConfigError(f"{where}{group}={option}: there is no such {group or 'choice'}; {ending}")


def _one_line(error: Exception) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem_mark.name}: line {error.problem_mark.line + 1}: {error.problem}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    override = re.search(r"Could not override '([^']+)'", text)
    if override:  # a defaults list with a group that does not exist
        group = override.group(1).split("@")[0]
        return f"{text.rstrip('.')}; {nearest(group, GROUPS, 'groups')}"
    return text


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("\\", "\\\\").replace("'", "\\'")


def plain(tree: DictConfig) -> dict[str, Any]:
    """The config as plain values, interpolations resolved. Raises ConfigError for one that cannot be."""
    try:
        resolved = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        reason = _one_line(error).removeprefix("KeyError raised while resolving interpolation: ").strip('"')
        raise ConfigError(f"{key}: {reason}") from None
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}
