import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from paribus import composition, config, parts, types
from paribus.errors import ConfigError
from paribus.parts import GROUPS, SHARED, SOURCES, SWEEP_GROUPS, Part

OPTIONS = [(group, option) for group in SOURCES for option in parts.options(group, None)]
MISSING = "???"


def _yaml(group: str, option: str) -> dict[str, object]:
    values = OmegaConf.to_container(OmegaConf.load(parts.options(group, None)[option]))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _part(group: str, option: str) -> Part:
    part = parts.find(group, str(_yaml(group, option)["name"]), None)
    assert part is not None
    return part


def test_every_folder_of_configs_is_a_group() -> None:
    folders = {folder.name for folder in parts.configs_folder().iterdir() if folder.is_dir()}
    assert folders == {*GROUPS, *SWEEP_GROUPS, "experiment", parts.STUDY}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_shipped_choice_fits_the_function_that_it_names(group: str, option: str) -> None:
    values, part = _yaml(group, option), _part(group, option)
    assert set(values) == {"name", *part.schema}
    for key, setting in part.schema.items():
        if values[key] != MISSING:
            types.checked(setting.type_name, values[key], optional=setting.optional)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_what_is_read_from_the_source_is_the_real_signature(group: str, option: str) -> None:
    part = _part(group, option)
    function = part.load()
    parameters = inspect.signature(function).parameters.values()
    settings = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert set(part.settings) == settings
    assert set(part.consumes) == {each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD}
    assert len(part.consumes) + len(settings) == len(parameters)  # no *args, no **kwargs
    assert not settings & set(SHARED.get(group, {}))
    assert all(each.default is each.empty for each in parameters)  # the YAML file alone holds defaults
    assert inspect.getdoc(function)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_shipped_choice_opens_with_what_it_is(group: str, option: str) -> None:
    file = parts.options(group, None)[option]
    package = f"# @package {group}.{option}\n" if group in parts.SEVERAL else ""
    assert file.read_text(encoding="utf-8").startswith(f"{package}# {parts.first_comment(file)}\n")


def test_a_part_gets_what_it_consumes_by_name_and_its_own_settings() -> None:
    part = parts.find("optimizer", "sgd", None)
    assert part is not None
    assert list(part.consumes) == ["parameters", "decay_all"]
    assert part.settings["lr"].describe() == "a number above 0"
    limit = _part("regularization", "default").settings["gradient_clip"]
    assert (limit.type_name, limit.optional, limit.describe()) == ("PositiveFloat", True, "a number above 0 or null")


@pytest.mark.parametrize("name", ["no_such_part", "_he_deviation", "Weighted", "nn"])
def test_what_is_no_public_function_is_no_part(name: str) -> None:
    assert parts.find("initializer", name, None) is None


def test_a_part_that_asks_for_what_there_is_not_is_told_what_there_is() -> None:
    with pytest.raises(
        ConfigError, match=r"^loss mse asks for spec, .* not provide; a part of .* loss may ask for batch"
    ):
        _part("loss", "mse").build({"batch": None}, {})


# Extensions: a folder of the user's own, in the shape of the package.

SWISH = """
import torch

from paribus.types import PositiveFloat


class Swish(torch.nn.Module):
    def __init__(self, beta):
        super().__init__()
        self.beta = beta

    def forward(self, inputs):
        return inputs * torch.sigmoid(self.beta * inputs)


def silu(*, beta: PositiveFloat):
    return Swish(beta)
"""


def _extension(folder: Path, source: str, *, name: str = "silu", yaml: str = "name: silu\nbeta: 1.0\n") -> Path:
    (folder / "configs" / "activation").mkdir(parents=True)
    (folder / "configs" / "activation" / f"{name}.yaml").write_text(f"# Mine.\n{yaml}")
    (folder / "activations.py").write_text(source)
    return folder


def _check(extension: Path, *overrides: str) -> config.Config:
    return config.check(composition.compose(overrides, extension))


def test_an_extension_is_chosen_checked_and_built(tmp_path: Path) -> None:
    import torch

    extension = _extension(tmp_path / "mine", SWISH)
    checked = _check(extension, "activation=silu", "activation.beta=2.0")
    module = checked["activation"].build()
    assert module(torch.tensor(1.0)).item() == pytest.approx(1 / (1 + 2.718281828**-2))
    assert _check(extension)["activation"].part.name == "relu"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("activation.beta=0", "activation.beta=0 must be a number above 0"),
        ("activation.gamma=1", "activation.gamma is not a setting of silu"),
    ],
)
def test_settings_of_an_extension_are_checked(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        _check(_extension(tmp_path, SWISH), "activation=silu", override)
    assert str(error.value).startswith(message)


BROKEN = [
    # source, the YAML's name and text, what the error says
    ("def silu(:\n", "silu", "name: silu\n", "activations.py: line 1: "),
    (
        SWISH.replace("PositiveFloat)", "float)"),
        "silu",
        "name: silu\nbeta: 1\n",
        "setting beta of silu needs a type",
    ),
    (
        SWISH.replace(": PositiveFloat)", ")"),
        "silu",
        "name: silu\nbeta: 1\n",
        "setting beta of silu needs a type",
    ),
    (
        SWISH.replace("PositiveFloat)", "list[PositiveFloat])"),
        "silu",
        "name: silu\nbeta: 1\n",
        "setting beta of silu needs a type",
    ),
    ("def relu():\n    pass\n", "mine", "name: relu\n", "activation relu is defined twice"),
    (SWISH, "mine", "name: swich\nbeta: 1\n", "needs a function `def swich(...)`"),
    (SWISH, "mine", "name: silu\n", "activation.beta is missing: give a number above 0"),
    (SWISH, "mine", "beta: 1\n", "mine.yaml names no part"),
]


@pytest.mark.parametrize(("source", "name", "yaml", "message"), BROKEN)
def test_a_broken_extension_is_a_config_error(source: str, name: str, yaml: str, message: str, tmp_path: Path) -> None:
    extension = _extension(tmp_path, source, name=name, yaml=yaml)
    with pytest.raises(ConfigError) as error:
        _check(extension, f"activation={name}")
    assert message in str(error.value)


def test_a_choice_with_the_name_of_a_shipped_one_is_an_error(tmp_path: Path) -> None:
    extension = _extension(tmp_path, SWISH, name="relu")
    with pytest.raises(ConfigError, match=r"relu\.yaml has the name of a shipped activation; rename it"):
        _check(extension, "activation=tanh")


def test_an_extension_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    extension = _extension(tmp_path / "failing", "import no_such_module\n" + SWISH)
    (extension / "activations.py").rename(extension / "unused.py")
    (extension / "activations").mkdir()
    (extension / "unused.py").rename(extension / "activations" / "failing.py")
    checked = _check(extension, "activation=silu")
    with pytest.raises(ConfigError, match=r"failing\.py cannot be imported: ModuleNotFoundError: .*no_such_module"):
        checked["activation"].build()
