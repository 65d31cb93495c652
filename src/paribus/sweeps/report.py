"""The report of a sweep: one page that needs nothing but itself."""

import shlex
from typing import Any

from paribus import pages
from paribus.console import duration
from paribus.results import RunFolder
from paribus.sweeps import hparams
from paribus.sweeps.configurations import SEED, Configuration, final_figures, leading
from paribus.sweeps.facts import command, facts
from paribus.sweeps.manifest import Manifest
from paribus.sweeps.table import SHOWN, counted, heading, results
from paribus.sweeps.values import brief


def write(manifest: Manifest) -> None:
    """results.csv, report.html and the columns of TensorBoard's HPARAMS in the sweep's folder, in place of earlier."""
    RunFolder(manifest.path).write_table("results", results(manifest))
    hparams.write(manifest)
    pages.write(manifest.path / "report.html", page(manifest))


def page(manifest: Manifest) -> str:
    """The whole of report.html. Texts are escaped, those in the page's data included."""
    best = leading(manifest) if len(manifest.metrics) > 1 else leading(manifest)[:1]
    return pages.render(
        [pages.SHARED],
        "report.html",
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
