"""TensorBoard's HPARAMS tab of a whole sweep: which settings and figures of its runs are columns.

Runs log their settings and final figures themselves, by `session`; the sweep says by `write` which of them are shown.
TensorBoard goes by the first experiment that it meets below its folder, so a run must log none.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from paribus.sweeps.configurations import final_figures
from paribus.sweeps.manifest import Manifest
from paribus.sweeps.values import is_number

STAGES = ("val/", "test/")  # of the figures that runs log as final ones


def write(manifest: Manifest) -> None:
    """An event file in the sweep's folder, in place of an earlier one."""
    for earlier in manifest.path.glob("events.out.tfevents.*"):
        earlier.unlink()
    writer = EventFileWriter(str(manifest.path))
    content = HParamsPluginData(experiment=experiment(manifest))
    writer.add_event(Event(summary=_summary(metadata.EXPERIMENT_TAG, content)))
    writer.close()


def session(settings: Mapping[str, Any]) -> tuple[Summary, Summary]:
    """What a finished run logs beside its figures: its settings, and that it has ended well."""
    start = SessionStartInfo()
    for key, value in settings.items():
        kind = "bool_value" if isinstance(value, bool) else "number_value" if is_number(value) else "string_value"
        setattr(start.hparams[key], kind, value if is_number(value) or isinstance(value, bool) else str(value))
    end = SessionEndInfo(status=api_pb2.STATUS_SUCCESS)
    return (
        _summary(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        _summary(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    )


def experiment(manifest: Manifest) -> api_pb2.Experiment:
    """What varies and the final figures, by the names under which runs log them."""
    metrics = [name for name in final_figures(manifest) if name.startswith(STAGES)]
    return api_pb2.Experiment(
        name=manifest.name,
        hparam_infos=list(_settings(manifest)),
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metrics],
    )


def _settings(manifest: Manifest) -> Iterator[api_pb2.HParamInfo]:
    """A group's choice is logged as GROUP.name; what a config does not hold, such as experiment, is no column."""
    loaded = cache(OmegaConf.create)
    for key in manifest.varied:
        jobs = [job for job in manifest.jobs if key in job.values]
        node = OmegaConf.select(loaded(jobs[0].config), key) if jobs else None
        if isinstance(node, DictConfig) and "name" in node:
            yield api_pb2.HParamInfo(name=f"{key}.name", display_name=key, type=api_pb2.DATA_TYPE_STRING)
        elif jobs and not isinstance(node, DictConfig) and key != "experiment":
            yield api_pb2.HParamInfo(name=key, display_name=key, type=_kind([job.values[key] for job in jobs]))


def _kind(values: list[Any]) -> "api_pb2.DataType":
    if all(isinstance(value, bool) for value in values):
        return api_pb2.DATA_TYPE_BOOL
    return api_pb2.DATA_TYPE_FLOAT64 if all(map(is_number, values)) else api_pb2.DATA_TYPE_STRING


def _summary(tag: str, content: HParamsPluginData) -> Summary:
    described = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)])
