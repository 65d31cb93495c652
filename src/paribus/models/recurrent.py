"""Recurrent models of sequences: one output for a whole sequence, one for each step, or many steps from one vector.

Which of these it is follows from the data. Shapes: B batch, T steps, F features, K outputs.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from paribus.data.spec import PADDING, DataSpec, ForecastSpec
from paribus.errors import ConfigError
from paribus.models.recurrent_layers import RecurrentLayer, SequenceDropout
from paribus.models.recurrent_network import RecurrentNetwork
from paribus.models.sequence_pooling import sequence_pooling
from paribus.types import Flag, InitialState, Nonlinearity, PositiveInt, SequencePooling


@dataclass(frozen=True)
class Settings:
    """Those that all recurrent models have."""

    hidden_size: int
    num_layers: int
    is_bidirectional: bool
    pooling: str
    embedding_size: int
    initial_state: str
    variational_dropout: bool


def rnn(
    spec: DataSpec,
    num_outputs: int,
    normalization: str,
    dropout: float,
    *,
    nonlinearity: Nonlinearity,
    hidden_size: PositiveInt,
    num_layers: PositiveInt,
    is_bidirectional: Flag,
    pooling: SequencePooling,
    embedding_size: PositiveInt,
    initial_state: InitialState,
    variational_dropout: Flag,
) -> nn.Module:
    """(B, T, F), or tokens (B, T) -> (B, K); (B, T, K) where each step has a target. Elman 1990.

    Dropout follows the embedding and each layer; normalization is none or layer. Raises ConfigError for another one,
    for data that are no sequences, and for two directions where state is carried from batch to batch.
    """
    settings = Settings(
        hidden_size, num_layers, is_bidirectional, pooling, embedding_size, initial_state, variational_dropout
    )
    make_cell = functools.partial(nn.RNN, hidden_size=hidden_size, nonlinearity=nonlinearity, batch_first=True)
    return _network("rnn", make_cell, spec, num_outputs, normalization, dropout, settings)


def gru(
    spec: DataSpec,
    num_outputs: int,
    normalization: str,
    dropout: float,
    *,
    hidden_size: PositiveInt,
    num_layers: PositiveInt,
    is_bidirectional: Flag,
    pooling: SequencePooling,
    embedding_size: PositiveInt,
    initial_state: InitialState,
    variational_dropout: Flag,
) -> nn.Module:
    """As rnn, with gates: Cho et al. 2014, but the reset gate acts behind the product with the state, as in cuDNN."""
    settings = Settings(
        hidden_size, num_layers, is_bidirectional, pooling, embedding_size, initial_state, variational_dropout
    )
    make_cell = functools.partial(nn.GRU, hidden_size=hidden_size, batch_first=True)
    return _network("gru", make_cell, spec, num_outputs, normalization, dropout, settings)


def lstm(
    spec: DataSpec,
    num_outputs: int,
    normalization: str,
    dropout: float,
    *,
    hidden_size: PositiveInt,
    num_layers: PositiveInt,
    is_bidirectional: Flag,
    pooling: SequencePooling,
    embedding_size: PositiveInt,
    initial_state: InitialState,
    variational_dropout: Flag,
) -> nn.Module:
    """As rnn, with a memory cell: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""
    settings = Settings(
        hidden_size, num_layers, is_bidirectional, pooling, embedding_size, initial_state, variational_dropout
    )
    make_cell = functools.partial(nn.LSTM, hidden_size=hidden_size, batch_first=True)
    return _network("lstm", make_cell, spec, num_outputs, normalization, dropout, settings)


def _network(
    name: str,
    make_cell: Callable[[int], nn.RNNBase],
    spec: DataSpec,
    num_outputs: int,
    normalization: str,
    dropout: float,
    settings: Settings,
) -> nn.Module:
    """The model of that name, whose directions are what make_cell(F) gives."""
    _check(name, spec, normalization, settings.is_bidirectional)
    num_steps = _steps_from_vector(spec)
    num_features = settings.embedding_size if spec.is_text else spec.input_shape[-1]
    width = settings.hidden_size * (1 + settings.is_bidirectional)
    layers = [
        RecurrentLayer(
            make_cell,
            size,
            normalization,
            is_bidirectional=settings.is_bidirectional,
            is_initial_state_learned=settings.initial_state == "learned",
        )
        for size in (num_features, *[width] * (settings.num_layers - 1))
    ]
    has_output_each_step = spec.is_aligned or num_steps is not None
    dropout_of_steps = SequenceDropout(dropout) if settings.variational_dropout else nn.Dropout(dropout)
    return RecurrentNetwork(
        nn.Embedding(len(spec.vocabulary), settings.embedding_size, PADDING) if spec.is_text else None,
        layers,
        dropout_of_steps,
        None if has_output_each_step else sequence_pooling(settings.pooling, settings.hidden_size, width),
        dropout_of_steps if has_output_each_step else nn.Dropout(dropout),
        nn.Linear(width, num_outputs // (num_steps or 1)),
        num_steps=num_steps,
        is_stream=spec.is_stream,
    )


def _steps_from_vector(spec: DataSpec) -> int | None:
    """How many steps are to be made of one vector; None where the data itself has steps."""
    return spec.horizon if isinstance(spec, ForecastSpec) and len(spec.input_shape) == 1 else None


def _check(name: str, spec: DataSpec, normalization: str, is_bidirectional: bool) -> None:
    """Raise ConfigError for what a recurrent model of that name cannot be or read."""
    if spec.is_image:
        raise ConfigError(
            f"model {name} reads sequences, and the data gives images {spec.input_shape}; use model=cnn, or "
            "data=mnist_rows, which reads an image as a sequence of its rows"
        )
    if not spec.is_sequence and _steps_from_vector(spec) is None:
        raise ConfigError(
            f"model {name} reads sequences, and the data gives {spec.input_shape} an example; use model=mlp"
        )
    if normalization not in ("none", "layer"):
        raise ConfigError(
            f"regularization.normalization={normalization} is not for sequences; model {name} takes none or layer. "
            "Where you have not set it, the experiment has: add regularization.normalization=none or experiment=null"
        )
    if spec.is_stream and is_bidirectional:
        raise ConfigError(
            "model.is_bidirectional=true: the data carries state from batch to batch, and none comes from what is yet "
            "to be read; use model.is_bidirectional=false"
        )
