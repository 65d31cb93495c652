"""Building the parts of a run and fitting them together: data, loss, initialized model, task."""

import paribus.torchvision_ops  # noqa: F401, I001 - before anything imports lightning

import functools
from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from paribus import parts, scores
from paribus.activations import gain
from paribus.augmentation import Mixing
from paribus.augmentation.chosen import Mixer, in_order
from paribus.config import Config
from paribus.data.loader import Fold, Loading
from paribus.data.module import TensorData
from paribus.data.spec import (
    END,
    UNKNOWN,
    BinarySpec,
    ClassificationSpec,
    DataSpec,
    ForecastSpec,
    PairSpec,
    RegressionSpec,
)
from paribus.errors import ConfigError
from paribus.fine_tuning import FineTuning
from paribus.initializers import initialize
from paribus.losses import Loss
from paribus.models.carrying import CarriesState
from paribus.models.seq2seq import Seq2Seq
from paribus.models.window_normalization import wrap
from paribus.optimizers import FULL_BATCH
from paribus.schedulers import Horizon
from paribus.tasks.classification import Classification
from paribus.tasks.forecasting import Forecasting
from paribus.tasks.regression import Regression
from paribus.tasks.sequence_to_sequence import SequenceToSequence
from paribus.tasks.tagging import Tagging
from paribus.tasks.task import Task
from paribus.trainers import available, suits_tensor_cores

Product = TypeVar("Product")

TASKS: dict[type[DataSpec], type[Task]] = {
    ClassificationSpec: Classification,
    BinarySpec: Classification,
    RegressionSpec: Regression,
    ForecastSpec: Forecasting,
    PairSpec: SequenceToSequence,
}
# What errors call them, where it is not classification.
KINDS: dict[type[DataSpec], str] = {
    BinarySpec: "binary classification",
    RegressionSpec: "regression",
    ForecastSpec: "forecasting",
    PairSpec: "pairs of sequences",
}


def kind_of_task(spec: DataSpec) -> type[Task]:
    """The task that a kind of data is for."""
    if spec.is_aligned and isinstance(spec, ClassificationSpec):
        return Tagging
    return TASKS[type(spec)]


def build_data(config: Config) -> TensorData:
    """The data module that the config chooses. Raises DataError or ConfigError."""
    settings = config["data"].settings
    trainer = config["trainer"].settings
    loading = Loading(
        config.seed,
        settings["batch_size"],
        trainer["steps_per_execution"],
        None if config["optimizer"].part.name in FULL_BATCH else trainer["accumulate_grad_batches"],
        settings["train_fraction"],
        settings["sampling"],
        Fold(config.fold, config.cross_validation) if config.fold and config.cross_validation else None,
    )
    data = _built(
        config, "data", TensorData, loading=loading, root=settings["root"], num_workers=settings["num_workers"]
    )
    steps = _augmentation(config)
    changing = [step for step in steps if not isinstance(step, Mixing)]
    if changing:
        data.augment(in_order(changing))
    if not data.spec.is_image and any(step.images_only for step in steps if isinstance(step, Mixing)):
        raise ConfigError("augmentation.cutmix cuts boxes out of images, and this data has none; use mixup")
    return data


def _augmentation(config: Config) -> list[Any]:
    """The steps that the config chooses, in order. Raises ConfigError where another step follows one that mixes."""
    built = {choice.part.name: choice.build() for choice in config.several["augmentation"]}
    steps = {name: step for name, step in built.items() if step is not None}
    are_mixing = [isinstance(step, Mixing) for step in steps.values()]
    if are_mixing != sorted(are_mixing):
        first = list(steps)[are_mixing.index(True)]
        raise ConfigError(
            f"augmentation=[{','.join(steps)}]: {first} mixes whole batches once all else is done; list it last"
        )
    return list(steps.values())


def build_task(config: Config, data: TensorData) -> Task:
    """Loss, initialized model and task for the data. Raises ConfigError for parts that do not fit together."""
    spec, trainer, regularization = data.spec, config["trainer"].settings, config["regularization"]
    _check_pairs(config, spec)
    loss = build_loss(config, spec)
    _check_changes_of_inputs(config, spec)
    model = build_model(config, spec, loss)
    horizon = Horizon(data.steps_per_epoch * trainer["max_epochs"], trainer["max_epochs"])
    fine_tuning: FineTuning | None = config["fine_tuning"].build()
    mixings = [step for step in _augmentation(config) if isinstance(step, Mixing)]

    def make_optimizer(parameters: Iterable[nn.Parameter]) -> Optimizer:
        optimizer = _built(
            config, "optimizer", Optimizer, parameters=list(parameters), decay_all=regularization.settings["decay_all"]
        )
        if fine_tuning is not None:
            fine_tuning.scale_learning_rates(optimizer, model)
        return optimizer

    make_optimizer(model.parameters())  # settings that do not go together are found now, not in the run
    return kind_of_task(spec)(
        spec,
        model,
        loss,
        make_optimizer,
        functools.partial(config["scheduler"].build, horizon=horizon),
        regularization.build(seed=config.seed),
        config["averaging"].build(horizon=horizon),
        fine_tuning,
        Mixer(config.seed, mixings) if mixings else None,
        config["decoding"].build(),
        steps_per_epoch=data.steps_per_epoch,
        monitor=trainer["monitor"],
        log_every_n_steps=trainer["log_every_n_steps"],
    )


def _built(config: Config, group: str, kind: type[Product], **provided: object) -> Product:
    """What the chosen part's builder gives. Raises ConfigError where that is something else than a `kind`."""
    found, part = config[group].build(**provided), config[group].part
    if not isinstance(found, kind):
        raise ConfigError(
            f"{group} {part.name} gives a {type(found).__name__}, and a {kind.__module__}.{kind.__name__} is needed "
            f"({part.file})"
        )
    return found


