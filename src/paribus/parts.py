"""Parts: the functions that YAML files name. The signature is the schema, read without importing anything.

Positional parameters come from the program; keyword-only ones are the settings and come from YAML. A part is a
function that some YAML's `name:` points to, in the group's own file or folder of the package or of an extension.
"""

import ast
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from paribus import types
from paribus.errors import ConfigError

PACKAGE = Path(__file__).parent
EXTENSION = "paribus_extension_"  # opens the names of modules that users' own files become

# Where each group's functions stand: a file, or a folder with one file a part or kind of part.
GROUPS = {
    "data": "data",
    "augmentation": "augmentation",
    "model": "models",
    "fine_tuning": "fine_tuning",
    "activation": "activations",
    "loss": "losses",
    "optimizer": "optimizers",
    "scheduler": "schedulers",
    "initializer": "initializers",
    "regularization": "regularization",
    "averaging": "averaging",
    "decoding": "decoding",
    "early_stopping": "early_stopping",
    "trainer": "trainers",
    "logger": "loggers",
}

# What a sweep does with runs: groups of its own, composed from another root.
SWEEP_GROUPS = {
    "sampler": "sweeps/samplers",
    "pruner": "sweeps/pruners",
    "launcher": "sweeps/launchers",
}
SOURCES = {**GROUPS, **SWEEP_GROUPS, "measure": "studies/measures"}  # measures are named by studies

STUDY = "study"  # the folder of configs/ with studies, which are no choices of a run

# Groups of which several choices are made, in order, each in a section of its own: augmentation=[crop,flip].
SEVERAL = ("augmentation",)


@dataclass(frozen=True)
class Setting:
    """One keyword-only parameter: the name of its type and whether it may be null."""

    type_name: str
    optional: bool

    def describe(self) -> str:
        """What a value must be, in words."""
        return types.describe(self.type_name) + (" or null" if self.optional else "")


# Settings that every part of a group has, whether it uses them or not, so that parts can be swapped under them.
SHARED = {
    "data": {
        "root": Setting("FolderPath", optional=False),
        "batch_size": Setting("PositiveInt", optional=False),
        "num_workers": Setting("NonNegativeInt", optional=False),
        "train_fraction": Setting("Share", optional=False),
        "sampling": Setting("Sampling", optional=False),
    },
    "initializer": {
        "bias": Setting("Number", optional=True),
        "forget_bias": Setting("Number", optional=True),
        "recurrent": Setting("RecurrentWeights", optional=False),
        "embedding_std": Setting("NonNegativeFloat", optional=False),
    },
}


@dataclass(frozen=True)
class Part:
    """A builder as its source declares it."""

    group: str
    name: str
    file: Path
    consumes: Mapping[str, str]  # positional parameter -> its annotation's text
    settings: Mapping[str, Setting]

    @property
    def schema(self) -> dict[str, Setting]:
        """All keys that its section of the config has, but for `name`."""
        return {**SHARED.get(self.group, {}), **self.settings}

    @property
    def reads_pairs(self) -> bool:
        """Of a model: whether it gives a sequence for each sequence, as the annotation of its spec says."""
        return self.consumes.get("spec") == "PairSpec"

    def load(self) -> Callable[..., Any]:
        """Import the function itself. Raises ConfigError if a user's file cannot be imported."""
        function = getattr(_import(self.file), self.name)
        assert callable(function)
        return function  # type: ignore[no-any-return]

    def build(self, provided: Mapping[str, object], settings: Mapping[str, Any]) -> Any:
        """Call the builder with what it asks for of `provided`, by name, and its settings."""
        unknown = set(self.consumes) - set(provided)
        if unknown:
            raise ConfigError(
                f"{self.group} {self.name} asks for {sorted(unknown)[0]}, which Paribus does not provide; a "
                f"part of the group {self.group} may ask for {', '.join(provided) or 'nothing'} ({self.file})"
            )
        own = {name: settings[name] for name in self.settings}
        return self.load()(*(provided[name] for name in self.consumes), **own)


