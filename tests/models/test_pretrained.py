import pickle
import urllib.error
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from paribus import initializers
from paribus.data.spec import DataSpec
from paribus.errors import ConfigError
from paribus.models.cnn import cnn
from paribus.models.mobilenet import mobilenet_v3_small
from paribus.models.resnet import resnet18
from paribus.torchvision_ops import torchvision
from paribus.types import ConvolutionBlock

BLOCK = {"channels": 4, "kernel": 3, "stride": 1, "padding": 1, "padding_mode": "zeros", "pooling": "max"}


def _cnn(weights: Path | str = "none", outputs: int = 3, channels: int = 1, size: int = 8, units: int = 6) -> nn.Module:
    spec, blocks = DataSpec((channels, size, size)), [ConvolutionBlock.model_validate(BLOCK)]
    settings = {"blocks": blocks, "hidden_sizes": [units], "weights": str(weights)}
    return cnn(spec, outputs, nn.ReLU, "batch", 0.0, 0.0, **settings)


def _saved(path: Path, state: Any) -> Path:
    torch.save(state, path)
    return path


def _weights(seed: int = 0, **settings: Any) -> dict[str, Tensor]:
    """Of a model that has learned something: no two values alike, the statistics' included."""
    draws = torch.Generator().manual_seed(seed)
    state = _cnn(**settings).state_dict()
    return {
        name: torch.rand(weight.shape, generator=draws) if weight.is_floating_point() else weight + 17
        for name, weight in state.items()
    }


def _initialized(model: nn.Module) -> dict[str, Tensor]:
    rest = {"bias": 0.25, "forget_bias": 1.0, "recurrent": "orthogonal", "embedding_std": 1.0}
    initializers.initialize(model, lambda weight: initializers.constant(weight, value=0.5), 0, **rest)
    return model.state_dict()


def _forms(state: dict[str, Tensor]) -> dict[str, Any]:
    """The files in which weights come."""
    compiled = {f"_orig_mod.{name}": weight for name, weight in state.items()}
    return {
        "state_dict": OrderedDict(state),
        "of a compiled model": compiled,
        "checkpoint": {"state_dict": {f"model.{n}": w for n, w in state.items()} | {"loss.weights": torch.ones(3)}},
        "checkpoint of a compiled model": {"state_dict": {f"model.{n}": w for n, w in compiled.items()}, "epoch": 3},
        "without counters": {name: weight for name, weight in state.items() if "num_batches" not in name},
    }


@pytest.mark.parametrize("form", _forms({}))
def test_all_but_the_head_is_that_of_the_file_also_after_initializing(tmp_path: Path, form: str) -> None:
    state = _weights(outputs=7)
    found = _initialized(_cnn(_saved(tmp_path / "weights", _forms(state)[form])))
    for name, weight in found.items():
        if name.startswith("output."):
            assert (weight == (0.5 if name == "output.weight" else 0.25)).all()
        elif form == "without counters" and "num_batches" in name:
            assert weight == 0
        else:
            assert torch.equal(weight, state[name]), name


def test_a_head_of_the_same_shape_is_new_as_well(tmp_path: Path) -> None:
    found = _initialized(_cnn(_saved(tmp_path / "weights", _weights())))
    assert (found["output.weight"] == 0.5).all()


def test_none_leaves_all_to_the_initializer() -> None:
    found = _initialized(_cnn())
    assert all((found[name] == 0.5).all() for name in ("block1.convolution.weight", "dense1.weight", "output.weight"))


def test_weights_of_64_bits_are_taken(tmp_path: Path) -> None:
    state = {name: weight.double() for name, weight in _weights().items()}
    found = _cnn(_saved(tmp_path / "weights", state)).state_dict()
    assert torch.equal(found["dense1.weight"], state["dense1.weight"].float())


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3)])
def test_a_grey_image_is_three_equal_channels(tmp_path: Path, before: int, after: int) -> None:
    """The first layer's outputs for a grey image are those for the same in colour."""
    path = _saved(tmp_path / "weights", _weights(channels=before))
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    ends = []
    for channels in (before, after):
        stem = _cnn(path, channels=channels).get_submodule("block1.convolution")
        ends.append(stem(images.expand(-1, channels, -1, -1)))
    torch.testing.assert_close(ends[0], ends[1])


def _without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {each: weight for each, weight in state.items() if each != name}


