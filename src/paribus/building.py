"""Building the parts of a run and fitting them together: data, loss, initialized model, task."""

import paribus.torchvision_ops  # noqa: F401, I001 - before anything imports lightning

import functools
from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer

from paribus import parts
from paribus.activations import gain
from paribus.config import Config
from paribus.data.loader import Loading
from paribus.data.module import TensorData
from paribus.data.spec import BinarySpec, ClassificationSpec, DataSpec, RegressionSpec
from paribus.errors import ConfigError
from paribus.initializers import initialize
from paribus.losses import Loss
from paribus.schedulers import Horizon
from paribus.tasks.classification import Classification
from paribus.tasks.regression import Regression
from paribus.tasks.task import Task

TASKS: dict[type[DataSpec], type[Task]] = {
    ClassificationSpec: Classification,
    BinarySpec: Classification,
    RegressionSpec: Regression,
}


def build_data(config: Config) -> TensorData:
    """The data module that the config chooses. Raises DataError or ConfigError."""
    settings = config["data"].settings
    loading = Loading(config.seed, settings["batch_size"], config["trainer"].settings["steps_per_execution"])
    data: TensorData = config["data"].build(loading=loading, root=settings["root"])
    return data


def build_task(config: Config, data: TensorData) -> Task:
    """Loss, initialized model and task for the data. Raises ConfigError for parts that do not fit together."""
    spec, trainer = data.spec, config["trainer"].settings
    loss = _build_loss(config, spec)
    activation = config["activation"].build
    model: nn.Module = config["model"].build(
        spec=spec,
        num_outputs=loss.num_outputs,
        activation=activation,
        normalization=config["regularization"].settings["normalization"],
        dropout=config["regularization"].settings["dropout"],
    )
    _check_batch_norm(model, config)
    fill = config["initializer"]
    activation_gain = gain(activation()) if "activation_gain" in fill.part.consumes else None
    initialize(model, lambda layer: fill.build(layer=layer, activation_gain=activation_gain), config.seed)
    if trainer["precision"] == "64-true":
        model.double()  # now, not when training starts: a checkpoint's weights must not pass through 32 bits

    def make_optimizer(parameters: Iterable[nn.Parameter]) -> Optimizer:
        optimizer: Optimizer = config["optimizer"].build(parameters=parameters)
        return optimizer

    make_optimizer(model.parameters())  # settings that do not go together are found now, not in the run
    return TASKS[type(spec)](
        spec,
        model,
        loss,
        make_optimizer,
        functools.partial(
            config["scheduler"].build,
            horizon=Horizon(data.steps_per_epoch * trainer["max_epochs"], trainer["max_epochs"]),
        ),
        config["regularization"].build(),
        steps_per_epoch=data.steps_per_epoch,
        monitor=trainer["monitor"],
        log_every_n_steps=trainer["log_every_n_steps"],
    )


def _build_loss(config: Config, spec: DataSpec) -> Loss:
    chosen = config["loss"]
    if not parts.accepts(chosen.part, "spec", spec):
        kind = {BinarySpec: "binary classification", RegressionSpec: "regression"}.get(type(spec), "classification")
        every = parts.by_option("loss", config.extension)
        fitting = [option for option, part in every.items() if parts.accepts(part, "spec", spec)]
        raise ConfigError(
            f"loss={chosen.part.name} does not fit data={config['data'].part.name}, which is for {kind}; "
            f"use loss={' or '.join(fitting)}"
        )
    loss: Loss = chosen.build(spec=spec, label_smoothing=config["regularization"].settings["label_smoothing"])
    return loss


def _check_batch_norm(model: nn.Module, config: Config) -> None:
    uses = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules())
    if uses and config["data"].settings["batch_size"] == 1:
        raise ConfigError("data.batch_size=1: batch normalization needs 2 or more, or another normalization")
