"""What a run would be, found without running it: sizes, the first loss, the time of a step."""

import time
from collections.abc import Iterator
from statistics import median

import torch
from torch import Tensor

from paribus.building import build_data, build_task
from paribus.config import Config
from paribus.data.loader import Step
from paribus.data.spec import NO_TARGET, ClassificationSpec, PairSpec
from paribus.experiment import prepare_torch
from paribus.figures.drawing import plain
from paribus.tasks.task import Task

MOST_CLASSES = 10  # that are listed
WARM_STEPS, TIMED_STEPS = 3, 10
PATIENCE = 5.0  # seconds after which no further step is timed


def inspect(config: Config) -> Iterator[str]:
    """Lines to print. Raises whatever building the run would raise."""
    prepare_torch(config)
    data = build_data(config)
    task = build_task(config, data)
    trainer = config["trainer"].build(model=task.model)
    task.check_devices(config["trainer"].settings["devices"], config["data"].settings["batch_size"])
    device, precision = trainer.strategy.root_device, trainer.precision_plugin
    task.to(device)
    step = [
        (precision.convert_input(inputs.to(device)), precision.convert_input(targets.to(device)))
        for inputs, targets in next(iter(data.train_dataloader()))[0]
    ]
    inputs, targets = step[0]
    with precision.train_step_context():
        first, chance = _first_losses(task, inputs, targets)
        seconds, state_bytes = _time_step(task, step)
        outputs = task.predicted(inputs, targets)
    epochs, steps = config["trainer"].settings["max_epochs"], data.steps_per_epoch
    parameters = list(task.model.parameters())
    yield f"{config.name}: data {config['data'].part.name}, model {config['model'].part.name}"
    yield from (f"note           {note}" for note in config.notes)
    yield "rows           " + ", ".join(f"{name} {data.num_rows(name)}" for name in ("train", "val", "test"))
    yield from (f"data           {remark}" for remark in data.remarks)
    if isinstance(data.spec, ClassificationSpec) and not isinstance(data.spec, PairSpec):
        yield f"classes        {_class_counts(data.spec, data.raw('train').targets)}"
    yield f"batch          inputs {tuple(inputs.shape)} {inputs.dtype}, targets {tuple(targets.shape)} {targets.dtype}"
    yield f"outputs        {tuple(outputs.shape)}"
    yield f"parameters     {sum(each.numel() for each in parameters):,} ({_size(_bytes(parameters))})"
    yield f"optimizer      {config['optimizer'].part.name}, state {_size(state_bytes)}"
    yield f"first loss     {first:.4f}; chance gives {chance:.4f}"
    yield f"steps          {steps} an epoch, {steps * epochs} in {epochs} epochs"
    epoch, whole = _duration(seconds * steps), _duration(seconds * steps * epochs)
    yield f"estimated time {epoch} of steps an epoch, {whole} in all, on {device}"


def _class_counts(spec: ClassificationSpec, targets: Tensor) -> str:
    """How many training targets are of each class; of many classes, of the first ones."""
    counts = targets[targets != NO_TARGET].bincount(minlength=spec.num_classes).tolist()
    named = [f"{plain(name)} {count}" for name, count in zip(spec.class_names, counts, strict=True)]
    listed = ", ".join(named[:MOST_CLASSES]) + (f" and {len(named) - MOST_CLASSES} more" * (len(named) > MOST_CLASSES))
    positive = f"; {plain(spec.class_names[1])} is the positive one" if spec.num_classes == 2 else ""
    return f"{listed} in train, the most frequent {max(counts) / sum(counts):.1%}{positive}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:.3g} min"


def _first_losses(task: Task, inputs: Tensor, targets: Tensor) -> tuple[float, float]:
    """The loss of the untrained model, and that of knowing nothing: equal logits, or the training mean."""
    task.eval()
    with torch.no_grad():
        outputs = task.predicted(inputs, targets)
        return (
            float(task.loss(*task.flat(outputs, targets))),
            float(task.loss(*task.flat(torch.zeros_like(outputs), targets))),
        )


def _time_step(task: Task, step: Step) -> tuple[float, int]:
    """Seconds of one optimizer step, and the bytes of the optimizer's state after it."""
    task.train()
    task.freeze_for(0)
    optimizer = task.make_optimizer(task.model.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        outputs = [(task.predicted(inputs, targets), targets) for inputs, targets in step]
        losses = [task.loss(*task.flat(*each)) / len(step) for each in outputs]
        total = torch.stack(losses).sum()
        total.backward()
        return total

    spent: list[float] = []
    while len(spent) < WARM_STEPS + TIMED_STEPS and (len(spent) < 2 or sum(spent) < PATIENCE):
        started = time.perf_counter()
        optimizer.step(closure)  # type: ignore[arg-type]
        _wait(step[0][0].device)
        spent.append(time.perf_counter() - started)
    seconds = median(spent[min(WARM_STEPS, len(spent) - 1) :])
    states = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
    return seconds, _bytes(states)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _bytes(tensors: list[Tensor] | list[torch.nn.Parameter]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _size(number: int) -> str:
    return f"{number / 2**20:.2f} MiB" if number >= 2**20 else f"{number / 2**10:.1f} KiB"
