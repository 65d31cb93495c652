"""What all tasks share: one optimizer step, three stages, and the figures of an epoch."""

import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection

from paribus.augmentation.chosen import Mixer
from paribus.averaging import Average, Averaging
from paribus.data.loader import Batch, Step, own_rows
from paribus.data.module import TensorData
from paribus.data.spec import ClassificationSpec, DataSpec
from paribus.decoding.choices import Decoding
from paribus.errors import ConfigError, RunError, nearest
from paribus.fine_tuning import FineTuning
from paribus.losses import Loss
from paribus.models.carrying import CarriesState
from paribus.optimizers import layout_of_now, settings_of_now
from paribus.regularization import Regularization
from paribus.schedulers import Schedule
from paribus.several_devices import SeveralDevices
from paribus.tasks.meter import Meter


class Task(LightningModule):
    """A model with its loss, optimizer, schedule and regularization.

    Optimization is Lightning's manual kind, so that one call of training_step may take several optimizer steps. Each
    group of batches is a list of steps, each step a list of (inputs (B, ...), targets (B,)) pairs. Raises ConfigError
    for a `monitor` that is not measured. decoding is how a test's outputs are searched for where they are sequences.
    """

    def __init__(
        self,
        spec: DataSpec,
        model: nn.Module,
        loss: Loss,
        make_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        make_schedule: Callable[..., Schedule | None],
        regularization: Regularization,
        averaging: Averaging | None,
        fine_tuning: FineTuning | None,
        mixer: Mixer | None,
        decoding: Decoding | None,
        *,
        steps_per_epoch: int,
        monitor: str,
        log_every_n_steps: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.spec, self.model, self.loss = spec, model, loss
        self.make_optimizer, self._regularization = make_optimizer, regularization
        self.steps_per_epoch, self._log_every_n_steps = steps_per_epoch, log_every_n_steps
        self._carriers = [each for each in model.modules() if isinstance(each, CarriesState)] if spec.is_stream else []
        self._weights = [weight for weight in model.parameters() if weight.ndim > 1]
        self._is_channels_last = any(weight.ndim == 4 and not weight.is_contiguous() for weight in self._weights)
        self._meters = {stage: Meter(stage, self.metrics(stage), self.readable) for stage in ("train", "val", "test")}
        self._average = Average(model, averaging) if averaging else None
        self._fine_tuning, self.mixer, self._decoding = fine_tuning, mixer, decoding
        self._measured, self._tested = 0, list[Batch]()
        self._several: SeveralDevices | None = None
        # Of a device's share of a batch: batch normalization cannot use one.
        self._least_rows = 2 if any(isinstance(layer, _BatchNorm) for layer in model.modules()) else 1
        self.monitor, self.monitor_mode = monitor, self._mode(monitor)
        self._schedule = make_schedule(monitor_mode=self.monitor_mode)

    @abstractmethod
    def metrics(self, stage: str) -> MetricCollection:
        """The torchmetrics of a stage, by the name that follows "val/"; they take what `readable` gives."""

    @abstractmethod
    def readable(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (M, K), targets (M,) as `flat` gives them -> both as people and metrics read them."""

    @abstractmethod
    def figures(self, run: str, data: TensorData) -> dict[str, Figure]:
        """Figures of the test that has just run on `data`, by file name; `run` is named in each."""

    def tables(self, data: TensorData) -> dict[str, list[dict[str, Any]]]:
        """Tables of the test that has just run on `data`, by file name: rows of values by column."""
        return {}

    def verdict(self) -> str | None:
        """A line for people on the test that has just run: how it compares with what needs no learning."""
        return None

    def flat(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """outputs (B, ...) of the model, targets (B, *target_shape) -> (M, K), (M,): a row for each real target.

        All that is measured, the loss first, is a mean over these.
        """
        return outputs, targets

    def predicted(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """inputs (B, *input_shape), targets (B, *target_shape) -> what the loss is of, as the model gives it."""
        return self(inputs)  # type: ignore[no-any-return]

    def test_results(self) -> tuple[Tensor, Tensor]:
        """Readable predictions and targets of the whole test that has just run, on the CPU."""
        outputs, targets = zip(*self._tested, strict=True)
        return self.readable(torch.cat(outputs), torch.cat(targets))

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (B, *input_shape) -> outputs (B, K): logits, or values in standard units; never below float32."""
        if self._is_channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        outputs: Tensor = self.model(inputs)
        return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

    def configure_optimizers(self) -> Any:
        """The optimizer and, where there is a schedule, its scheduler.

        A resumed run takes the optimizer's state from the checkpoint, and its settings from the config.
        """
        optimizer = self.make_optimizer(self.model.parameters())
        optimizer.register_load_state_dict_pre_hook(settings_of_now)
        optimizer.register_load_state_dict_post_hook(layout_of_now)
        if self._schedule is None:
            return optimizer
        return [optimizer], [self._schedule.make(optimizer)]

    def on_fit_start(self) -> None:
        """Metrics, and the average of a resumed run, live where the model does."""
        self._several = self.trainer.strategy if isinstance(self.trainer.strategy, SeveralDevices) else None
        self._move_metrics()
        if self._average is not None:
            self._average.move()
        if self._several is not None:
            self._begin_alike(self._several)

    def on_train_start(self) -> None:
        """A run that is resumed within an epoch starts no epoch."""
        self.freeze_for(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Freeze or unfreeze what is to be so in this epoch; streams begin anew."""
        self.freeze_for(self.current_epoch)
        self._forget()

    def freeze_for(self, epoch: int) -> None:
        """What fine-tuning does at the start of an epoch, from 0, to a model in train mode."""
        if self._fine_tuning is not None:
            self._fine_tuning.apply(self.model, epoch)

    def on_test_start(self) -> None:
        """As on_fit_start; and streams begin anew."""
        self._move_metrics()
        self._forget()

    def _move_metrics(self) -> None:
        for stage, meter in self._meters.items():
            meter.metrics.to(self.device)
            if self._several is not None:
                for metric in meter.metrics.values():
                    _share(metric, self._several if stage == "train" else None)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What the training figures are made of so far; and beside averaged weights, if any, those in training."""
        measured = self._meters["train"].state_dict()
        checkpoint["train_meter"] = measured if self._several is None else self._several.every(measured)
        if self._carriers:
            checkpoint["carried"] = [each.carried for each in self._carriers]
        if self._average is not None and self._average.has_begun:
            checkpoint["averaging"] = self._average.state_dict()
            checkpoint["weights_in_training"] = checkpoint["state_dict"]
            self._average.exchange()
            checkpoint["state_dict"] = self.state_dict()
            self._average.exchange()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        measured, strategy = checkpoint["train_meter"], self.trainer.strategy
        if isinstance(measured, list):  # each device's own
            measured = measured[strategy.rank if isinstance(strategy, SeveralDevices) else 0]
        self._meters["train"].load_state_dict(measured)
        for carrier, state in zip(self._carriers, checkpoint.get("carried", ()), strict=True):
            carrier.carried = state
        if self._average is not None and "averaging" in checkpoint and self.trainer.training:
            weights = {name.removeprefix("model."): weight for name, weight in checkpoint["state_dict"].items()}
            self._average.load_state_dict(checkpoint["averaging"], weights)
            checkpoint["state_dict"] = checkpoint["weights_in_training"]

    def training_step(self, steps: Sequence[Step], batch_idx: int) -> None:
        """Each optimizer step of the group."""
        for step in steps:
            self._optimize(step)

    def _optimize(self, step: Step) -> None:
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        number = self.global_step
        evaluations = 0

        def closure() -> Tensor:  # called once a step by most optimizers, several times by one with a line search
            nonlocal evaluations
            evaluations += 1
            optimizer.zero_grad()
            losses = self._backward(step, number, is_measured=evaluations == 1)
            norm = self._regularization.change_gradients(list(self.model.parameters()), number)
            if evaluations == 1 and number % self._log_every_n_steps == 0:
                self._log_step(losses, norm)
            return _total(losses).detach()

        optimizer.step(closure)
        self._carry()
        self._regularization.limit(self._weights_in_training)
        if self._average is not None:
            self._average.update("step", self.current_epoch)
        self._move_schedule("step")

    def _carry(self) -> None:
        """What a batch of streams ended with is what the next one begins with."""
        for carrier in self._carriers:
            carrier.carry()

    def _forget(self) -> None:
        for carrier in self._carriers:
            carrier.carried = None

    def count(self, targets: Tensor) -> int:
        """How many of a batch's targets (B, *target_shape) `flat` keeps."""
        return targets.numel()

    def _backward(self, step: Step, number: int, *, is_measured: bool) -> dict[str, Tensor]:
        """Add up the gradients of the step's batches, each weighted by its rows; the step's loss and penalties.

        Of several devices each takes its share of every batch, once noise and mixing are done with the whole of it.
        """
        is_divided = len(step) > 1 or self._several is not None
        rows = sum(self.count(targets) for _, targets in step) if is_divided else 0
        found: list[dict[str, Tensor]] = []
        for place, (inputs, given) in enumerate(step):
            inputs, partner, share = self._mixed(self._regularization.noisy(inputs, number, place), number, place)
            other, is_counted = None if partner is None else given[partner], True
            if self._several is not None:
                own, is_counted = self._own_rows(len(inputs), self._several)
                inputs, given, other = inputs[own], given[own], None if other is None else other[own]
            raw = self.predicted(inputs, given)
            outputs, targets = self.flat(raw, given)
            loss = self.loss(outputs, targets)
            if other is not None:
                loss = share * loss + (1 - share) * self.loss(*self.flat(raw, other))
            losses = {"loss": loss, **self._regularization.penalties(self._weights_in_training)}
            if is_measured and is_counted:
                self._meters["train"].add(outputs, targets, losses, number + 1)
            if is_divided:
                losses = {name: loss * (is_counted * self.count(given) / rows) for name, loss in losses.items()}
            self.manual_backward(_total(losses))
            found.append(losses)
        summed = found[0] if len(found) == 1 else {name: _sum(each[name] for each in found) for name in found[0]}
        return summed if self._several is None else self._over_devices(summed, self._several)

    def _own_rows(self, size: int, several: SeveralDevices) -> tuple[slice, bool]:
        """This device's share of a batch, and whether it counts: one without a share computes what others do."""
        own = own_rows(size, several.rank, several.count, self._least_rows)
        return (own, True) if own.stop else (slice(0, self._least_rows), False)

    def _begin_alike(self, several: SeveralDevices) -> None:
        """Begin with the first device's weights. Raises RunError where another one was given other data."""
        data: TensorData = self.trainer.datamodule  # type: ignore[attr-defined]
        first, *others = several.every(data.fingerprint)
        if any(other != first for other in others):
            raise RunError(
                "the data is not the same on every device: it must come out alike each time it is built; draw random "
                "numbers for it from a generator of a fixed seed, or use trainer.devices=1"
            )
        several.spread([weight for weight in self.model.state_dict().values() if weight.is_floating_point()])

    def _over_devices(self, losses: dict[str, Tensor], several: SeveralDevices) -> dict[str, Tensor]:
        """Sum the gradients and the losses over all devices. What layers keep, such as statistics, is the first's."""
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        summed = {name: loss.detach().clone() for name, loss in losses.items()}
        several.add([*gradients, *summed.values()])
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        several.spread([buffer for buffer in self.model.buffers() if buffer.is_floating_point()])
        return summed

    def check_devices(self, count: int, batch_size: int) -> None:
        """Raise ConfigError where shares of a batch would not make up the whole."""
        if count == 1:
            return
        if self.spec.is_stream:
            raise ConfigError(
                f"trainer.devices={count}: data.carry_state=true carries on the state of a whole batch; use "
                "trainer.devices=1"
            )
        if batch_size < count * self._least_rows:
            ending = ", two a device for batch normalization" if self._least_rows == 2 else ""
            raise ConfigError(
                f"data.batch_size={batch_size} is the batch of all devices together, and trainer.devices={count} needs "
                f"{count * self._least_rows} or more{ending}"
            )
        if not self._is_mean():
            raise ConfigError(
                f"trainer.devices={count}: the loss is no mean over examples, so that shares of a batch do not make up "
                "the whole; use trainer.devices=1, another loss or loss.class_weights=null"
            )

    def _is_mean(self) -> bool:
        """Whether the loss of eight made-up rows is the mean of the losses of each."""
        draws = torch.Generator().manual_seed(0)
        outputs = torch.randn(8, self.loss.num_outputs, dtype=torch.float64, generator=draws)
        targets = torch.randn(8, dtype=torch.float64, generator=draws)
        if isinstance(self.spec, ClassificationSpec):
            targets = torch.arange(8) % self.spec.num_classes
        each = [self.loss(*row) for row in zip(outputs.split(1), targets.split(1), strict=True)]
        return torch.allclose(self.loss(outputs, targets), torch.stack(each).mean(), rtol=1e-9)

    def _mixed(self, inputs: Tensor, number: int, place: int) -> tuple[Tensor, Tensor | None, float]:
        """Inputs (B, ...) mixed with those of partners (B,) in the batch, and their own share, where that is on."""
        return (inputs, None, 1.0) if self.mixer is None else self.mixer(inputs, number, place)

    @property
    def _weights_in_training(self) -> list[nn.Parameter]:
        """Weights of more than one dimension (no biases, no norms) that are not frozen."""
        return [weight for weight in self._weights if weight.requires_grad]

    def _log_step(self, losses: dict[str, Tensor], norm: Tensor | None) -> None:
        if not self.loggers:
            return
        if norm is None:
            gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
            norm = nn.utils.get_total_norm(gradients)
        figures = {f"step/{name}": float(loss.detach()) for name, loss in losses.items()}
        figures |= {"step/gradient_norm": float(norm), "step/learning_rate": self.learning_rate}
        for logger in self.loggers:
            logger.log_metrics(figures, self.global_step)

    @property
    def learning_rate(self) -> float:
        """That of now; the output layer's where stages of a model have their own, which is the highest."""
        return max(float(group["lr"]) for group in self.trainer.optimizers[0].param_groups)

    def _move_schedule(self, event: Literal["step", "epoch", "metric"], figure: float | None = None) -> None:
        if self._schedule is None or self._schedule.moved_by != event:
            return
        scheduler: Any = self.lr_schedulers()
        if figure is None:
            scheduler.step()
        else:
            scheduler.step(figure)

    def validation_step(self, steps: Sequence[Step], batch_idx: int) -> None:
        """Measure without learning."""
        self._measure(steps, "val")

    def test_step(self, steps: Sequence[Step], batch_idx: int) -> None:
        """As validation, and keep the outputs for the figures."""
        self._measure(steps, "test")

    def _measure(self, steps: Sequence[Step], stage: str) -> None:
        for inputs, targets in itertools.chain.from_iterable(steps):
            outputs, flat_targets = self.flat(self.predicted(inputs, targets), targets)
            self._carry()
            losses = {"loss": self.loss(outputs, flat_targets)}
            self._meters[stage].add(outputs, flat_targets, losses, self._measured)
            self._measured += 1
            self._keep(stage, inputs, outputs, flat_targets)

    def _keep(self, stage: str, inputs: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Keep of a batch what figures are made of: inputs (B, ...), the others as `flat` gives them."""
        if stage == "test":
            self._tested.append((outputs.cpu(), targets.cpu()))

    def _figures_of(self, stage: str) -> dict[str, float]:
        """The figures of a stage that has ended, by full name, such as val/loss."""
        if stage == "train" and self._several is not None:
            self._gather(self._several)
        return self._meters[stage].compute()

    def _gather(self, several: SeveralDevices) -> None:
        """Let the training figures be those of all devices; their metrics are summed as they are computed."""
        meter = self._meters["train"]
        state = meter.state_dict()
        every = several.every({"sums": state["sums"], "count": state["count"]})
        sums = {name: sum(each["sums"].get(name, 0.0) for each in every) for name in every[0]["sums"]}
        meter.load_state_dict({**state, "sums": sums, "count": sum(each["count"] for each in every)})

    def on_validation_start(self) -> None:
        """Measure the average of the weights, where there is one; streams begin anew."""
        self._measured = 0
        self._forget()
        if self._average is not None:
            self._average.update("epoch", self.current_epoch)
            self._average.exchange()
            if self._average.needs_new_statistics:
                self._renew_statistics()

    def on_validation_end(self) -> None:
        """Train on with the weights in training."""
        if self._average is not None:
            self._average.exchange()

    @torch.no_grad()
    def _renew_statistics(self) -> None:
        """Batch normalization's, over the training rows: those of the weights in the mean do not fit the mean."""
        kept = self._fine_tuning.frozen_norms(self.model) if self._fine_tuning else []
        every = [layer for layer in self.model.modules() if isinstance(layer, _BatchNorm)]
        norms = [layer for layer in every if layer not in kept]
        if not norms:
            return
        momenta = [layer.momentum for layer in norms]
        for layer in norms:
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean over all batches
            layer.train()
        data: TensorData = self.trainer.datamodule  # type: ignore[attr-defined]
        precision = self.trainer.precision_plugin
        with precision.val_step_context():
            for inputs, _ in data.train_dataloader().batches():
                self(precision.convert_input(inputs))
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()

    def on_validation_epoch_end(self) -> None:
        """Close the epoch: the figures of training and validation become known together."""
        figures = self._figures_of("train") | self._figures_of("val")
        figures["train/learning_rate"] = self.learning_rate
        if self._several is not None:
            figures = self._several.broadcast(figures)  # devices must not part over a last digit
        self.log_dict(figures, logger=False)
        for logger in self.loggers:
            logger.log_metrics({**figures, "epoch": self.current_epoch + 1}, self.global_step)
        self._move_schedule("epoch")
        self._move_schedule("metric", figures[self.monitor])

    def on_test_epoch_start(self) -> None:
        """Forget an earlier test."""
        self._tested.clear()
        self._measured = 0

    def on_test_epoch_end(self) -> None:
        """The test figures."""
        self.log_dict(self._figures_of("test"), logger=False)

    def _mode(self, monitor: str) -> Literal["min", "max"]:
        """Whether a metric such as val/accuracy is better high or low. Raises ConfigError for an unknown one."""
        known = {f"{stage}/{name}": best for stage in ("val", "train") for name, best in self.bests(stage).items()}
        if monitor not in known:
            raise ConfigError(f"trainer.monitor={monitor} is not measured; {nearest(monitor, known)}")
        return known[monitor]

    def bests(self, stage: str) -> dict[str, Literal["min", "max"]]:
        """Each figure of a stage by the name that follows "val/", and whether it is best low or high."""
        metrics = self._meters[stage].metrics.items()
        return {"loss": "min", **{name: "max" if metric.higher_is_better else "min" for name, metric in metrics}}


def _total(losses: dict[str, Tensor]) -> Tensor:
    return _sum(losses.values()) if len(losses) > 1 else losses["loss"]


def _sum(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()


def _share(metric: Metric, several: SeveralDevices | None) -> None:
    """Compute a metric over all devices, or where there are None, by itself: torchmetrics would share any."""

    def gathered(state: Tensor, group: Any) -> list[Tensor]:
        assert several is not None
        return [each.to(state.device) for each in several.every(state)]

    metric.distributed_available_fn = lambda: several is not None
    metric.dist_sync_fn = gathered
