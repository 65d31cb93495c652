"""Pretrained weights: those of a file, or those for ImageNet that torchvision publishes."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from paribus.errors import ConfigError
from paribus.models.stages import head
from paribus.torchvision_ops import torchvision

COUNTER = "num_batches_tracked"  # of batch normalization: unused here, and not in files older than it


def load_pretrained(model: nn.Module, name: str, weights: str) -> nn.Module:
    """The model, builder `name`'s, with the weights of `weights`: none, imagenet or a file; its head is always new.

    A file is a state_dict or a checkpoint of Paribus. What is loaded is marked is_pretrained, so that initialize()
    leaves it. A first convolution for three channels is summed over them for images of one, as if these were three
    equal ones; one for one channel is given in thirds to three. Raises ConfigError for a file that cannot be read,
    weights that cannot be downloaded, and weights that are not those of the model by name and shape.
    """
    if weights == "none":
        return model
    source = f"model.weights={weights}"
    saved = _published(name) if weights == "imagenet" else _weights(_read(Path(weights)), source)
    head_name = next(each for each, layer in model.named_modules() if layer is head(model))
    wanted, kept = _without(model.state_dict(), head_name), _without(saved, head_name)
    if not wanted:
        raise ConfigError(f"{source}: model {name} is an output layer alone, which is always new; use weights=none")
    kept = {**{each: torch.zeros_like(wanted[each]) for each in wanted if each.endswith(COUNTER)}, **kept}
    _adapt_stem(kept, wanted)
    _check_fit(kept, wanted, source, name)
    model.load_state_dict(kept, strict=False)
    _mark(model)
    return model


def _published(name: str) -> dict[str, Tensor]:
    """torchvision's weights, from its own folder of downloads or with a checksum from the net."""
    if name not in torchvision.models.list_models():
        raise ConfigError(f"model.weights=imagenet: nobody publishes any for model {name}; use none or a file")
    published = torchvision.models.get_model_weights(name).DEFAULT
    try:
        found: dict[str, Tensor] = published.get_state_dict(
            check_hash=True, progress=False, map_location="cpu", weights_only=True
        )
    except Exception as error:  # no network, no space, another checksum, a damaged download, and more
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(
            f"model.weights=imagenet: {published.url} cannot be downloaded and loaded ({reason}); get the file "
            "elsewhere and give its path, as model.weights=PATH"
        ) from None
    return found


def _read(path: Path) -> Any:
    """What a file holds, on the CPU, loaded without running any code."""
    if not path.is_file():
        raise ConfigError(f"model.weights={path} is no file; give the path of one, or none or imagenet")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other pickle protocols: such a file is foreign
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly anything for bytes that are none of its own
        if "Unsupported global" in str(error):
            raise ConfigError(
                f"model.weights={path} holds more than plain weights, such as a whole model; save it anew with "
                "torch.save(model.state_dict(), PATH)"
            ) from None
        raise ConfigError(f"model.weights={path} cannot be loaded: it is damaged or no file of weights") from None


def _weights(content: Any, source: str) -> dict[str, Tensor]:
    """The weights by the model's own names, from a state_dict or a checkpoint that has one; raises ConfigError."""
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise ConfigError(f"{source} holds no weights by name; give a state_dict or a checkpoint of Paribus")
    own = {name.removeprefix("model."): weight for name, weight in state.items() if name.startswith("model.")}
    found = {name.replace("_orig_mod.", ""): weight for name, weight in (own or state).items()}  # torch.compile's
    if not found or not all(isinstance(weight, Tensor) for weight in found.values()):
        raise ConfigError(f"{source} holds other things than weights; give a state_dict or a checkpoint of Paribus")
    return found


def _without(weights: dict[str, Tensor], layer: str) -> dict[str, Tensor]:
    prefix = f"{layer}." if layer else ""
    return {name: weight for name, weight in weights.items() if not name.startswith(prefix)}


def _adapt_stem(saved: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Fit the kernel (O, C, H, W) of the first layer, if that is a convolution, to the number of channels."""
    stem = next((name for name, weight in wanted.items() if weight.ndim > 1), None)
    if stem not in saved or not saved[stem].ndim == wanted[stem].ndim == 4:
        return
    match saved[stem].shape[1], wanted[stem].shape[1]:
        case 3, 1:
            saved[stem] = saved[stem].sum(1, keepdim=True)
        case 1, 3:
            saved[stem] = saved[stem].expand(-1, 3, -1, -1) / 3


def _check_fit(saved: dict[str, Tensor], wanted: dict[str, Tensor], source: str, name: str) -> None:
    found, right = _shapes(saved), _shapes(wanted)
    wrong = [weight for weight in {**right, **found} if found.get(weight) != right.get(weight)]
    if wrong:
        raise ConfigError(
            f"{source}: {wrong[0]} is {found.get(wrong[0], 'missing')} there and {right.get(wrong[0], 'missing')} in "
            f"model {name}; the model, its settings and the images' size must be those that the weights were made with"
        )


def _shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights.items()}


def _mark(model: nn.Module) -> None:
    """Let initialize() leave all layers but the head."""
    output = head(model)
    for layer in model.modules():
        has_weights = any(True for _ in (*layer.parameters(recurse=False), *layer.buffers(recurse=False)))
        if has_weights and layer is not output:
            layer.is_pretrained = True  # type: ignore[assignment]
