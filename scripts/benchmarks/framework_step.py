"""The time of a training step of `paribus train`, from the end of one step to that of the next."""

import contextlib
import os
import time
from collections.abc import Sequence
from unittest import mock

from paribus import composition, config


class _Measured(BaseException):
    """No error: ends a run that has made all steps that are timed."""


def framework_seconds(overrides: Sequence[str], num_warm_up: int, num_steps: int) -> float:
    """Mean seconds of num_steps steps after num_warm_up others: data, metrics, progress bar and TensorBoard included.

    The run, below the working folder, is ended after the steps that are timed.
    """
    # Only now: the bare loops need no lightning.
    from paribus.experiment import run
    from paribus.progress import ProgressReport

    os.environ["FORCE_COLOR"] = "1"  # the progress bar of a terminal is drawn, though nobody sees it here
    report_step, ends = ProgressReport.on_train_batch_end, list[float]()

    def report_and_time(*arguments: object) -> None:
        report_step(*arguments)  # type: ignore[arg-type]
        ends.append(time.perf_counter())
        if len(ends) == num_warm_up + num_steps:
            raise _Measured

    with mock.patch.object(ProgressReport, "on_train_batch_end", report_and_time), contextlib.suppress(_Measured):
        run(config.check(composition.compose(overrides)))
    print()  # ends the line of the bar
    return mean_seconds(ends, num_warm_up)


def mean_seconds(ends: Sequence[float], num_warm_up: int) -> float:
    """Of the times at which steps ended, the mean of a step after the first ones."""
    return (ends[-1] - ends[num_warm_up - 1]) / (len(ends) - num_warm_up)
