"""The report of a sweep: one page that needs nothing but itself."""

import shlex
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from paribus.console import duration
from paribus.results import RunFolder
from paribus.sweeps import hparams
from paribus.sweeps.configurations import SEED, Configuration, final_figures, leading
from paribus.sweeps.facts import command, facts
from paribus.sweeps.manifest import Manifest
from paribus.sweeps.table import SHOWN, counted, heading, results
from paribus.sweeps.values import brief

PAGE = Path(__file__).parent / "page"


def write(manifest: Manifest) -> None:
    """results.csv, report.html and the columns of TensorBoard's HPARAMS in the sweep's folder, in place of earlier."""
    RunFolder(manifest.path).write_table("results", results(manifest))
    hparams.write(manifest)
    partial = manifest.path / ".report.html.partial"
    partial.write_text(page(manifest), encoding="utf-8")
    partial.replace(manifest.path / "report.html")


def page(manifest: Manifest) -> str:
    """The whole of report.html. Texts are escaped, those in the page's data included."""
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {}  # by default it would sort settings by their keys
    best = leading(manifest) if len(manifest.metrics) > 1 else leading(manifest)[:1]
    return environment.get_template("report.html").render(
        manifest=manifest,
        started=manifest.path.name,
        counted=counted(manifest),
        time=duration(sum(job.seconds or 0 for job in manifest.jobs)),
        asked=shlex.join(["paribus", *manifest.command]),
        heading=heading(manifest),
        best=[_described(each, manifest) for each in best],
        longest=SHOWN,
        has_seeds=SEED in manifest.varied,
        facts=facts(manifest),
    )


def _described(configuration: Configuration, manifest: Manifest) -> dict[str, Any]:
    """A best configuration in words; its command is that of its first job, whichever seed did best."""
    job = configuration.jobs[0]
    shown = [name for name in final_figures(manifest) if name in manifest.metrics or name.startswith("test/")]
    return {
        "job": job,
        "values": {key: brief(value) for key, value in configuration.values.items()},
        "figures": {name: configuration.shown(name) for name in shown},
        "count": len(configuration.jobs),
        "command": command(job, manifest),
    }
