import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from paribus.data.decoding import DecodingError, Form, PassingError, decode

COLOUR, GREY = Form(None, 3, "crop"), Form(None, 1, "crop")


def _bytes(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _gradient(height: int, width: int) -> Image.Image:
    """Red grows to the right, green downwards, blue is 50."""
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([columns * 255 // (width - 1), rows * 255 // (height - 1), 0 * rows + 50], 2).astype(np.uint8)
    )


def test_colour_is_read_pixel_by_pixel() -> None:
    picture = _gradient(5, 7)
    found = decode(_bytes(picture), COLOUR)
    assert (found.shape, found.dtype) == ((3, 5, 7), np.uint8)
    assert np.array_equal(found, np.asarray(picture).transpose(2, 0, 1))


def test_grey_and_colour_become_each_other() -> None:
    picture = _gradient(5, 7)
    luma = np.asarray(picture) @ [0.299, 0.587, 0.114]  # ITU-R 601
    assert np.abs(decode(_bytes(picture), GREY)[0] - luma).max() <= 1
    grey = picture.convert("L")
    found = decode(_bytes(grey), COLOUR)
    assert all(np.array_equal(channel, np.asarray(grey)) for channel in found)
    assert np.array_equal(decode(_bytes(grey), GREY)[0], np.asarray(grey))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "TIFF") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I")),
        *((mode, "JPEG") for mode in ("L", "RGB", "CMYK")),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("RGB", "BMP"),
    ],
)
def test_white_is_white_in_every_mode(mode: str, kind: str, channels: int) -> None:
    white = {"CMYK": (0, 0, 0, 0), "YCbCr": (255, 128, 128), "LAB": (255, 128, 128), "LA": (255, 255)}
    value = white.get(mode, 65535 if mode.startswith("I") else "white")
    found = decode(_bytes(Image.new(mode, (4, 3), value), kind), Form(None, channels, "crop"))
    assert found.shape == (channels, 3, 4) and found.min() >= 253


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.array([[0, 128, 257, 32896, 65535]], np.uint16)
    expected = [0, 0, 1, 128, 255]  # value / 257, rounded
    for picture, kind in (
        (Image.fromarray(values), "PNG"),
        (Image.fromarray(values), "TIFF"),
        (Image.fromarray(values.astype(np.int32)), "TIFF"),
    ):
        assert decode(_bytes(picture, kind), GREY)[0, 0].tolist() == expected
        assert decode(_bytes(picture, kind), COLOUR)[2, 0].tolist() == expected


