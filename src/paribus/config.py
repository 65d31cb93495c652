"""Checking: a composed config becomes a frozen Config whose every key, type and range is known to be right."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from paribus import parts, types
from paribus.composition import Composed, plain
from paribus.errors import ConfigError, nearest
from paribus.parts import GROUPS, Part, Setting

TOP = {
    "name": Setting("RunName", optional=True),
    "seed": Setting("NonNegativeInt", optional=False),
    "cross_validation": Setting("FoldCount", optional=True),
    "fold": Setting("PositiveInt", optional=True),
    "figures": Setting("Flag", optional=False),
}

# What a config hands to the builder of another group if that asks for it: key -> (group, parameter).
HANDED = {
    "activation": ("model", "activation"),
    "regularization.normalization": ("model", "normalization"),
    "regularization.dropout": ("model", "dropout"),
    "regularization.spatial_dropout": ("model", "spatial_dropout"),
    "regularization.decay_all": ("optimizer", "decay_all"),
    "regularization.label_smoothing": ("loss", "label_smoothing"),
}
OFF = (0, "none")  # values that ask for nothing

# Where data lies, and who fetches it: not what it is, which the data itself is asked for.
PLACES = (
    *("data.root", "data.path", "data.folder", "data.train", "data.validation", "data.test", "data.cache"),
    "data.num_workers",
)

# What may be changed for a run that exists: keys, or groups with all their settings. A resumed run would otherwise
# be trained on former test rows, or compare its figures with those of another question.
RESUMABLE = (
    "optimizer",
    "scheduler",
    "early_stopping",
    "decoding",
    "logger",
    "figures",
    *PLACES,
    "regularization.l1",
    "regularization.l2",
    "regularization.dropout",
    "regularization.spatial_dropout",
    "regularization.max_norm",
    "regularization.gradient_clip",
    "regularization.gradient_clip_value",
    "regularization.input_noise",
    "regularization.gradient_noise",
    "trainer.max_epochs",
    "trainer.accelerator",
    "trainer.precision",
    "trainer.channels_last",
    "trainer.compile_model",
    "trainer.log_every_n_steps",
    "trainer.steps_per_execution",
)
# Of several runs whose figures are put together, such as folds: nothing that would make them differ.
RESUMABLE_TOGETHER = (*PLACES, "logger", "trainer.accelerator")
KEPT = ("scheduler.interval",)  # all the same: the time that has passed is counted in it
EVALUABLE = (
    *PLACES,
    "decoding",
    "data.batch_size",
    "trainer.accelerator",
    "trainer.precision",
    "trainer.channels_last",
    "trainer.compile_model",
)
PREDICTABLE = ("decoding", "data.batch_size", "trainer.accelerator")


@dataclass(frozen=True)
class Choice:
    """The part that a group's section names, with its checked settings."""

    part: Part
    settings: Mapping[str, Any]

    def build(self, **provided: object) -> Any:
        """Call the part's builder with what the program provides."""
        return self.part.build(provided, self.settings)


@dataclass(frozen=True)
class Config:
    """Everything that decides a run."""

    name: str
    seed: int
    cross_validation: int | None
    fold: int | None  # which one of cross_validation, from 1; None: all, one after the other
    draws_figures: bool
    choices: Mapping[str, Choice]
    several: Mapping[str, Sequence[Choice]]  # of the groups in parts.SEVERAL, in order
    text: str  # the whole config as YAML: interpolations unresolved, paths absolute
    overrides: tuple[str, ...]
    extension: Path | None
    notes: tuple[str, ...]  # settings that have no effect on the parts chosen

    def __getitem__(self, group: str) -> Choice:
        return self.choices[group]

    @property
    def is_several(self) -> bool:
        """Whether it is run once for each fold."""
        return self.cross_validation is not None and self.fold is None

    def without_pretraining(self) -> "Config":
        """The same without loading pretrained weights: a checkpoint holds all weights."""
        model = self.choices["model"]
        if "weights" not in model.settings:
            return self
        bare = replace(model, settings={**model.settings, "weights": "none"})
        return replace(self, choices={**self.choices, "model": bare})

    def of_fold(self, number: int) -> "Config":
        """The config of one fold of a cross-validation, from 1."""
        tree = OmegaConf.create(self.text)
        tree.fold = number
        return replace(self, fold=number, text=OmegaConf.to_yaml(tree))

    def flat(self) -> dict[str, Any]:
        """Every setting by its dotted key, interpolations unresolved, as loggers want it."""
        return dict(_flattened("", OmegaConf.to_container(OmegaConf.create(self.text))))


