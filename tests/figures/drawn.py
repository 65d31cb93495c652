"""Figures to look at in several tests."""

from collections.abc import Callable
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from paribus import figures
from paribus.tasks.classification import class_scores

RUN = "digits_cnn/2026-11-21_11-18-24"
LONG = [f"{where} {bird} with $ spots_{where}" for where in "NSEWM" for bird in ("owl", "wren", "gull", "teal", "swan")]
NAMES = {
    "two": ["malignant", "benign"],
    "ten": [str(digit) for digit in range(10)],
    "long": LONG,
    "hundred": [f"class_{index}" for index in range(100)],
    "three hundred": [f"class_{index}" for index in range(300)],
}


def outputs(num_classes: int, sharpness: float, count: int = 600) -> tuple[Tensor, Tensor]:
    """Probabilities (N, C) and targets (N,); the higher the class, the easier."""
    generator = torch.Generator().manual_seed(1)
    targets = torch.arange(count) % num_classes
    logits = 2 * torch.randn(count, num_classes, generator=generator)
    ease = sharpness * torch.linspace(0.6, 1.3, num_classes)
    logits[torch.arange(count), targets] += ease[targets]
    return logits.softmax(1), targets


def epoch_rows(count: int) -> list[dict[str, float]]:
    rows = []
    for epoch in range(1, count + 1):
        loss = 2 * 0.8**epoch + 0.01
        shares = dict.fromkeys(
            ["train/accuracy", "val/accuracy", "val/f1", "val/precision", "val/recall"], 1 - loss / 4
        )
        losses = {"train/loss": loss, "val/loss": loss + 0.02, "train/learning_rate": 0.001 / epoch}
        rows.append(
            {"epoch": epoch, "step": 40 * epoch, **losses, **shares, "val/auroc": 1 - loss / 40, "val/ece": loss / 9}
        )
    return rows


def regression_rows(count: int) -> list[dict[str, float]]:
    names = [f"{stage}/{name}" for stage in ("train", "val") for name in ("loss", "mse", "rmse", "mae", "r2")]
    return [
        {"epoch": epoch, "train/learning_rate": 0.001, **dict.fromkeys(names, 9.0 / epoch)} for epoch in range(1, count)
    ]


def regression(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    targets = 150 + 70 * torch.randn(count, generator=generator)
    return 0.6 * targets + 60 + 30 * torch.randn(count, generator=generator), targets


def confusion(kind: str, **run: str) -> Figure:
    probabilities, targets = outputs(len(NAMES[kind]), 5)
    return figures.confusion_matrix(probabilities.argmax(1), targets, NAMES[kind], **run)


def reliability(kind: str, sharpness: float = 4, **run: str) -> Figure:
    return figures.reliability(*outputs(len(NAMES[kind]), sharpness), NAMES[kind], **run)


def score_rows(kind: str, sharpness: float = 4) -> list[dict[str, Any]]:
    probabilities, targets = outputs(len(NAMES[kind]), sharpness)
    return class_scores(probabilities.argmax(1), targets, NAMES[kind])


def images(positions: Tensor, channels: int = 1, height: int = 8, width: int = 8) -> Tensor:
    """(n,) -> (n, C, H, W): each image has a first pixel that tells its position."""
    found = torch.rand(len(positions), channels, height, width, generator=torch.Generator().manual_seed(3))
    found[:, :, 0, 0] = positions[:, None] / 1000
    return found


def mistakes(kind: str, sharpness: float = 4, shape: tuple[int, int, int] = (1, 8, 8), **run: str) -> Figure:
    return figures.worst_mistakes(
        *outputs(len(NAMES[kind]), sharpness), NAMES[kind], lambda positions: images(positions, *shape), **run
    )


def augmented(shape: tuple[int, int, int], count: int = 3, is_mixed: bool = False, **run: str) -> Figure:
    originals = images(torch.arange(count), *shape)
    captions = [[f"0.70 {one} + 0.30 {other}" for other in LONG[:4]] for one in LONG[:count]] if is_mixed else None
    return figures.augmented(originals, originals[:, None].expand(-1, 4, -1, -1, -1), LONG[:count], captions, **run)


def filters(*shape: int, **run: str) -> Figure:
    return figures.filters(torch.randn(shape, generator=torch.Generator().manual_seed(4)), **run)


def roc(kind: str, sharpness: float = 3, **run: str) -> Figure:
    return figures.roc(*outputs(len(NAMES[kind]), sharpness), NAMES[kind], **run)


DRAWN: dict[str, Callable[..., Figure]] = {
    **{f"confusion, {kind}": lambda kind=kind, **run: confusion(kind, **run) for kind in NAMES},
    **{f"roc, {kind}": lambda kind=kind, **run: roc(kind, **run) for kind in NAMES},
    "roc, corner": lambda **run: roc("ten", 12, **run),
    "roc, corner of many": lambda **run: roc("long", 14, **run),
    "roc, perfect": lambda **run: roc("long", 60, **run),
    **{
        f"curves, {count}": lambda count=count, **run: figures.learning_curves(
            epoch_rows(count), (count + 1) // 2, **run
        )
        for count in (1, 3, 300)
    },
    "curves, none": lambda **run: figures.learning_curves([], 0, **run),
    "curves, a loss alone": lambda **run: figures.learning_curves([{"epoch": 1, "val/loss": 0.5}], 1, **run),
    "curves, regression": lambda **run: figures.learning_curves(regression_rows(9), 4, **run),
    **{f"reliability, {kind}": lambda kind=kind, **run: reliability(kind, **run) for kind in ("two", "ten", "hundred")},
    "reliability, long": lambda **run: figures.reliability(*outputs(2, 4), LONG[:2], **run),
    "reliability, one example": lambda **run: figures.reliability(*outputs(10, 4, 1), NAMES["ten"], **run),
    **{
        f"classes, {kind}": lambda kind=kind, **run: figures.per_class(score_rows(kind), **run)
        for kind in ("two", "long", "three hundred")
    },
    "classes, perfect": lambda **run: figures.per_class(score_rows("ten", 60), **run),
    "mistakes": lambda **run: mistakes("ten", **run),
    "mistakes, few": lambda **run: mistakes("ten", 12, **run),
    "mistakes, none": lambda **run: mistakes("ten", 60, **run),
    "mistakes, long": lambda **run: mistakes("long", shape=(3, 64, 48), **run),
    "mistakes, flat": lambda **run: mistakes("ten", shape=(2, 1, 300), **run),
    "mistakes, tall": lambda **run: mistakes("ten", shape=(3, 90, 4), **run),
    "augmented": lambda **run: augmented((1, 8, 8), **run),
    "augmented, mixed": lambda **run: augmented((3, 224, 224), is_mixed=True, **run),
    "augmented, one": lambda **run: augmented((3, 32, 32), 1, **run),
    "filters, grey": lambda **run: filters(32, 1, 3, 3, **run),
    "filters, colour": lambda **run: filters(96, 3, 7, 7, **run),
    "filters, two": lambda **run: filters(2, 1, 8, 8, **run),
    **{
        f"regression, {count}": lambda count=count, **run: figures.predicted_against_true(
            *regression(count), "disease progression in $ and € a year, as paid", **run
        )
        for count in (50, 5000)
    },
}


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