def test_transparency_is_laid_on_white() -> None:
    black = np.zeros((1, 3, 4), np.uint8)
    black[0, :, 3] = [0, 128, 255]
    for picture in (Image.fromarray(black), Image.fromarray(black).convert("LA")):
        assert decode(_bytes(picture), COLOUR)[:, 0].tolist() == [[255, 127, 0]] * 3
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([10, 20, 30, 40, 50, 60])
    indexed.putdata([0, 1])
    assert decode(_bytes(indexed), COLOUR)[:, 0].tolist() == [[10, 40], [20, 50], [30, 60]]
    assert decode(_bytes(indexed, transparency=1), COLOUR)[:, 0].tolist() == [[10, 255], [20, 255], [30, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_images_are_turned_as_they_say(kind: str, orientation: int) -> None:
    upright = np.asarray(_gradient(4, 6))
    turned = {  # how the pixels are stored, from the EXIF standard's row 0 and column 0
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    content = _bytes(Image.fromarray(np.ascontiguousarray(turned)), kind, exif=exif, **options)
    assert np.array_equal(decode(content, COLOUR), upright.transpose(2, 0, 1))


def test_a_damaged_hint_leaves_the_picture_as_it_lies() -> None:
    picture = _gradient(4, 6)
    content = _bytes(picture, "JPEG", exif=b"Exif\0\0II*\0 nonsense")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert decode(content, COLOUR).shape == (3, 4, 6)


@pytest.mark.parametrize("size", [4, 8, 20])
def test_resizing(size: int) -> None:
    """A wide image of three squares: black, white, black; and the same upright."""
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    for picture in (Image.fromarray(wide), Image.fromarray(np.ascontiguousarray(wide.T))):
        content, is_wide = _bytes(picture), picture.width > picture.height
        cropped = decode(content, Form(size, 1, "crop"))
        assert cropped.shape == (1, size, size) and cropped[0, 1:-1, 1:-1].min() == 255  # the white centre
        padded = decode(content, Form(size, 1, "pad"))[0]
        padded = padded if is_wide else padded.T
        height = round(size / 3)
        lines = np.flatnonzero(padded.max(1))
        assert (len(lines), lines[0]) == (height, (size - height) // 2)
        stretched = decode(content, Form(size, 1, "stretch"))[0]
        stretched = stretched if is_wide else stretched.T
        assert (stretched == stretched[0]).all() and stretched[0, size // 2] >= 150 and stretched[0, 0] <= 50


def test_smaller_images_do_not_alias() -> None:
    """Stripes one pixel wide are grey from afar."""
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    inner = decode(_bytes(Image.fromarray(stripes)), Form(8, 1, "crop"))[0, :, 1:-1]
    assert np.abs(inner.astype(int) - 127).max() <= 3


def test_large_photographs_are_decoded_small_and_look_the_same() -> None:
    picture = _gradient(600, 800)
    content = _bytes(picture, "JPEG", quality=95)
    for resizing in ("crop", "pad", "stretch"):
        form = Form(32, 3, resizing)
        whole = decode(_bytes(picture), form).astype(int)
        assert np.abs(decode(content, form) - whole).mean() < 2


def _float_tiff() -> bytes:
    return _bytes(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"hello", "is no image"),
        (b"<svg></svg>", "is no image"),
        (_bytes(_gradient(40, 40), "JPEG")[:-300], "is cut short"),
        (_bytes(_gradient(40, 40), "PNG")[:-60], "is cut short"),
        (_bytes(_gradient(40, 40), "BMP")[:500], "is cut short"),
        (_float_tiff(), "holds floating-point pixels"),
        (_bytes(Image.fromarray(np.array([[70000]], np.int32)), "TIFF"), "holds values outside 0..65535"),
    ],
)
def test_what_cannot_be_decoded_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(DecodingError) as error:
        decode(content, Form(8, 3, "crop"))
    assert str(error.value).startswith(reason)


@pytest.mark.parametrize("where", [(Image, "open"), (ImageOps, "exif_transpose")])
def test_want_of_memory_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch, where: tuple[object, str]) -> None:
    def short(*_: object) -> None:
        raise MemoryError

    exif = Image.Exif()
    exif[0x0112] = 6
    content = _bytes(_gradient(4, 4), exif=exif)
    monkeypatch.setattr(*where, short)
    with pytest.raises(MemoryError):
        decode(content, COLOUR)


def test_want_of_memory_that_a_decoder_tells_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> None:
        raise OSError("out of memory error when reading image file")

    content = _bytes(_gradient(4, 4))
    monkeypatch.setattr(ImageFile.ImageFile, "load", short)
    with pytest.raises(PassingError, match="out of memory"):
        decode(content, COLOUR)


def test_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _bytes(_gradient(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    with pytest.raises(DecodingError, match="more pixels than is safe"):
        decode(content, COLOUR)


def test_any_bytes_give_pixels_or_a_reason() -> None:
    """Each byte of small files changed in turn: never another error."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
            content = bytearray(_bytes(_gradient(3, 3), kind, **({"exif": exif} if kind in ("JPEG", "PNG") else {})))
            for place in range(0, len(content), 3):
                changed = bytes(content[:place]) + bytes([content[place] ^ 0xFF]) + bytes(content[place + 1 :])
                try:
                    assert decode(changed, Form(4, 3, "pad")).shape == (3, 4, 4)
                except DecodingError as error:
                    assert str(error) and "\n" not in str(error)


def test_processes_that_decode_import_no_torch() -> None:
    code = "import sys, paribus.data.workers; print(sorted({'torch', 'polars', 'lightning'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