def check(composed: Composed) -> Config:
    """Check every key and value. Raises ConfigError for the first that is wrong."""
    values = plain(composed.tree)
    check_keys(values, (*GROUPS, *TOP), composed)
    top = {key: checked(key, values.get(key, "???"), setting, composed) for key, setting in TOP.items()}
    single = [group for group in GROUPS if group not in parts.SEVERAL]
    choices = {group: choice(group, group, values.get(group), composed) for group in single}
    several = {group: _several(group, values.get(group, {}), composed) for group in parts.SEVERAL}
    if top["cross_validation"] is not None and "data.test_fraction" in composed.typed:
        raise ConfigError(
            f"{composed.typed['data.test_fraction']}: cross_validation={top['cross_validation']} tests a fold at a "
            "time; leave one of them out"
        )
    _check_decoding(choices, composed)
    notes = (*_not_taken(choices, composed), *_without_effect(choices))
    name = top["name"] or _default_name(composed)
    text = _yaml(composed, choices, several, {} if top["name"] else {"name": name})
    _check_fold(top["cross_validation"], top["fold"])
    return Config(
        name,
        top["seed"],
        top["cross_validation"],
        top["fold"],
        top["figures"],
        choices,
        several,
        text,
        composed.overrides,
        composed.extension,
        notes,
    )


def check_keys(values: Mapping[str, Any], known: Sequence[str], composed: Composed) -> None:
    """Raise ConfigError for a key at the top that is none of the known."""
    for key in values:
        if key not in known:
            owners = [f"{group}.{key}" for group in known if key in _keys(values.get(group))]
            if owners:
                raise ConfigError(f"{key} is not a group or setting; did you mean {' or '.join(owners)}?")
            raise ConfigError(unknown(key, "a group or setting", tuple(known), composed, "there are"))


def _check_fold(count: int | None, fold: int | None) -> None:
    if fold is not None and count is None:
        raise ConfigError(f"fold={fold} is one of cross-validation; give cross_validation=... too")
    if fold is not None and count is not None and fold > count:
        raise ConfigError(f"fold={fold} must be one of the {count} folds, 1 to {count}")


def check_kept(saved: Config, wanted: Config, changeable: tuple[str, ...]) -> None:
    """Raise ConfigError where `wanted` changes what a run that exists keeps."""
    before, after = saved.flat(), wanted.flat()
    for key in sorted(before.keys() | after.keys()):
        owners = () if key in KEPT else (key, key.partition(".")[0])
        if before.get(key) != after.get(key) and not any(owner in changeable for owner in owners):
            raise ConfigError(
                f"{key}={as_typed(after.get(key))}: a run keeps its {key}, here {as_typed(before.get(key))}; "
                "start a new run to change it"
            )


def _keys(section: object) -> Iterable[str]:
    return section if isinstance(section, dict) else ()


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(f"{prefix}.{key}" if prefix else str(key), inner)
    else:
        yield prefix, value if isinstance(value, bool | int | float | str) else str(value)


