"""Shapes: B batch, Q queries, S source steps, H query size, K encoder size, A units."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from paribus.models.attention import AdditiveAttention, Attention, GeneralAttention, build_attention
from paribus.models.source_encoder import real_steps

KINDS = ("bahdanau", "luong_dot", "luong_general", "luong_concat")
BATCH, QUERIES, STEPS, SIZE = 3, 2, 5, 4
LENGTHS = torch.tensor([5, 1, 3])
MASK = real_steps(LENGTHS, STEPS)


def _attention(kind: str, memory_size: int = SIZE) -> Attention:
    torch.manual_seed(0)
    found = build_attention(kind, SIZE, memory_size)
    assert found is not None
    return found.double()


def _numbers(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _score(kind: str, found: Attention, query: NDArray[np.float64], step: NDArray[np.float64]) -> float:
    """Of one query (H,) and one step (K,), as the papers have it."""
    if isinstance(found, AdditiveAttention):
        own, other, v = (layer.weight.detach().numpy() for layer in (found.queries, found.keys, found.score))
        if kind == "luong_concat":  # one matrix, of both vectors beside each other
            return float(v[0] @ np.tanh(np.concatenate([own, other], 1) @ np.concatenate([query, step])))
        return float(v[0] @ np.tanh(own @ query + other @ step))
    if isinstance(found, GeneralAttention):
        return float(query @ found.keys.weight.detach().numpy() @ step)
    return float(query @ step)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_papers_formula_for_each_query_and_step(kind: str) -> None:
    found = _attention(kind)
    query, memory = _numbers(BATCH, QUERIES, SIZE), _numbers(BATCH, STEPS, SIZE, seed=2)
    context, weights = found(query, found.project(memory), memory, MASK)
    for b in range(BATCH):
        for q in range(QUERIES):
            steps = memory[b].numpy()[: LENGTHS[b]]
            powers = np.exp([_score(kind, found, query[b, q].numpy(), step) for step in steps])
            expected = powers / powers.sum()
            np.testing.assert_allclose(weights[b, q, : LENGTHS[b]].detach().numpy(), expected)
            np.testing.assert_allclose(context[b, q].detach().numpy(), (expected[:, None] * steps).sum(0))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_over_real_steps_and_are_zero_at_padding(kind: str) -> None:
    found = _attention(kind)
    query, memory = _numbers(BATCH, QUERIES, SIZE), 50 * _numbers(BATCH, STEPS, SIZE, seed=2)
    _, weights = found(query, found.project(memory), memory, MASK)
    torch.testing.assert_close(weights.sum(2), torch.ones(BATCH, QUERIES, dtype=torch.float64))
    assert (weights.transpose(1, 2)[~MASK] == 0).all()


@pytest.mark.parametrize("kind", ["bahdanau", "luong_general", "luong_concat"])
def test_a_memory_may_have_another_size_than_a_query(kind: str) -> None:
    found, memory = _attention(kind, memory_size=7), _numbers(BATCH, STEPS, 7)
    context, _ = found(_numbers(BATCH, QUERIES, SIZE), found.project(memory), memory, MASK)
    assert context.shape == (BATCH, QUERIES, 7)


def test_none_is_no_attention() -> None:
    assert build_attention("none", SIZE, SIZE) is None