def configs_folder() -> Path:
    """The shipped YAML files: inside an installed package, or beside `src` in a checkout."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parents[1] / "configs"


def config_folders(extension: Path | None) -> list[Path]:
    """All folders that hold YAML files, ours first."""
    return [configs_folder()] + ([extension / "configs"] if extension else [])


def options(group: str, extension: Path | None) -> dict[str, Path]:
    """The choices of a group and their YAML files. Raises ConfigError where an extension repeats a name of ours."""
    found: dict[str, Path] = {}
    for folder in config_folders(extension):
        for file in sorted((folder / group).glob("*.yaml")):
            if file.stem in found:
                raise ConfigError(f"{file} has the name of a shipped {group}; rename it")
            found[file.stem] = file
    return found


@cache
def named(file: Path) -> str:
    """The part that an option's YAML file names, or nothing. Read as text, since all are read at each start."""
    found = re.search(r"^name:[ \t]*['\"]?([^\s'\"#]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else ""


def find(group: str, name: str, extension: Path | None) -> Part | None:
    """The part of that name, if a YAML file of the group names it. Raises ConfigError where two functions bear it."""
    return function(group, name, extension) if name in map(named, options(group, extension).values()) else None


def function(group: str, name: str, extension: Path | None) -> Part | None:
    """The function of that name in the group's code. Raises ConfigError where two bear it."""
    found = [
        part
        for folder in (PACKAGE, extension)
        if folder is not None
        for file in _sources(folder / SOURCES[group])
        if (part := _part(group, name, file)) is not None
    ]
    if len(found) > 1:
        raise ConfigError(f"{group} {name} is defined twice, in {found[0].file} and {found[1].file}; rename one")
    return found[0] if found else None


def functions(group: str, extension: Path | None) -> list[str]:
    """The names of all public functions in the group's code."""
    folders = [folder for folder in (PACKAGE, extension) if folder is not None]
    files = [file for folder in folders for file in _sources(folder / SOURCES[group])]
    return sorted(name for file in files for name in _functions(file) if not name.startswith("_"))


def by_option(group: str, extension: Path | None) -> dict[str, Part]:
    """The part that each choice of a group names. Raises ConfigError where one names none."""
    found = {}
    for option, file in options(group, extension).items():
        name = named(file)
        part = find(group, name, extension)
        if part is None:
            raise ConfigError(f"{file}: name: {name} names no {group} in code")
        found[option] = part
    return found


def _sources(place: Path) -> list[Path]:
    single = place.with_suffix(".py")
    return ([single] if single.is_file() else []) + sorted(place.glob("[!_]*.py"))


def _part(group: str, name: str, file: Path) -> Part | None:
    definition = _functions(file).get(name)
    if definition is None or name.startswith("_"):
        return None
    consumes = {
        argument.arg: ast.unparse(argument.annotation) if argument.annotation else ""
        for argument in definition.args.posonlyargs + definition.args.args
    }
    settings = {argument.arg: _setting(argument, definition, file) for argument in definition.args.kwonlyargs}
    return Part(group, name, file, consumes, settings)


@cache
def _functions(file: Path) -> dict[str, ast.FunctionDef]:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    except SyntaxError as error:
        raise ConfigError(f"{file}: line {error.lineno}: {error.msg}") from None
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _setting(argument: ast.arg, definition: ast.FunctionDef, file: Path) -> Setting:
    annotation, optional = argument.annotation, False
    if (
        isinstance(annotation, ast.BinOp)
        and isinstance(annotation.op, ast.BitOr)
        and isinstance(annotation.right, ast.Constant)
        and annotation.right.value is None
    ):
        annotation, optional = annotation.left, True
    if not isinstance(annotation, ast.Name) or not types.known(annotation.id):
        raise ConfigError(
            f"{file}: line {argument.lineno}: setting {argument.arg} of {definition.name} needs a type of "
            f"paribus.types, such as PositiveFloat"
        )
    return Setting(annotation.id, optional)


def _import(file: Path) -> ModuleType:
    if file.is_relative_to(PACKAGE):
        return importlib.import_module(".".join(("paribus", *file.relative_to(PACKAGE).with_suffix("").parts)))
    name = f"{EXTENSION}{file.parent.name}_{file.stem}"
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, file)
        assert specification is not None and specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        try:
            specification.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise ConfigError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return sys.modules[name]


def first_comment(file: Path) -> str:
    """The line that opens a YAML file: what the choice is and when to take it."""
    with file.open(encoding="utf-8") as lines:
        comments = [line[1:].strip() for line in lines if line.startswith("#") and "@package" not in line]
    return comments[0] if comments else ""


def accepts(part: Part, parameter: str, value: object) -> bool:
    """Whether `value` is of the class that the builder's parameter is annotated with."""
    parameters = inspect.signature(part.load(), eval_str=True).parameters
    if parameter not in parameters or not isinstance(parameters[parameter].annotation, type):
        raise ConfigError(f"{part.file}: {part.name} needs a parameter {parameter} with a class for its annotation")
    return isinstance(value, parameters[parameter].annotation)
