"""The report: what its data says, and what a browser makes of it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, shown
from made_up import figures, grid, job, manifest, search, write_curve
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups, metadata
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from paribus.sweeps import hparams
from paribus.sweeps.manifest import Manifest
from paribus.sweeps.report import page, write

ATTACK = "</script><img src=x onerror=\"document.title='taken'\">"
USED = """
const header = [...document.querySelectorAll("th button")].find((each) => each.textContent === "optimizer.lr");
header.click();
const rows = [...document.querySelectorAll("tbody tr")];
document.body.dataset.upwards = rows.map((row) => row.cells[0].textContent).join(" ");
header.click();
const use = (id, value, event) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event(event));
};
use("filter", "FAILED mlp", "input");
use("metric", "test/loss", "change");
"""


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)
    assert found
    facts: dict[str, Any] = json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return facts


def column(dom: str, place: int) -> list[str]:
    body = dom.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [re.sub("<.*?>", "", re.findall(r"<td.*?</td>", row, re.DOTALL)[place]) for row in rows]


def section(dom: str, name: str) -> str:
    return dom.partition(f'<section id="{name}"')[2].partition("</section>")[0]


@pytest.fixture
def browser() -> str:
    return chromium()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A search that is written once."""
    sweep = search(tmp_path_factory.mktemp("sweep") / "search" / "now", 40)
    write(sweep)
    return sweep


def test_browser_shows_every_job_and_every_plot(browser: str, searched: Manifest) -> None:
    dom, console = shown(searched.path / "report.html")
    assert console == ""
    done = [each for each in searched.jobs if each.state == "done"]
    assert column(dom, 0) == [str(number) for number in range(40)]
    assert column(dom, 1) == [each.state for each in searched.jobs]
    by_rate = section(dom, "scatter").split("<figure")[2]
    with_figures = [each for each in searched.jobs if each.result]
    assert by_rate.count("<circle") == len(with_figures) and by_rate.count('class="mark best"') == 1
    assert section(dom, "parallel").count('class="line"') == len(done)
    assert section(dom, "parallel").count('class="line faint"') == 40 - len(done)
    assert section(dom, "heat").count('class="cell"') > 4
    assert section(dom, "importance").count('class="bar"') == 4
    assert section(dom, "curves").count("<polyline") == 40
    assert "hidden" in section(dom, "pareto")[:10] and "hidden" in section(dom, "means")[:10]
    best = max(done, key=lambda each: each.result["val/accuracy"])
    assert f"optimizer.lr={best.values['optimizer.lr']}" in section(dom, "best")


def test_sort_filter_and_choose(browser: str, searched: Manifest) -> None:
    dom, console = shown(searched.path / "report.html", USED)
    assert console == ""
    rates = sorted((each.values["optimizer.lr"], str(each.number)) for each in searched.jobs)
    upwards = [number for _, number in rates]
    assert f'data-upwards="{" ".join(upwards)}"' in dom
    assert column(dom, 0) == upwards[::-1]  # of the second click
    assert re.findall(r'<th[^>]*aria-sort="(\w+)"', dom) == ["descending"]
    wanted = [each for each in searched.jobs if each.state == "failed" and each.values["model"] == "mlp"]
    assert f">{len(wanted)} of 40<" in dom and dom.count("<tr hidden") == 40 - len(wanted)
    assert ">test/loss</text>" in section(dom, "scatter") and ">val/accuracy</text>" not in section(dom, "scatter")


def test_means_and_pareto(browser: str, tmp_path: Path) -> None:
    sweep = grid(tmp_path / "grid" / "now", lambda model, lr, seed: 0.8 + 0.1 * lr + 0.01 * seed)
    sweep.metrics, sweep.directions = ["val/accuracy", "train_seconds"], ["max", "min"]
    for each in sweep.jobs:
        each.result["train_seconds"] = 20 * each.values["optimizer.lr"] + (each.values["model"] == "cnn")
    write(sweep)
    dom, console = shown(sweep.path / "report.html")
    assert console == ""
    assert section(dom, "means").count("<circle") == 6 and "(3 seeds)" in section(dom, "means")
    assert section(dom, "pareto").count('class="mark best"') == 3  # mlp is faster, and as good
    assert section(dom, "best").count("<article>") == 3 and "seed 0" in section(dom, "best")


def test_texts_of_users_are_never_markup(browser: str, tmp_path: Path) -> None:
    hostile = job(1, {"model": ATTACK, "note": [ATTACK, "'"]}, "failed", error=ATTACK)
    jobs = [job(0, {"model": ATTACK, "note": "$(rm) 'x'"}, result=figures(0.9)), hostile]
    sweep = manifest(tmp_path / "sweep" / "now", jobs, ["model", "note"], name=ATTACK, command=["sweep", ATTACK])
    write(sweep)
    dom, console = shown(sweep.path / "report.html")
    assert console == ""
    images: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: images.append(tag) if tag == "img" else None  # type: ignore[method-assign]
    parser.feed(dom)
    assert images == [] and "<title>taken" not in dom
    assert column(dom, 2)[0] == ATTACK.replace("<", "&lt;").replace(">", "&gt;")
    assert """'note=$(rm) '"'"'x'"'"''""" in section(dom, "best").replace("&#39;", "'").replace("&#34;", '"')


def test_a_sweep_with_nothing_to_show_yet(browser: str, tmp_path: Path) -> None:
    jobs = [job(0, {"model": "mlp"}, "waiting", seconds=None, attempts=0)]
    sweep = manifest(tmp_path / "sweep" / "now", jobs, ["model", "optimizer.lr"])
    write(sweep)
    dom, console = shown(sweep.path / "report.html")
    assert console == "" and "No job has finished" in dom
    assert len(re.findall(r"<section id=.\w+. hidden", dom)) == 7


