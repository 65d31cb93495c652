"""Sequence to sequence: an encoder reads the source, a decoder with attention writes the target token by token.

Shapes: B batch, S source steps, T target steps, V target tokens, M real target tokens of a batch, N rows that are
decoded, L decoder layers, H decoder units and encoder outputs, E embedding size. A decoder begins with the token END.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paribus.data.spec import END, NO_TARGET, PADDING, PairSpec
from paribus.errors import ConfigError
from paribus.models.attention import build_attention
from paribus.models.recurrent_layers import Direction, RecurrentLayer
from paribus.models.sequence_pooling import LastStep, real_lengths
from paribus.models.source_encoder import Encoder, Memory, real_steps
from paribus.models.target_decoder import Decoder, DecoderState
from paribus.models.teacher_forcing import TeacherForcing
from paribus.types import (
    AttentionKind,
    EncoderCell,
    Flag,
    PositiveInt,
    Probability,
    TeacherForcingSchedule,
    TiedEmbeddings,
)

CELLS: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class Seq2Seq(nn.Module):
    """sources (B, S), targets (B, T) -> logits of all real targets (M, V).

    The decoder begins with tanh of a dense layer of what each direction of the encoder's last layer ends with; Bahdanau
    et al. 2015, A.2.2, have it of backwards alone. Before the output layer stands Luong's attentional vector for every
    attention, of E units so that embeddings can be tied; Bahdanau et al. have a maxout layer there. A tied weight
    belongs to the output layer, whose initial scale it has; as an embedding it is multiplied by sqrt E (Vaswani et al.
    2017, sec. 3.4). Dropout is of embeddings, between layers, and before the output layer.
    """

    def __init__(
        self,
        source_embedding: nn.Embedding | None,
        encoder: Encoder,
        last_step: LastStep,
        bridge: nn.Linear,
        target_embedding: nn.Embedding | None,
        decoder: Decoder,
        dropout: nn.Module,
        output: nn.Linear,
        teacher_forcing: TeacherForcing,
    ) -> None:
        super().__init__()
        self.source_embedding, self.encoder = source_embedding, encoder  # None: the output's weights serve as it
        self.last_step, self.bridge = last_step, bridge
        self.target_embedding, self.decoder = target_embedding, decoder
        self.dropout, self.output = dropout, output
        self._teacher_forcing = teacher_forcing

    def forward(self, sources: Tensor, targets: Tensor, forced: float = 1.0) -> Tensor:
        """Logits (M, V) in the order of targets[targets != NO_TARGET].

        Each step of each example reads the true token before it with probability `forced`, else the likeliest of what
        the model gave there, which no gradient flows through (scheduled sampling, Bengio et al. 2015).
        """
        vectors, _ = self._vectors(self.encode(sources), targets, forced)
        return self._logits(vectors)

    def encode(self, sources: Tensor) -> Memory:
        """sources (B, S), PADDING after each one's last token."""
        lengths = real_lengths(sources)
        values = self.encoder(self._embedded(sources, self.source_embedding), lengths)
        keys = None if self.decoder.attention is None else self.decoder.attention.project(values)
        return Memory(values, keys, real_steps(lengths, sources.shape[1]), lengths)

    def begin(self, memory: Memory) -> DecoderState:
        """The state before the first step."""
        parts = torch.tanh(self.bridge(self.last_step(memory.values, memory.lengths)))
        parts = parts.to(self.bridge.weight.dtype)  # the mixed one of inputs is none that an LSTM on a CPU takes
        hidden, cell = parts.unflatten(1, (2, -1, self.decoder.hidden_size)).permute(1, 2, 0, 3).contiguous()
        return self.decoder.begin(hidden, cell)

    def step(self, tokens: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, DecoderState, Tensor | None]:
        """tokens (N,), those before -> logits (N, V), the state after the step, attention weights (N, S) or None."""
        vector, state, weights = self.decoder.step(self._embedded(tokens, self.target_embedding), state, memory)
        return self._logits(vector), state, weights

    def aligned(self, sources: Tensor, targets: Tensor) -> tuple[Tensor, Tensor | None]:
        """Log-probabilities (B, T) of the targets, each given all true ones before it; attention weights (B, T, S).

        Call it in eval mode. Log-probabilities are 0 where there is no target; weights are None without attention.
        """
        vectors, weights = self._vectors(self.encode(sources), targets, 1.0)
        real = targets != NO_TARGET
        logits = self._logits(vectors).to(self.output.weight.dtype)  # log-probabilities are worth no mixed precision
        chosen = -F.cross_entropy(logits, targets[real], reduction="none")
        return chosen.new_zeros(targets.shape).masked_scatter(real, chosen), weights

    def teacher_forcing(self, progress: float) -> float:
        """The share `forced` for a step of training, of which the share `progress` is done."""
        return self._teacher_forcing.share(progress)

    def _vectors(self, memory: Memory, targets: Tensor, forced: float) -> tuple[Tensor, Tensor | None]:
        """Attentional vectors (M, E) of real targets, attention weights (B, T, S): all steps at once where possible."""
        embedded = self._embedded(tokens_before(targets), self.target_embedding)
        real = targets != NO_TARGET
        if forced == 1 and self.decoder.feeds == "nothing":
            combined, weights = self.decoder(embedded, self.begin(memory), memory)
            return self.decoder.combined(combined[real]), weights
        vectors, weights = self._step_by_step(memory, embedded, forced)
        return vectors[real], weights

    def _step_by_step(self, memory: Memory, embedded: Tensor, forced: float) -> tuple[Tensor, Tensor | None]:
        """embedded (B, T, E), the true tokens before -> attentional vectors (B, T, E), attention weights (B, T, S)."""
        state, vectors, weights = self.begin(memory), list[Tensor](), list[Tensor | None]()
        is_forced = _drawn(embedded, forced)
        for step, true in enumerate(embedded.unbind(1)):
            read = true
            if step and is_forced is not None:
                own = self._embedded(self._likeliest(vectors[-1]), self.target_embedding)
                read = torch.where(is_forced[:, step, None], true, own)
            vector, state, weight = self.decoder.step(read, state, memory)
            vectors.append(vector)
            weights.append(weight)
        found = [weight for weight in weights if weight is not None]
        return torch.stack(vectors, 1), torch.stack(found, 1) if found else None

    def _likeliest(self, vectors: Tensor) -> Tensor:
        """Attentional vectors (N, E) -> tokens (N,); before dropout, which would only blur the choice.

        Not under no_grad: mixed precision may keep what it casts there, weights without a gradient, for the logits too.
        """
        logits: Tensor = self.output(vectors.detach())
        return logits[:, END:].argmax(1) + END  # PADDING and UNKNOWN, which are below it, are never written

    def _embedded(self, tokens: Tensor, embedding: nn.Embedding | None) -> Tensor:
        """tokens (...) -> (..., E)."""
        if embedding is None:
            found = F.embedding(tokens, self.output.weight) * self.output.in_features**0.5
        else:
            found = embedding(tokens)
        embedded: Tensor = self.dropout(found)
        return embedded

    def _logits(self, vectors: Tensor) -> Tensor:
        """Attentional vectors (..., E) -> (..., V)."""
        logits: Tensor = self.output(self.dropout(vectors))
        return logits


