"""Steps that change colours and sharpness: jitter, grey, blur."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import conv2d
from torchvision.transforms.v2 import functional as F

from paribus.augmentation import Augmentation, draws, operations
from paribus.errors import ConfigError
from paribus.types import Hue, NonNegativeFloat, OddInt, PositiveRange, Probability

_CHANGES = {
    "brightness": operations.brightness,
    "contrast": operations.contrast,
    "saturation": operations.saturation,
    "hue": operations.hue,
}


def colour_jitter(
    *, brightness: NonNegativeFloat, contrast: NonNegativeFloat, saturation: NonNegativeFloat, hue: Hue
) -> Augmentation:
    """Four changes of colour in an order drawn for each image. Szegedy et al. 2015, sec. 6, after Howard 2013.

    Factors are uniform from 1 - setting (0 at least) to 1 + setting, hue turns from -hue to hue of the circle.
    """
    settings = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    bounds = {name: (max(0.0, 1 - width), 1 + width) for name, width in settings.items() if width}
    if hue:
        bounds["hue"] = (-hue, hue)

    def step(images: Tensor, generator: Generator) -> Tensor:
        operations.check_channels("colour_jitter", images)
        return _jitter(images, *_draw_jitter(generator, len(images), bounds))

    return step


def _draw_jitter(
    generator: Generator, batch_size: int, bounds: dict[str, tuple[float, float]]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Order (B, N): the place in `bounds` of the change made first, second, ...; a parameter (B,) of each change."""
    order = draws.uniform(generator, (batch_size, len(bounds)), (0, 1)).argsort(1)
    return order, {name: draws.uniform(generator, (batch_size,), span) for name, span in bounds.items()}


def _jitter(images: Tensor, order: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    changed = images.clone()
    for now in order.unbind(1):
        for place, (name, parameter) in enumerate(parameters.items()):
            operations.replace(changed, now == place, _CHANGES[name], parameter)
    return changed


def grayscale(*, probability: Probability) -> Augmentation:
    """Take the colours away, and keep the number of channels. Chen et al. 2020, appendix A."""

    def step(images: Tensor, generator: Generator) -> Tensor:
        operations.check_channels("grayscale", images)
        grey = images.clone()
        operations.replace(grey, draws.happens(generator, len(images), probability), _to_grey)
        return grey

    return step


def _to_grey(images: Tensor) -> Tensor:
    grey: Tensor = F.rgb_to_grayscale(images, num_output_channels=images.shape[1])
    return grey


def blur(*, kernel_size: OddInt, sigma: PositiveRange) -> Augmentation:
    """Gaussian blur, its standard deviation uniform over `sigma` pixels. Chen et al. 2020, appendix A.

    Raises ConfigError where the kernel's reflection would be wider than the image.
    """

    def step(images: Tensor, generator: Generator) -> Tensor:
        most = 2 * min(images.shape[-2:]) - 1
        if kernel_size > most:
            raise ConfigError(
                f"augmentation.blur.kernel_size={kernel_size} is too large for images of {images.shape[-2]} x "
                f"{images.shape[-1]} pixels; use {most} or less"
            )
        return _blur(images, draws.uniform(generator, (len(images),), sigma), kernel_size)

    return step


def _blur(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Across, then along: each channel of each image is a group of its own in one convolution."""
    reach = kernel_size // 2
    offsets = torch.arange(-reach, reach + 1)
    kernels = (
        (-((offsets / sigma[:, None]) ** 2) / 2)
        .softmax(1)
        .to(images, non_blocking=True)
        .repeat_interleave(images.shape[1], 0)
    )
    padded = F.pad(images, [reach], padding_mode="reflect").flatten(0, 1)[None]
    with torch.autocast(images.device.type, enabled=False):  # or convolutions would lose digits
        across = conv2d(padded, kernels[:, None, None, :], groups=len(kernels))
        along = conv2d(across, kernels[:, None, :, None], groups=len(kernels))
    return along.view(images.shape).clamp_(0, 1)