def build_model(config: Config, spec: DataSpec, loss: Loss) -> nn.Module:
    """The model with its initial weights, on the CPU. Raises ConfigError where it does not fit the data or the loss."""
    settings, trainer = config["regularization"].settings, config["trainer"].settings
    model = _built(
        config,
        "model",
        Seq2Seq if isinstance(spec, PairSpec) else nn.Module,  # decoding asks for more than outputs
        spec=spec,
        num_outputs=loss.num_outputs * spec.num_values,
        activation=lambda: _built(config, "activation", nn.Module),
        **{key: settings[key] for key in ("normalization", "dropout", "spatial_dropout")},
    )
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ConfigError(f"model {config['model'].part.name} has no weights to train ({config['model'].part.file})")
    _check_batch_norm(model, config)
    if spec.is_stream and not any(isinstance(layer, CarriesState) for layer in model.modules()):
        raise ConfigError(
            f"data.carry_state=true, and model {config['model'].part.name} carries no state; use model=lstm, gru or rnn"
        )
    _initialize(model, config)
    model = wrap(model, spec)  # only now: by the names of its layers a model starts alike with and without
    _check_outputs(model, config, spec, loss)
    if trainer["precision"] == "64-true":
        model.double()  # now, not when training starts: a checkpoint's weights must not pass through 32 bits
    if trainer["channels_last"] or (
        trainer["channels_last"] is None and suits_tensor_cores(available(trainer["accelerator"]), model)
    ):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if trainer["compile_model"]:
        model.compile()
    return model


def _initialize(model: nn.Module, config: Config) -> None:
    initializer = config["initializer"]
    needs_gain = "activation_gain" in initializer.part.consumes
    activation_gain = gain(config["activation"].build()) if needs_gain else None
    initialize(
        model,
        lambda weight: initializer.build(weight=weight, activation_gain=activation_gain),
        config.seed,
        **{key: initializer.settings[key] for key in parts.SHARED["initializer"]},
    )


@torch.no_grad()
def _check_outputs(model: nn.Module, config: Config, spec: DataSpec, loss: Loss) -> None:
    """Raise ConfigError where the model does not give (B, num_outputs) for a batch; (B, steps, ...) where aligned.

    One for pairs is to give a row for each target.
    """
    shape, part = (2, *spec.input_shape), config["model"].part
    inputs = torch.full(shape, UNKNOWN, dtype=torch.int32) if spec.is_text else torch.zeros(shape)
    targets = torch.full((2, 1), END)
    outputs = model.eval()(inputs, targets) if isinstance(spec, PairSpec) else model.eval()(inputs)
    model.train()
    found = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    steps = spec.input_shape[:1] if spec.is_aligned else ()
    wanted = (len(inputs), *steps, loss.num_outputs * spec.num_values)
    if found != wanted:
        raise ConfigError(
            f"model {part.name} gives {found} for inputs {tuple(inputs.shape)}, and {wanted} is needed ({part.file})"
        )


def _check_pairs(config: Config, spec: DataSpec) -> None:
    """Raise ConfigError where one of model and data is for pairs of sequences, and the other is not."""
    model, data = config["model"].part, config["data"].part
    if isinstance(spec, PairSpec) and not model.reads_pairs:
        raise ConfigError(
            f"data={data.name} asks for a sequence for each sequence, and model {model.name} gives none; "
            "use model=seq2seq"
        )
    if isinstance(spec, PairSpec):
        scores.signatures(spec.scores)  # what measures them is installed, or that is said now and not after an epoch
    if model.reads_pairs and not isinstance(spec, PairSpec):
        raise ConfigError(
            f"model {model.name} reads pairs of sequences, and data={data.name} has none; use data=dates or data=pairs"
        )


def build_loss(config: Config, spec: DataSpec) -> Loss:
    """The loss that the config chooses. Raises ConfigError where it is not for this kind of data."""
    chosen = config["loss"]
    if not parts.accepts(chosen.part, "spec", spec):
        kind = KINDS.get(type(spec), "classification")
        every = parts.by_option("loss", config.extension)
        fitting = [option for option, part in every.items() if parts.accepts(part, "spec", spec)]
        raise ConfigError(
            f"loss={chosen.part.name} does not fit data={config['data'].part.name}, which is for {kind}; "
            f"use loss={' or '.join(fitting)}"
        )
    return _built(config, "loss", Loss, spec=spec, label_smoothing=config["regularization"].settings["label_smoothing"])


def _check_changes_of_inputs(config: Config, spec: DataSpec) -> None:
    """Raise ConfigError for noise and mixing that the inputs cannot take: tokens, streams, what is known ahead."""
    noise = config["regularization"].settings["input_noise"]
    if spec.is_text and noise:
        raise ConfigError(f"regularization.input_noise={noise} is for numbers, and the data is text; use dropout")
    if isinstance(spec, ForecastSpec) and noise and not spec.is_aligned and spec.num_past < spec.input_shape[0]:
        raise ConfigError(
            f"regularization.input_noise={noise} would reach the steps ahead, which data.known_ahead shows as they "
            "are; use regularization.dropout"
        )
    mixing = [choice.part.name for choice in config.several["augmentation"] if choice.part.name != "none"]
    if (spec.is_text or spec.is_stream) and mixing:
        what = "text" if spec.is_text else "streams, whose state is carried on"
        raise ConfigError(f"augmentation={mixing[0]} mixes examples, and the data is {what}; use augmentation=none")


def _check_batch_norm(model: nn.Module, config: Config) -> None:
    uses = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules())
    if uses and config["data"].settings["batch_size"] == 1:
        raise ConfigError("data.batch_size=1: batch normalization needs 2 or more, or another normalization")
