"""Sequence to sequence as one writes it in plain PyTorch: a model with Luong's attention, greedy and beam search.

Shapes: B batch, S source steps, T target steps, V target tokens, H units, E embedding size, N rows that are decoded, K
beams. Nothing of the model is Paribus's own but the numbers of padding and END.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from paribus.data.spec import END, NO_TARGET, PADDING

State = tuple[Tensor, Tensor]  # hidden, cell: (1, N, H) each


@dataclass(frozen=True)
class Read:
    """What the encoder gives: values and keys (N, S, H), mask (N, S), True where real."""

    values: Tensor
    keys: Tensor
    mask: Tensor


class Bare(nn.Module):
    """sources (B, S), targets (B, T) of one vocabulary -> logits (B, T, V). A layer each, the encoder's bidirectional.

    With is_packed false the encoder reads padding like any token, which is quicker and not quite the same model.
    """

    def __init__(self, num_tokens: int, hidden_size: int, embedding_size: int, *, is_packed: bool) -> None:
        super().__init__()
        self.is_packed = is_packed
        self.source_embedding = nn.Embedding(num_tokens, embedding_size, padding_idx=PADDING)
        self.encoder = nn.LSTM(embedding_size, hidden_size // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(hidden_size, 2 * hidden_size)
        self.target_embedding = nn.Embedding(num_tokens, embedding_size, padding_idx=PADDING)
        self.decoder = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        self.keys = nn.Linear(hidden_size, hidden_size, bias=False)
        self.combination = nn.Linear(2 * hidden_size, embedding_size)
        self.output = nn.Linear(embedding_size, num_tokens)

    def forward(self, sources: Tensor, targets: Tensor) -> Tensor:
        """All steps at once, each after the true token before it."""
        read, state = self.encode(sources)
        before = F.pad(targets[:, :-1], (1, 0), value=END)
        return self.step(before.masked_fill(before == NO_TARGET, PADDING), state, read)[0]

    def loss(self, sources: Tensor, targets: Tensor) -> Tensor:
        """The mean over real targets."""
        logits = self(sources, targets)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=NO_TARGET)

    def encode(self, sources: Tensor) -> tuple[Read, State]:
        """What is attended to, and the state that the decoder begins with."""
        mask, embedded = sources != PADDING, self.source_embedding(sources)
        if self.is_packed:
            packed = pack_padded_sequence(embedded, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
            outputs, (ended, _) = self.encoder(packed)
            values, _ = pad_packed_sequence(outputs, batch_first=True)
        else:
            values, (ended, _) = self.encoder(embedded)
        begin = torch.tanh(self.bridge(torch.cat([ended[0], ended[1]], 1)))
        hidden, cell = begin[None].chunk(2, 2)
        return Read(values, self.keys(values), mask), (hidden.contiguous(), cell.contiguous())

    def step(self, tokens: Tensor, state: State, read: Read) -> tuple[Tensor, State]:
        """tokens (N, T) -> logits (N, T, V), the state after them."""
        outputs, state = self.decoder(self.target_embedding(tokens), state)
        scores = (outputs @ read.keys.transpose(1, 2)).masked_fill(~read.mask[:, None], -torch.inf)
        context = scores.softmax(2) @ read.values
        vectors = torch.tanh(self.combination(torch.cat([context, outputs], 2)))
        return self.output(vectors), state


@torch.inference_mode()
def greedy(model: Bare, sources: Tensor, longest: int) -> list[list[int]]:
    """The likeliest token at each step, until every sentence has ended or has `longest` tokens."""
    read, state = model.encode(sources)
    tokens = torch.full((len(sources), 1), END)
    ended, written = torch.zeros(len(sources), 1, dtype=torch.bool), []
    for _ in range(longest):
        logits, state = model.step(tokens, state, read)
        tokens = logits.argmax(2)
        written.append(tokens)
        ended |= tokens == END
        if ended.all():
            break
    return _up_to_end(torch.cat(written, 1))


@torch.inference_mode()
def beam(model: Bare, sources: Tensor, longest: int, beam_size: int, length_penalty: float) -> list[list[int]]:
    """The best of beam_size outputs side by side, which END alone follows once they have ended.

    It stops when all outputs of all sentences have ended; no sentence leaves the batch before.
    """
    read, state = model.encode(sources)
    read = Read(*(part.repeat_interleave(beam_size, 0) for part in (read.values, read.keys, read.mask)))
    hidden, cell = (part.repeat_interleave(beam_size, 1) for part in state)
    totals = torch.full((len(sources), beam_size), -torch.inf)
    totals[:, 0] = 0  # all outputs begin alike: one is enough
    ended = torch.zeros(totals.shape, dtype=torch.bool)
    written = torch.full((totals.numel(), 1), END)
    first_rows = beam_size * torch.arange(len(sources))[:, None]
    for _ in range(longest):
        logits, (hidden, cell) = model.step(written[:, -1:], (hidden, cell), read)
        found = logits[:, 0].log_softmax(1).view(len(sources), beam_size, -1)
        found[ended] = -torch.inf
        found[..., END].masked_fill_(ended, 0)
        totals, chosen = (totals[:, :, None] + found).flatten(1).topk(beam_size)
        parents, tokens = chosen // found.shape[2], chosen % found.shape[2]
        rows = (first_rows + parents).flatten()
        hidden, cell = hidden[:, rows], cell[:, rows]
        written = torch.cat([written[rows], tokens.view(-1, 1)], 1)
        ended = ended.gather(1, parents) | (tokens == END)
        if ended.all():
            break
    outputs = written[:, 1:].view(len(sources), beam_size, -1)
    lengths = (outputs != END).sum(2) + ended
    best = (totals / ((5 + lengths) / 6) ** length_penalty).argmax(1)
    return _up_to_end(outputs[torch.arange(len(sources)), best])


def _up_to_end(written: Tensor) -> list[list[int]]:
    """Rows of tokens, each without END and what follows it."""
    return [row[: row.index(END)] if END in row else row for row in written.tolist()]