MISFITS = [
    # what is wrong with the weights, and what the error says of the first weight that is
    (lambda state: _without(state, "dense1.weight"), r"dense1.weight is missing there and \(6, 64\) in model cnn"),
    (lambda state: {**state, "extra": torch.ones(2)}, r"extra is \(2,\) there and missing in model cnn"),
    (lambda state: {**state, "dense1.bias": torch.ones(2)}, r"dense1.bias is \(2,\) there and \(6,\) in model cnn"),
    (lambda _: _weights(channels=2), r"block1.convolution.weight is \(4, 2, 3, 3\) there and \(4, 1, 3, 3\) in"),
    (lambda _: _weights(size=10), r"dense1.weight is \(6, 100\) there and \(6, 64\).*images' size"),
    (lambda _: _weights(units=5), r"dense1.weight is \(5, 64\) there and \(6, 64\).*settings"),
    (lambda _: {}, "holds other things than weights"),
    (lambda _: {"state_dict": {"model.dense1.weight": 1}}, "holds other things than weights"),
    (lambda _: {"epoch": 1}, "holds other things than weights"),
    (lambda _: [1, 2], "holds no weights by name"),
    (lambda _: {1: torch.ones(1)}, "holds no weights by name"),
    (lambda _: _cnn(), r"holds more than plain weights.*torch.save\(model.state_dict\(\), PATH\)"),
]


@pytest.mark.parametrize(("change", "message"), MISFITS)
def test_other_weights_are_refused_with_one_line(tmp_path: Path, change: Any, message: str) -> None:
    path = _saved(tmp_path / "weights.pth", change(_weights()))
    with pytest.raises(ConfigError, match=rf"^model\.weights=.*weights\.pth:? .*{message}") as error:
        _cnn(path)
    assert len(str(error.value).splitlines()) == 1


def _cut(path: Path) -> None:
    _saved(path, _weights())
    path.write_bytes(path.read_bytes()[:-900])


def _script(path: Path) -> None:
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


FILES = [
    (lambda path: None, "is no file; give the path of one, or none or imagenet"),
    (lambda path: path.mkdir(), "is no file"),
    (lambda path: path.write_bytes(b""), "cannot be loaded: it is damaged or no file of weights"),
    (lambda path: path.write_text("weights, said the file\n" * 20), "cannot be loaded"),
    (_cut, "cannot be loaded"),
    (_script, "cannot be loaded"),
    (lambda path: path.write_bytes(pickle.dumps({"a": print}, protocol=2)), "holds more than plain weights"),
]


@pytest.mark.parametrize(("write", "message"), FILES)
def test_files_that_cannot_be_read_are_refused_with_one_line(tmp_path: Path, write: Any, message: str) -> None:
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(ConfigError, match=rf"^model\.weights={path} {message}") as error:
        _cnn(path)
    assert len(str(error.value).splitlines()) == 1


def test_loading_runs_no_code(tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "planted",)

    with pytest.raises(ConfigError, match="holds more than plain weights"):
        _cnn(_saved(tmp_path / "weights.pth", {"dense1.weight": Planted()}))
    assert not (tmp_path / "planted").exists()


def test_a_model_that_is_all_head_has_nothing_to_load(tmp_path: Path) -> None:
    path = _saved(tmp_path / "weights.pth", {"output.weight": torch.ones(3, 64)})
    with pytest.raises(ConfigError, match="model cnn is an output layer alone"):
        cnn(DataSpec((1, 8, 8)), 3, nn.ReLU, "none", 0.0, 0.0, blocks=[], hidden_sizes=[], weights=str(path))


# torchvision's.


def _mobilenet(weights: str, channels: int = 3) -> nn.Module:
    return mobilenet_v3_small(DataSpec((channels, 32, 32)), 5, 0.0, stem_stride=1, weights=weights)


def _torchvision_weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    state: dict[str, Tensor] = torchvision.models.mobilenet_v3_small().state_dict()
    return state


def test_imagenet_weights_are_those_that_torchvision_has_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    state = _torchvision_weights()
    torch.save(state, folder / torchvision.models.MobileNet_V3_Small_Weights.DEFAULT.url.rpartition("/")[2])
    found = _mobilenet("imagenet", channels=1).state_dict()
    stem = "features.0.0.weight"
    torch.testing.assert_close(found.pop(stem), state.pop(stem).sum(1, keepdim=True))
    backbone = [name for name in found if not name.startswith("classifier.3.")]
    assert len(backbone) == len(found) - 2 and all(torch.equal(found[name], state[name]) for name in backbone)


def test_a_failed_download_says_to_give_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ConfigError, match=r"^model\.weights=imagenet: https:.*no route.*as model\.weights=PATH$"):
        _mobilenet("imagenet")


def test_nobody_publishes_weights_of_a_cnn() -> None:
    with pytest.raises(ConfigError, match=r"model\.weights=imagenet: nobody publishes any for model cnn"):
        _cnn("imagenet")


def test_another_stem_than_the_published_is_refused(tmp_path: Path) -> None:
    spec, settings = DataSpec((3, 32, 32)), {"stem_stride": 2, "weights": "none"}
    path = _saved(tmp_path / "weights.pth", resnet18(spec, 5, **settings).state_dict())
    with pytest.raises(
        ConfigError, match=r"conv1.weight is \(64, 3, 7, 7\) there and \(64, 3, 3, 3\) in model resnet18"
    ):
        resnet18(spec, 5, stem_stride=1, weights=str(path))