def tokens_before(targets: Tensor) -> Tensor:
    """targets (B, T) -> (B, T), what each step reads: END, then the targets but for the last; PADDING for none."""
    shifted = F.pad(targets[:, :-1], (1, 0), value=END)
    return shifted.masked_fill(shifted == NO_TARGET, PADDING)


def _drawn(embedded: Tensor, forced: float) -> Tensor | None:
    """(B, T), True with probability `forced`, from the generator that dropout draws from; None where all are True."""
    return None if forced == 1 else torch.rand(embedded.shape[:2], device=embedded.device) < forced


def seq2seq(
    spec: PairSpec,
    num_outputs: int,
    dropout: float,
    *,
    cell: EncoderCell,
    hidden_size: PositiveInt,
    encoder_layers: PositiveInt,
    decoder_layers: PositiveInt,
    is_bidirectional: Flag,
    attention: AttentionKind,
    input_feeding: Flag,
    embedding_size: PositiveInt,
    tied_embeddings: TiedEmbeddings,
    teacher_forcing: Probability,
    teacher_forcing_end: Probability,
    teacher_forcing_schedule: TeacherForcingSchedule,
) -> nn.Module:
    """Seq2Seq of V = num_outputs target tokens. Sutskever et al. 2014, Bahdanau et al. 2015, Luong et al. 2015.

    cell is the encoder's; the decoder has LSTMs. Raises ConfigError for an odd hidden_size with two directions, input
    feeding without attention, one embedding for two vocabularies, and as TeacherForcing does.
    """
    _check(spec, hidden_size, is_bidirectional, attention, input_feeding, tied_embeddings)
    dropping, units = nn.Dropout(dropout), hidden_size // (1 + is_bidirectional)
    make_cell = functools.partial(CELLS[cell], hidden_size=units, batch_first=True)
    encoder = [
        RecurrentLayer(make_cell, size, "none", is_bidirectional=is_bidirectional, is_initial_state_learned=False)
        for size in (embedding_size, *[hidden_size] * (encoder_layers - 1))
    ]
    feeds = {"none": "nothing", "bahdanau": "context"}.get(attention, "vector") if input_feeding else "nothing"
    num_fed = {"nothing": 0, "context": hidden_size, "vector": embedding_size}[feeds]
    decoder = [
        Direction(nn.LSTM(size, hidden_size, batch_first=True), is_initial_state_learned=False)
        for size in (embedding_size + num_fed, *[hidden_size] * (decoder_layers - 1))
    ]
    combination = nn.Linear(hidden_size * (1 if attention == "none" else 2), embedding_size)
    return Seq2Seq(
        None if tied_embeddings == "all" else nn.Embedding(len(spec.vocabulary), embedding_size, PADDING),
        Encoder(encoder, dropping),
        LastStep(units),
        nn.Linear(hidden_size, 2 * decoder_layers * hidden_size),
        nn.Embedding(num_outputs, embedding_size, PADDING) if tied_embeddings == "none" else None,
        Decoder(decoder, build_attention(attention, hidden_size, hidden_size), combination, dropping, feeds=feeds),
        dropping,
        nn.Linear(embedding_size, num_outputs),
        TeacherForcing(teacher_forcing_schedule, teacher_forcing, teacher_forcing_end),
    )


def _check(
    spec: PairSpec,
    hidden_size: int,
    is_bidirectional: bool,
    attention: str,
    input_feeding: bool,
    tied_embeddings: str,
) -> None:
    """Raise ConfigError for what does not go together."""
    if is_bidirectional and hidden_size % 2:
        raise ConfigError(
            f"model.hidden_size={hidden_size} cannot be shared by two directions; use an even one or "
            "model.is_bidirectional=false"
        )
    if input_feeding and attention == "none":
        raise ConfigError(
            "model.input_feeding=true feeds what attention gives, and model.attention=none; use "
            "model.input_feeding=false or another attention"
        )
    if tied_embeddings == "all" and not spec.has_one_vocabulary:
        raise ConfigError(
            "model.tied_embeddings=all needs one vocabulary of source and target, and the data has two; use "
            "model.tied_embeddings=target"
        )
