"""The search for a model's outputs."""

import torch
from torch import Tensor

from paribus.decoding.beams import BeamSearch
from paribus.decoding.choices import Decoding
from paribus.decoding.greedily import search_greedily
from paribus.decoding.hypotheses import Hypothesis
from paribus.models.seq2seq import Seq2Seq

__all__ = ["Hypothesis", "decode"]


@torch.inference_mode()
def decode(model: Seq2Seq, sources: Tensor, decoding: Decoding) -> list[list[Hypothesis]]:
    """Sources (B, S) -> the n_best hypotheses of each, the best first; fewer where the vocabulary has no more.

    What is found for a source does not depend on the others of the batch, up to the rounding of the model's numbers.
    """
    assert not model.training, "dropout would disturb it"
    if decoding.beam_size == 1:
        return search_greedily(model, sources, decoding)
    return BeamSearch(model, sources, decoding).run()