def _several(group: str, section: Any, composed: Composed) -> tuple[Choice, ...]:
    """The choices of a group that may have several, in the order in which they were made."""
    known = parts.options(group, composed.extension)
    if isinstance(section, dict) and isinstance(section.get("name"), str):
        file = next((file for name, file in known.items() if parts.named(file) == section["name"]), group)
        raise ConfigError(f"{file} must open with the line `# @package {group}.{section['name']}`")
    if not isinstance(section, dict):
        raise ConfigError(
            f"{group} is {section!r}; it must be a list of choices, such as {group}=[{next(iter(known))}]"
        )
    for option, inner in section.items():
        if option not in known:
            raise ConfigError(unknown(f"{group}.{option}", f"a choice of {group}", tuple(known), composed, "there are"))
        if not isinstance(inner, dict) or "name" not in inner:
            chosen = ",".join([name for name in section if name not in (option, "none")] + [option])
            raise ConfigError(f"{group}.{option} is not chosen; choose it with {group}=[{chosen}]")
    return tuple(choice(group, f"{group}.{option}", inner, composed) for option, inner in section.items())


def choice(group: str, key: str, section: Any, composed: Composed) -> Choice:
    """The part that the section below `key` names, its settings checked. Raises ConfigError."""
    if not isinstance(section, dict) or "name" not in section:
        option = composed.choices.get(group)
        file = parts.options(group, composed.extension).get(option) if option else None
        if file is not None and isinstance(section, dict):
            raise ConfigError(f"{file} names no part: give the name of its function in a line name: ...")
        raise ConfigError(
            f"{group} is {section!r}; it must be the name of a choice, such as {_any_option(group, composed)}"
        )
    part = parts.find(group, str(section["name"]), composed.extension)
    if part is None:
        origin = _origin(f"{key}.name", composed)
        place, own = parts.SOURCES[group], composed.extension
        hint = (
            f"{own} needs a function `def {section['name']}(...)` in {place}.py or {place}/*.py"
            if own
            else "if it is a part of your own, give its folder with --extend"
        )
        raise ConfigError(f"{key}.name={section['name']}{origin} names no {group} in code; {hint}")
    settings = {name: value for name, value in section.items() if name != "name"}
    for name in settings:
        if name not in part.schema:
            raise ConfigError(unknown(f"{key}.{name}", f"a setting of {part.name}", part.schema, composed))
    right = {
        name: checked(f"{key}.{name}", settings.get(name, "???"), setting, composed)
        for name, setting in part.schema.items()
    }
    return Choice(part, right)


def checked(key: str, value: Any, setting: Setting, composed: Composed) -> Any:
    """The value of a setting. Raises ConfigError where it is missing or not what it must be."""
    if value == "???":
        raise ConfigError(f"{key} is missing: give {setting.describe()}, as {key}=...")
    try:
        return types.checked(setting.type_name, value, optional=setting.optional)
    except ValueError as error:
        place, _, must = str(error).partition("|")
        found = f"{key}{place}={as_typed(_inner(value, place))}{_origin(key, composed)}"
        is_element = place.startswith("[") and place.endswith("]")
        raise ConfigError(f"{found}: {key} must be {must}" if is_element else f"{found} must be {must}") from None


def _inner(value: Any, place: str) -> Any:
    """The element of a list that `place`, such as [1], points to; the whole value where it points elsewhere."""
    index = place.strip("[]")
    return value[int(index)] if isinstance(value, list) and index.isdigit() else value


