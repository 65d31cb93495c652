from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.stats import beta, kstest
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, one_hot
from torchvision.transforms import v2

from paribus.augmentation import Mixing, mixing

MIXINGS = [mixing.mixup(alpha=0.3), mixing.cutmix(alpha=1.0)]


def _rand(*shape: int) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(1))


@pytest.mark.parametrize("step", MIXINGS)
def test_shares_are_those_of_what_is_in_the_mixture(step: Mixing) -> None:
    images = torch.arange(10.0)[:, None, None, None].expand(10, 3, 11, 7).contiguous()
    for seed in range(40):
        mixed, partner, share = step(images, Generator().manual_seed(seed))
        assert isinstance(share, float) and 0.5 <= share <= 1
        assert partner.dtype == torch.int64 and sorted(partner.tolist()) == list(range(10))
        expected = share * torch.arange(10.0) + (1 - share) * partner
        torch.testing.assert_close(mixed.mean((1, 2, 3)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("step", MIXINGS)
def test_the_loss_of_two_targets_is_that_of_the_mixed_target(step: Mixing) -> None:
    targets, logits = torch.arange(8) % 5, _rand(8, 5)
    _, partner, share = step(_rand(8, 1, 6, 6), Generator().manual_seed(2))
    soft = share * one_hot(targets, 5) + (1 - share) * one_hot(targets[partner], 5)
    parts = share * cross_entropy(logits, targets) + (1 - share) * cross_entropy(logits, targets[partner])
    torch.testing.assert_close(parts, cross_entropy(logits, soft))


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
def test_mixup_is_torchvision_s(share: float) -> None:
    images, targets = _rand(6, 3, 5, 4), torch.arange(6)
    mixed, partner, found = mixing._mix(images, torch.arange(6).roll(1), share)
    reference, parameters = v2.MixUp(num_classes=6), {"lam": share, "batch_size": 6, "labels": targets}
    torch.testing.assert_close(mixed, reference.transform(images, parameters))
    labels = found * one_hot(targets, 6) + (1 - found) * one_hot(targets[partner], 6)
    torch.testing.assert_close(labels, reference.transform(targets, parameters))


@pytest.mark.parametrize("inputs", [_rand(6, 4), _rand(6), _rand(6, 7, 3).double()])
def test_mixup_mixes_inputs_of_any_shape(inputs: Tensor) -> None:
    before = inputs.clone()
    mixed, partner, share = mixing.mixup(alpha=1.0)(inputs, Generator().manual_seed(3))
    assert torch.equal(inputs, before) and mixed.dtype == inputs.dtype
    torch.testing.assert_close(mixed, share * inputs + (1 - share) * inputs[partner])


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 14)])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.5, 0.71, 0.999])
def test_boxes_and_what_is_cut_are_torchvision_s(
    height: int, width: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, targets, partner = _rand(5, 3, height, width), torch.arange(5), torch.arange(5).roll(1)
    for y, x in ((0, 0), (3, 5), (height - 1, width - 1)):
        reference: Any = v2.CutMix(num_classes=5)
        reference._dist = SimpleNamespace(sample=lambda _: torch.tensor(share, dtype=torch.float64))
        centre = iter((x, y))
        with monkeypatch.context() as patch:
            patch.setattr(torch, "randint", lambda *_, centre=centre, **__: torch.tensor([next(centre)]))
            parameters = reference.make_params([images])
        box = mixing._box(share, y, x, height, width)
        assert (box[1].start, box[0].start, box[1].stop, box[0].stop) == parameters["box"]
        mixed, _, own = mixing._cut(images, partner, box)
        parameters |= {"batch_size": 5, "labels": targets}
        if parameters["lam_adjusted"] >= 0.5:
            assert torch.equal(mixed, reference.transform(images, parameters))
            assert own == pytest.approx(parameters["lam_adjusted"])
        else:  # the roles are changed: torchvision's batch, were the partners the other way round
            swapped = images.clone()[partner]
            swapped[..., box[0], box[1]] = images[..., box[0], box[1]]
            assert torch.equal(mixed, swapped) and own == pytest.approx(1 - parameters["lam_adjusted"])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_of_the_beta_distribution(alpha: float) -> None:
    generator = Generator().manual_seed(4)
    shares = [mixing._draw_share(generator, alpha) for _ in range(3_000)]
    assert kstest(shares, beta(alpha, alpha).cdf).pvalue > 1e-3


def test_a_tiny_alpha_mixes_nothing() -> None:
    generator = Generator().manual_seed(5)
    shares = [mixing._draw_share(generator, 1e-6) for _ in range(200)]
    assert all(min(share, 1 - share) < 1e-6 for share in shares) and {round(share) for share in shares} == {0, 1}


def test_every_example_meets_many_partners_and_every_place_is_cut() -> None:
    step, generator = mixing.cutmix(alpha=1.0), Generator().manual_seed(6)
    images = torch.arange(6.0)[:, None, None, None].expand(6, 1, 8, 8)
    met, cut = set(), torch.zeros(8, 8, dtype=torch.bool)
    for _ in range(100):
        mixed, partner, _ = step(images, generator)
        met |= {(place, other) for place, other in enumerate(partner.tolist())}
        cut |= (mixed != images).any(0)[0]
    assert len(met) == 36 and bool(cut.all())
