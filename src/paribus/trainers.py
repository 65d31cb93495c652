"""The Trainer: how long, where and how precisely."""

import os
import shutil
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import nn
from torch.nn.modules.conv import _ConvNd

from paribus.checkpoints import AtomicCheckpointIO
from paribus.errors import ConfigError
from paribus.several_devices import SeveralDevices, rank_of_this_process
from paribus.types import Accelerator, Flag, MetricName, PositiveInt, Precision


def lightning(
    model: nn.Module,
    *,
    max_epochs: PositiveInt,
    accelerator: Accelerator,
    devices: PositiveInt,
    precision: Precision,
    monitor: MetricName,
    log_every_n_steps: PositiveInt,
    steps_per_execution: PositiveInt,
    accumulate_grad_batches: PositiveInt,
    channels_last: Flag | None,
    compile_model: Flag,
) -> Trainer:
    """Lightning's Trainer with our own checkpoints and progress, for the model that it will train.

    On several devices it is the trainer of this process's own. The task takes monitor, log_every_n_steps, channels_last
    and compile_model, the data how batches are grouped. Raises ConfigError for a GPU that is not there, and where
    torch.compile lacks a compiler.
    """
    device = available(accelerator)
    if compile_model and device == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise ConfigError("trainer.compile_model=true: torch.compile needs a C++ compiler here; install g++")
    several = _several(device, devices) if devices > 1 else None
    return Trainer(
        accelerator=device,
        devices=[several.rank] if several and device == "gpu" else 1,
        strategy=several or "auto",
        precision=_chosen(precision, device, model),
        max_epochs=max_epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        inference_mode=False,  # what is computed in it, such as averages of weights, could not be trained on
        log_every_n_steps=1,  # the task itself keeps to the setting
        plugins=[AtomicCheckpointIO()],
    )


def _several(device: str, count: int) -> SeveralDevices:
    """This process among those of all devices. Raises ConfigError for more of them than there are."""
    if not torch.distributed.is_available():
        raise ConfigError(f"trainer.devices={count}: this build of torch trains on one device; use trainer.devices=1")
    rank = rank_of_this_process()
    if device == "cpu":
        return SeveralDevices(torch.device("cpu"), rank, count)
    found = torch.cuda.device_count()
    if count > found:
        raise ConfigError(f"trainer.devices={count}: torch finds {found} GPU{'s' * (found > 1)} here; use {found}")
    return SeveralDevices(torch.device("cuda", rank), rank, count)


def _chosen(precision: Precision, device: str, model: nn.Module) -> Any:
    if precision != "auto":
        return precision
    return "bf16-mixed" if suits_tensor_cores(device, model) else "32-true"


def suits_tensor_cores(device: str, model: nn.Module) -> bool:
    """Whether bfloat16 and channels-last memory pay: convolutions on a GPU that has the units for them."""
    has_units = device == "gpu" and torch.cuda.is_bf16_supported(including_emulation=False)
    return has_units and any(isinstance(layer, _ConvNd) for layer in model.modules())


def available(accelerator: str) -> str:
    """gpu or cpu: what auto means here. Raises ConfigError for a GPU that is not there."""
    found = torch.cuda.is_available()
    if accelerator == "gpu" and not found:
        reason = "torch is a CPU build" if torch.version.cuda is None else "torch finds no CUDA device"
        raise ConfigError(
            f"trainer.accelerator=gpu: there is no usable GPU here ({reason}); use trainer=cpu, or see `paribus doctor`"
        )
    return "gpu" if accelerator != "cpu" and found else "cpu"