def as_typed(value: Any) -> str:
    """As it would be typed."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else "null" if value is None else str(value)


def unknown(
    key: str, what: str, known: Mapping[str, Any] | tuple[str, ...], composed: Composed, label: str = "it has"
) -> str:
    """What a ConfigError says of a key that is none of the known, or not `what`."""
    word = key.rpartition(".")[2]
    label = label if known else "it has no settings"
    ending = nearest(word, known, label) if known else label
    return f"{key}{_origin(key, composed)} is not {what}; {ending}"


def _origin(key: str, composed: Composed) -> str:
    """The YAML file that a value comes from, where the user did not type it."""
    if any(key == typed or key.startswith(f"{typed}.") for typed in composed.typed):
        return ""
    group, _, setting = key.partition(".")
    choices = dict(composed.choices)
    if group in parts.SEVERAL:  # its choices are named in the key
        choices[group], _, setting = setting.partition(".")
    for owner, inner in (("experiment", key), (group, setting)):
        option = choices.get(owner)
        file = parts.options(owner, composed.extension).get(option) if option else None
        if file and inner and OmegaConf.select(OmegaConf.load(file), inner, default=file) is not file:
            return f" (in {owner}/{file.name})"
    return ""


def _not_taken(choices: Mapping[str, Choice], composed: Composed) -> Iterator[str]:
    """What an experiment sets and the chosen part does not take. Raises ConfigError for what the user typed."""
    for key, (group, parameter) in HANDED.items():
        part, (section, _, setting) = choices[group].part, key.partition(".")
        value = choices[section].settings[setting] if setting else choices[section].part.name
        if parameter in part.consumes or value in OFF:
            continue
        typed = [text for each, text in composed.typed.items() if each == key or each.startswith(f"{key}.")]
        if typed:
            raise ConfigError(
                f"{typed[0]}: {group} {part.name} takes no {parameter}; choose another {group}, or leave it out"
            )
        if setting:
            yield f"{key}={value} has no effect: {group} {part.name} takes no {parameter}"


def _check_decoding(choices: Mapping[str, Choice], composed: Composed) -> None:
    """Raise ConfigError where a way of decoding was asked for, and the model writes no sequences."""
    typed = [text for key, text in composed.typed.items() if key.partition(".")[0] == "decoding"]
    if typed and not choices["model"].part.reads_pairs:
        raise ConfigError(
            f"{typed[0]}: model {choices['model'].part.name} writes no sequences, which is what is decoded; "
            "use model=seq2seq, or leave it out"
        )


def _without_effect(choices: Mapping[str, Choice]) -> Iterator[str]:
    workers = choices["data"].settings["num_workers"]
    if workers and "num_workers" not in choices["data"].part.consumes:
        yield f"data.num_workers={workers} has no effect: this data is kept in memory, which needs no workers"
    tuning, weights = choices["fine_tuning"].part.name, choices["model"].settings.get("weights", "none")
    if tuning != "none" and weights == "none":
        yield "fine_tuning is on and model.weights=none: what it freezes or slows down are initial weights"
    frozen, epochs = choices["fine_tuning"].settings.get("freeze_epochs"), choices["trainer"].settings["max_epochs"]
    if frozen and frozen >= epochs:
        yield f"fine_tuning.freeze_epochs={frozen}: nothing is unfrozen in the {epochs} epochs of trainer.max_epochs"


def _default_name(composed: Composed) -> str:
    """The data and the model chosen: digits_cnn, iris_mlp. An option named data set first says both."""
    data, model = composed.choices["data"], composed.choices["model"]
    return model if model.startswith(f"{data}_") else f"{data}_{model}"


def _yaml(
    composed: Composed,
    choices: Mapping[str, Choice],
    several: Mapping[str, Sequence[Choice]],
    filled: Mapping[str, str],
) -> str:
    """What is saved: as composed, but for what is filled in and for paths, which are made absolute."""
    tree = composed.tree.copy()
    tree.update({**{group: {} for group, chosen in several.items() if not chosen}, **filled})
    for group, choice in choices.items():
        for key, setting in choice.part.schema.items():
            if setting.type_name in types.PATHS and not _is_below_another(tree, f"{group}.{key}"):
                OmegaConf.update(tree, f"{group}.{key}", choice.settings[key])
    return OmegaConf.to_yaml(tree)


def _is_below_another(tree: DictConfig, key: str) -> bool:
    """Whether a path is given by one that is saved too, as ${data.root}/photos is: it is to follow that."""
    group, _, setting = key.partition(".")
    text = str(OmegaConf.to_container(tree[group]).get(setting))  # type: ignore[union-attr]
    return "${" in text and "${oc." not in text


def _any_option(group: str, composed: Composed) -> str:
    return f"{group}={next(iter(parts.options(group, composed.extension)), '...')}"