def test_page_asks_for_nothing_from_anywhere(searched: Manifest) -> None:
    text = page(searched)
    assert "default-src 'none'" in text
    addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG elements, which is not fetched
    assert not re.search(r"<(link|img|iframe|script[^>]+src)|@import|url\(|fetch\(|XMLHttp", text)


def test_data_holds_finite_numbers_and_thin_curves_only(tmp_path: Path) -> None:
    jobs = [job(0, {"lr": 0.1}, result={**figures(0.9), "test/mase": float("inf"), "test/loss": float("nan")})]
    sweep = manifest(tmp_path, jobs, ["lr"])
    write_curve(tmp_path / "job_000", 0.9, epochs=333)
    with (tmp_path / "job_000" / "metrics.csv").open("a") as file:
        file.write("334,3340,nan,inf\n")
    facts = data_of(page(sweep))
    epochs, values = facts["curves"]["val/accuracy"]["0"]
    assert len(epochs) == len(values) <= 81 and (epochs[0], epochs[-1]) == (1, 333)
    assert "test/mase" not in facts["jobs"][0]["figures"]


def test_a_damaged_table_of_one_run_costs_its_curve_alone(tmp_path: Path) -> None:
    sweep = grid(tmp_path, lambda model, lr, seed: 0.5, seeds=1)
    (tmp_path / "job_002" / "metrics.csv").write_text("no,table\nat,all\n")
    curves = data_of(page(sweep))["curves"]["val/accuracy"]
    assert curves["2"] == [[], []] and len(curves["1"][0]) == 5


def test_values_of_one_parameter_are_one_kind(tmp_path: Path) -> None:
    """Numbers beside null are categories, as typed; wide ranges are logarithmic; few numbers are listed."""
    values = [{"clip": None, "lr": 0.001, "width": 8}, {"clip": 1e-05, "lr": 0.1, "width": 64}]
    jobs = [job(number, each, result=figures(0.5)) for number, each in enumerate(values)]
    facts = data_of(page(manifest(tmp_path, jobs, ["clip", "lr", "width"])))
    clip, lr, width = facts["parameters"]
    assert clip == {"key": "clip", "categories": ["null", "1e-05"]}
    assert lr["is_log"] and not width["is_log"] and width["listed"] == [8, 64]
    assert facts["jobs"][1]["values"] == {"clip": "1e-05", "lr": 0.1, "width": 64}


def test_the_command_names_the_folder_of_own_parts(tmp_path: Path) -> None:
    sweep = manifest(tmp_path, [job(0, {"model": "mine"}, result=figures(1))], ["model"], extension="/my parts")
    assert data_of(page(sweep))["jobs"][0]["command"] == "paribus train model=mine --extend '/my parts'"


def test_five_hundred_jobs_stay_small(tmp_path: Path) -> None:
    sweep = search(tmp_path, 500, epochs=100)
    for each in sweep.jobs:
        each.result["val/accuracy"] = 0.5  # no forest is grown on that: it takes seconds, and is tested elsewhere
    text = page(sweep)
    assert len(text) < 2_000_000
    assert len(data_of(text)["jobs"]) == 500


def test_hparams_have_the_names_under_which_runs_log(tmp_path: Path) -> None:
    values = {
        "model": "cnn",
        "optimizer.lr": 0.1,
        "model.hidden_sizes": [8],
        "augmentation": ["flip"],
        "experiment": "x",
    }
    sweep = manifest(tmp_path, [job(0, values, result=figures(0.9))], [*values, "seed"])
    hparams.write(sweep)
    hparams.write(sweep)
    (file,) = tmp_path.glob("events.out.tfevents.*")
    summaries = [value for event in EventFileLoader(str(file)).Load() for value in event.summary.value]
    assert [value.tag for value in summaries] == [metadata.EXPERIMENT_TAG]
    stored = metadata.parse_experiment_plugin_data(summaries[0].metadata.plugin_data.content)
    assert [info.name for info in stored.hparam_infos] == ["model.name", "optimizer.lr", "model.hidden_sizes"]
    assert [info.name.tag for info in stored.metric_infos] == ["val/accuracy", "test/loss", "test/accuracy", "val/loss"]


def test_tensorboard_shows_what_varies_and_the_final_figures(tmp_path: Path) -> None:
    """Asked as its page asks: columns by the sweep, values by what the runs logged."""
    jobs = [
        job(number, {"model": "mlp", "optimizer.lr": 0.1 * (number + 1)}, result=figures(0.9)) for number in range(2)
    ]
    sweep = manifest(tmp_path, jobs, ["model", "optimizer.lr"])
    hparams.write(sweep)
    for each in jobs:
        writer = EventFileWriter(str(sweep.folder(each) / "tensorboard"))
        logged = {
            "model.name": "mlp",
            "optimizer.lr": each.values["optimizer.lr"],
            "trainer.fast": True,
            "fold": "None",
        }
        for summary in hparams.session(logged):
            writer.add_event(Event(summary=summary))
        writer.add_event(Event(summary=scalar_pb("val/accuracy", 0.9), step=1))
        writer.close()
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(tmp_path))))
    request = api_pb2.ListSessionGroupsRequest(slice_size=10, allowed_statuses=[api_pb2.STATUS_SUCCESS])
    groups = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    rates = {group.name: group.hparams["optimizer.lr"].number_value for group in groups}
    assert rates == {"job_000/tensorboard": 0.1, "job_001/tensorboard": 0.2}
    assert all(group.hparams["model.name"].string_value == "mlp" for group in groups)
    assert all(group.hparams["trainer.fast"].bool_value for group in groups)
    measured = {value.name.tag: value.value for group in groups for value in group.metric_values}
    assert measured == {"val/accuracy": pytest.approx(0.9)}
