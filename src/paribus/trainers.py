"""The Trainer: how long, where and how precisely."""

import os
import shutil

import torch
from lightning.pytorch import Trainer

from paribus.checkpoints import AtomicCheckpointIO
from paribus.errors import ConfigError
from paribus.types import Accelerator, Flag, MetricName, PositiveInt, Precision


def lightning(
    *,
    max_epochs: PositiveInt,
    accelerator: Accelerator,
    precision: Precision,
    monitor: MetricName,
    log_every_n_steps: PositiveInt,
    steps_per_execution: PositiveInt,
    accumulate_grad_batches: PositiveInt,
    compile_model: Flag,
) -> Trainer:
    """Lightning's Trainer on one device, with our own checkpoints and progress.

    The task takes monitor, log_every_n_steps and compile_model, the data how batches are grouped. Raises ConfigError
    for a GPU that is not there, and where torch.compile lacks a compiler.
    """
    device = available(accelerator)
    if compile_model and device == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise ConfigError("trainer.compile_model=true: torch.compile needs a C++ compiler here; install g++")
    return Trainer(
        accelerator=device,
        devices=1,
        precision=precision,
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


def available(accelerator: str) -> str:
    """gpu or cpu: what auto means here. Raises ConfigError for a GPU that is not there."""
    found = torch.cuda.is_available()
    if accelerator == "gpu" and not found:
        reason = "torch is a CPU build" if torch.version.cuda is None else "torch finds no CUDA device"
        raise ConfigError(
            f"trainer.accelerator=gpu: there is no usable GPU here ({reason}); use trainer=cpu, or see `paribus doctor`"
        )
    return "gpu" if accelerator != "cpu" and found else "cpu"
