import pytest
import torch

from paribus.decoding.choices import Decoding, beam, greedy
from paribus.errors import ConfigError

SOURCES = torch.tensor([[3, 4, 5, 2], [3, 2, 0, 0], [2, 0, 0, 0]])  # of 3, 1 and 0 tokens


@pytest.mark.parametrize(
    ("ratio", "extra", "expected"), [(1.5, 2, [7, 4, 2]), (0.0, 4, [4, 4, 4]), (0.5, 1, [3, 2, 1])]
)
def test_maximum_lengths_are_rounded_up_of_tokens_without_the_end(
    ratio: float, extra: int, expected: list[int]
) -> None:
    assert greedy(max_ratio=ratio, max_extra=extra).longest(SOURCES).tolist() == expected


def test_penalty_is_one_for_one_token_and_without_its_exponent() -> None:
    lengths = torch.tensor([1, 7, 13])
    assert Decoding(2, 1.0, 1, 1.0, 1).penalty(lengths).tolist() == [1, 2, 3]
    assert Decoding(2, 2.0, 1, 1.0, 1).penalty(lengths).tolist() == [1, 4, 9]
    assert Decoding(2, 0.0, 1, 1.0, 1).penalty(lengths).tolist() == [1, 1, 1]


def test_more_outputs_than_the_beam_holds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"decoding\.n_best=3 .* decoding\.beam_size=2"):
        beam(beam_size=2, length_penalty=1.0, n_best=3, max_ratio=2.0, max_extra=20)


def test_greedily_keeps_the_limits_on_length() -> None:
    wide = beam(beam_size=5, length_penalty=1.0, n_best=3, max_ratio=1.5, max_extra=7)
    assert wide.greedily == greedy(max_ratio=1.5, max_extra=7)
