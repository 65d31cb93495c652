"""What training will see: augmented samples, drawn before it starts. Shapes: B samples; C, H, W of an image."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from paribus import figures
from paribus.augmentation.chosen import Mixer
from paribus.data.module import TensorData
from paribus.data.spec import ClassificationSpec, RegressionSpec
from paribus.seeding import derive

SAMPLES, VERSIONS = 6, 8


def augmented_samples(data: TensorData, mixer: Mixer | None, seed: int, run: str) -> Figure | None:
    """A few training images, each as it is and augmented in several ways, with labels; None where nothing is on."""
    if not data.spec.is_image or (data.augmentation is None and mixer is None):
        return None
    positions = _samples(data)
    labels = _labels(data, positions)
    originals = data.images("train", positions)
    versions, captions = [], []
    for version in range(VERSIONS):
        images, caption = originals, labels
        if data.augmentation is not None:
            draws = torch.Generator().manual_seed(derive(seed, "preview", version))
            images = data.augmentation(images, draws)
        if mixer is not None:
            images, partner, share = mixer(images, version, 0)
            caption = [
                f"{share:.2f} {mine} + {1 - share:.2f} {labels[other]}" if share < 1 else mine
                for mine, other in zip(labels, partner.tolist(), strict=True)
            ]
        versions.append(images)
        captions.append(caption)
    by_sample = [list(texts) for texts in zip(*captions, strict=True)] if mixer is not None else None
    return figures.augmented(originals, torch.stack(versions, 1), labels, captions=by_sample, run=run)


def _samples(data: TensorData) -> Tensor:
    """Positions (B,) of training images: of as many classes as there are, or the first."""
    targets = data.raw("train").targets
    if not isinstance(data.spec, ClassificationSpec):
        return torch.arange(min(SAMPLES, len(targets)))
    first = {label: place for place, label in reversed(list(enumerate(targets.tolist())))}
    chosen = [first[label] for label in sorted(first)[:SAMPLES]]
    others = [place for place in range(min(SAMPLES, len(targets))) if place not in chosen]
    return torch.tensor((chosen + others)[:SAMPLES])


def _labels(data: TensorData, positions: Tensor) -> list[str]:
    targets = data.raw("train").targets[positions]
    if isinstance(data.spec, RegressionSpec):
        return [f"{value * data.spec.target_scale + data.spec.target_mean:.4g}" for value in targets.tolist()]
    assert isinstance(data.spec, ClassificationSpec)
    return [data.spec.class_names[label] for label in targets.tolist()]
