"""Greedy search: the likeliest token at each step."""

import torch
from torch import Tensor

from paribus.data.spec import END
from paribus.decoding.choices import Decoding
from paribus.decoding.hypotheses import Hypothesis, log_probabilities
from paribus.models.seq2seq import Seq2Seq


def search_greedily(model: Seq2Seq, sources: Tensor, decoding: Decoding) -> list[list[Hypothesis]]:
    """Sources (B, S) -> one hypothesis for each. Of equally likely tokens the lowest is taken."""
    longest = decoding.longest(sources)
    written, totals = _written(model, sources, longest)
    counts = (written == END).int().argmax(dim=1)  # tokens before the first END
    scores = totals / decoding.penalty(torch.minimum(counts + 1, longest))
    columns = (written.tolist(), counts.tolist(), scores.tolist(), (counts < longest).tolist())
    return [
        [Hypothesis(tuple(tokens[:count]), score, is_ended)]
        for tokens, count, score, is_ended in zip(*columns, strict=True)
    ]


def _written(model: Seq2Seq, sources: Tensor, longest: Tensor) -> tuple[Tensor, Tensor]:
    """Sources (B, S), their maximum lengths (B,) -> tokens (B, steps), END after the last; log-probabilities (B,)."""
    memory = model.encode(sources)
    state = model.begin(memory)
    tokens = torch.full_like(longest, END)
    written: list[Tensor] = []
    found = torch.zeros_like(longest, dtype=torch.promote_types(memory.values.dtype, torch.float32))
    sentences = torch.arange(len(longest), device=longest.device)  # those that are still written
    while len(sentences):
        logits, state, _ = model.step(tokens, state, memory)
        totals, tokens = log_probabilities(logits).max(dim=1)
        found[sentences] += totals
        written.append(torch.full_like(longest, END).index_put((sentences,), tokens))
        going_on = ((tokens != END) & (longest[sentences] > len(written))).nonzero()[:, 0]
        if len(going_on) < len(tokens):
            sentences, tokens = sentences[going_on], tokens[going_on]
            state, memory = state.select(going_on), memory.select(going_on)
    written.append(torch.full_like(longest, END))  # so that each row has one
    return torch.stack(written, 1), found
