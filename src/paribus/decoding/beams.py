"""Beam search over all sentences of a batch at once; C candidates of each sentence at a step.

A candidate is a prefix and its next token. Of the beam_size likeliest those with END are finished, so that a beam of
one is greedy; beam_size without END are written on, for which twice as many candidates are looked at.
"""

import torch
from torch import Tensor

from paribus.data.spec import END
from paribus.decoding.choices import Decoding
from paribus.decoding.hypotheses import Hypothesis, likeliest, log_probabilities
from paribus.models.seq2seq import Seq2Seq


class BeamSearch:
    """One search. Of equally likely candidates the earlier prefix goes first, and of one prefix the lower token."""

    def __init__(self, model: Seq2Seq, sources: Tensor, decoding: Decoding) -> None:
        self._model, self._decoding, self._size = model, decoding, decoding.beam_size
        self._found: list[list[Hypothesis]] = [[] for _ in range(len(sources))]
        self._sentences = torch.arange(len(sources), device=sources.device)  # (B,), their places among the sources
        self._longest = decoding.longest(sources)  # (B,)
        # Scores (B, beam_size) of the best that are finished, the highest first, and log-probabilities (B, W) of the
        # prefixes; -inf where there are not so many.
        self._best = torch.full((len(sources), self._size), -torch.inf, device=sources.device)
        self._totals = torch.zeros(len(sources), 1, device=sources.device)
        self._prefixes = self._longest.new_full((len(sources), 1, 1), END)  # (B, W, tokens), END before the first
        self._memory = model.encode(sources)
        self._state = model.begin(self._memory)

    def run(self) -> list[list[Hypothesis]]:
        """The n_best of each source."""
        while len(self._sentences):
            self._step()
        return [
            sorted(found, key=lambda each: each.score, reverse=True)[: self._decoding.n_best] for found in self._found
        ]

    def _step(self) -> None:
        """One token more for each prefix; sentences that are done leave."""
        totals, parents, tokens = self._candidates()
        length = torch.tensor(self._prefixes.shape[2])
        is_end = tokens == END
        rows = torch.arange(len(totals), device=totals.device)[:, None]
        finished = totals.masked_fill(~is_end, -torch.inf)[:, : self._size]
        self._collect(finished, self._prefixes[rows, parents[:, : self._size]], length, is_ended=True)

        unfinished = totals.masked_fill(is_end, -torch.inf).sort(dim=1, descending=True, stable=True)
        kept = unfinished.indices[:, : self._size]
        parents = parents.gather(1, kept)
        self._totals = unfinished.values[:, : self._size]
        self._prefixes = torch.cat([self._prefixes[rows, parents], tokens.gather(1, kept)[:, :, None]], dim=2)
        is_cut = self._longest == length
        cut = self._totals.masked_fill(~is_cut[:, None], -torch.inf)
        self._collect(cut, self._prefixes, length, is_ended=False)

        # Log-probabilities only fall: a prefix can become no better than what it has now over the largest penalty.
        bound = self._totals[:, 0] / self._decoding.penalty(self._longest)
        self._keep((~is_cut & (bound > self._best[:, -1])).nonzero()[:, 0], parents)

    def _candidates(self) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C) each, the likeliest first: log-probability, the prefix's number, the token."""
        logits, self._state, _ = self._model.step(self._prefixes[:, :, -1].flatten(), self._state, self._memory)
        count = min(2 * self._size, logits.shape[1])
        values, tokens = likeliest(log_probabilities(logits), count)
        totals = (self._totals.flatten()[:, None] + values).view(len(self._sentences), -1)
        ordered = totals.sort(dim=1, descending=True, stable=True)
        order = ordered.indices[:, : 2 * self._size]
        return ordered.values[:, : 2 * self._size], order // count, tokens.view(totals.shape).gather(1, order)

    def _collect(self, totals: Tensor, prefixes: Tensor, length: Tensor, *, is_ended: bool) -> None:
        """Take in of totals (B, W), prefixes (B, W, tokens) those that are among the beam_size best of a sentence."""
        scores = totals / self._decoding.penalty(length)
        is_better = scores > self._best[:, -1:]
        self._best = torch.cat([self._best, scores], dim=1).topk(self._size, dim=1).values
        sentences = self._sentences[is_better.nonzero()[:, 0]]
        columns = (sentences.tolist(), prefixes[is_better][:, 1:].tolist(), scores[is_better].tolist())
        for sentence, tokens, score in zip(*columns, strict=True):
            self._found[sentence].append(Hypothesis(tuple(tokens), score, is_ended))

    def _keep(self, going_on: Tensor, parents: Tensor) -> None:
        """Go on with these sentences alone, each of their prefixes with the state of its parent, one of (B, W)."""
        num_rows, num_sentences = len(self._memory.mask), len(parents)
        begins = going_on[:, None] * (num_rows // num_sentences)  # the first row of each sentence
        parents = parents[going_on]
        self._state = self._state.select((begins + parents).flatten())
        if parents.numel() != num_rows or len(going_on) < num_sentences:
            self._memory = self._memory.select(begins.expand_as(parents).flatten())
        self._sentences, self._longest = self._sentences[going_on], self._longest[going_on]
        self._best, self._totals = self._best[going_on], self._totals[going_on]
        self._prefixes = self._prefixes[going_on]
