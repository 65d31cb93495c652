"""Decoding: the bytes of an image file become pixels of one form. Shapes: C channels, H height, W width.

Imports neither torch nor anything slow: processes that do nothing but decode start with this file.
Colour profiles are not applied. Of an animation or a file of several pages, the first picture is taken.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

Pixels = NDArray[np.uint8]

SHARPNESS = 2  # a JPEG is decoded at no less than this many times the size wanted, and then made smaller smoothly
SIXTEEN_BITS = 2**16 - 1
TIFF = "TIFF"
HINTS = ("exif", "xmp", "Raw profile type exif")  # where files say how they are to be turned


class DecodingError(Exception):
    """The bytes are no image that can be used; the text says why, as it would follow the name of a file."""


class PassingError(DecodingError):
    """The same file may do another time: it could not be read, or memory was short."""


@dataclass(frozen=True)
class Form:
    """How pixels are to be: channels 1 (grey) or 3 (colour), size in pixels of both sides or None, as they are.

    resizing: "crop" (the short side to size, then the centre), "pad" (the long side to size, then black) or "stretch".
    """

    size: int | None
    channels: int
    resizing: str


def decode(content: bytes, form: Form) -> Pixels:
    """The pixels (C, H, W) of an image file, 0..255. Raises DecodingError; MemoryError goes through."""
    if not content:
        raise DecodingError("is empty")
    try:
        picture = _picture(content, form)
        return _array(_resized(picture, form))
    except (DecodingError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise DecodingError("is no image") from None
    except Image.DecompressionBombError:
        raise DecodingError("has more pixels than is safe to decode") from None
    except Exception as error:  # Pillow raises nearly anything for bytes that are not what they should be
        reason = " ".join(str(error).split()) or type(error).__name__
        if "out of memory" in reason:  # said by decoders in C, and for some damaged files as well
            raise PassingError(f"cannot be decoded ({reason})") from None
        raise DecodingError("is cut short" if "truncated" in reason.lower() else f"is damaged ({reason})") from None


def _picture(content: bytes, form: Form) -> Image.Image:
    """The image upright, with 8 bits a channel: mode L or RGB."""
    picture: Image.Image = Image.open(io.BytesIO(content))
    least = SHARPNESS * (form.size or 0)
    if least and isinstance(picture, JpegImageFile) and min(picture.size) >= 2 * least:  # halves, quarters, eighths
        picture.draft(None, _shortened(picture.size, least))
    picture.load()
    is_tiff = picture.format == TIFF
    picture = _eight_bits(_upright(picture) if is_tiff or any(hint in picture.info for hint in HINTS) else picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    if form.channels == 1:
        is_grey = picture.mode in ("1", "L", "LA")
        return picture if picture.mode == "L" else (picture if is_grey else picture.convert("RGB")).convert("L")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except MemoryError:
        raise
    except Exception:  # a damaged hint leaves the picture as it lies
        return picture


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits is scaled, so that the largest value is white; Pillow's own conversion would clip it."""
    if picture.mode == "F":
        raise DecodingError("holds floating-point pixels, whose range is not known; save it with 8 or 16 bits")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > SIXTEEN_BITS:
        raise DecodingError(f"holds values outside 0..{SIXTEEN_BITS}; save it with 8 or 16 bits")
    scale = SIXTEEN_BITS // 255
    return Image.fromarray(((values + scale // 2) // scale).astype(np.uint8))


def _shortened(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """The size of an image made smaller until its short side is that many pixels."""
    scale = short_side / min(size)
    return math.ceil(size[0] * scale), math.ceil(size[1] * scale)


def _resized(picture: Image.Image, form: Form) -> Image.Image:
    if form.size is None or picture.size == (form.size, form.size):
        return picture
    return RESIZINGS[form.resizing](picture, form.size)


def _cropped(picture: Image.Image, size: int) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    return picture.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))


def _padded(picture: Image.Image, size: int) -> Image.Image:
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    canvas = Image.new(picture.mode, (size, size))
    inner = picture.resize((width, height), Image.Resampling.BILINEAR)
    canvas.paste(inner, ((size - width) // 2, (size - height) // 2))
    return canvas


def _stretched(picture: Image.Image, size: int) -> Image.Image:
    return picture.resize((size, size), Image.Resampling.BILINEAR)


# Pillow's bilinear filter is widened where an image becomes smaller, so that nothing aliases.
RESIZINGS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "crop": _cropped,
    "pad": _padded,
    "stretch": _stretched,
}


def _array(picture: Image.Image) -> Pixels:
    pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
