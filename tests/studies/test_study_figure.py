"""The panels of a study's figure, read back from what was drawn."""

from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from planted import NAN, cells_of, run, study

from paribus.comparing.figure import COLOURS, save
from paribus.comparison import summarize
from paribus.runs import Run
from paribus.studies.cells import cells
from paribus.studies.figure import draw

VALUES = {"small": [1.0, 2.0, 6.0], "large": [4.0, 5.0, 9.0]}
CURVES: dict[str, list[tuple[float, ...]]] = {
    "small": [(4.0, 3.0, 2.0), (5.0, 3.0, 1.0)],
    "large": [(4.0, 2.0), (3.0, 1.0, 0.5)],  # the first stops early
}


def _points(line: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in line.get_xydata()]


def _panel(panel: Mapping[str, Any], every: Sequence[Run], **keys: Any) -> Axes:
    chosen = study(figure=[{"metric": "val/loss", **panel}], **keys)
    (axes,) = draw(chosen, cells(chosen, every, {}), "holds", "mine/now").axes
    return axes


def _rows(losses: Sequence[float]) -> list[dict[str, float]]:
    return [{"epoch": epoch, "val/loss": loss} for epoch, loss in enumerate(losses, 1)]


def _with_curves() -> list[Run]:
    return [
        run(arm, seed, {"val/loss": 1.0}, rows=_rows(losses))
        for arm, runs in CURVES.items()
        for seed, losses in enumerate(runs)
    ]


def _with_rates(values: Mapping[str, Sequence[float]], arm: str = "small") -> list[Run]:
    """Runs of an arm with several learning rates."""
    return [
        run(arm, seed, {"val/loss": value}, optimizer__lr=lr)
        for lr, own in values.items()
        for seed, value in enumerate(own)
    ]


def _band(axes: Axes, number: int, at: float) -> tuple[float, float]:
    """The lower and the upper border of a line's band."""
    corners = np.asarray(axes.collections[number].get_paths()[0].vertices)
    heights = corners[np.isclose(corners[:, 0], at), 1]
    return float(heights.min()), float(heights.max())


def _legend(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_dots_are_the_runs_beside_mean_and_interval() -> None:
    chosen = study()
    (axes,) = draw(chosen, cells_of(chosen, VALUES), "holds", "mine/now").axes
    for place, (name, values) in enumerate(VALUES.items()):
        dots, mean = (line for line in axes.lines if str(line.get_marker()) in "oD" and _is_of(line, name))
        assert _points(dots) == [(place - 0.12, value) for value in values]
        assert mean.get_xydata() == pytest.approx(np.array([[place + 0.12, np.mean(values)]]))
        (bar,) = axes.collections[place].get_segments()  # type: ignore[attr-defined] # of a LineCollection
        known = summarize(values)
        assert bar[:, 1] == pytest.approx([known.low, known.high])
    assert [text.get_text() for text in axes.get_xticklabels()] == list(VALUES)
    assert axes.get_title() == "test/accuracy" and axes.get_yscale() == "linear"


def _is_of(line: Any, arm: str) -> bool:
    return to_hex(line.get_color(), keep_alpha=False).upper() == COLOURS[list(VALUES).index(arm)]


def test_curves_are_means_as_far_as_all_runs_of_a_cell_go() -> None:
    axes = _panel({"kind": "curves", "title": "loss"}, _with_curves())
    small, large = axes.lines
    assert np.allclose(small.get_xydata(), [(1, 4.5), (2, 3), (3, 1.5)])
    assert np.allclose(large.get_xydata(), [(1, 3.5), (2, 1.5)])
    known = summarize([4.0, 5.0])
    assert _band(axes, 0, 1) == pytest.approx((known.low, known.high))
    assert _band(axes, 0, 2) == pytest.approx((3, 3))
    assert (_legend(axes), axes.get_xlabel(), axes.get_title()) == (["small", "large"], "epoch", "loss")


def test_curves_of_runs_that_diverged_are_left_out_and_counted() -> None:
    every = [*_with_curves(), run("large", 2, error=NAN, rows=_rows([7.0]))]
    axes = _panel({"kind": "curves"}, every)
    assert np.allclose(axes.lines[1].get_xydata(), [(1, 3.5), (2, 1.5)])
    assert _legend(axes) == ["small", "large (1 diverged)"]


def test_a_setting_stands_on_the_axis_in_its_order() -> None:
    every = _with_rates({"0.1": (1.0, 3.0), "0.001": (5.0, 7.0), "0.01": (4.0, 4.0)})
    every += _with_rates({"0.1": (9.0, 9.0)}, "large")
    axes = _panel({"kind": "over", "x": "optimizer.lr", "log": "x"}, every)
    small, large = axes.lines
    assert np.allclose(small.get_xydata(), [(0.001, 6), (0.01, 4), (0.1, 2)])
    assert np.allclose(large.get_xydata(), [(0.1, 9)])
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel()) == ("log", "linear", "optimizer.lr")
    assert _legend(axes) == ["small", "large"]


def test_depth_is_a_point_for_each_numbered_figure() -> None:
    deep = [
        {f"gradients/{number}": 10.0**-number * factor for number in range(1, 12)} | {"gradients/decades": 9.0}
        for factor in (1, 3)
    ]
    shallow = [{"gradients/1": 5.0, "gradients/2": 6.0, "other_gradients/3": 1.0}]
    every = [run("small", seed, each) for seed, each in enumerate(deep)]
    every += [run("large", seed, each) for seed, each in enumerate(shallow)]
    axes = _panel({"kind": "depth", "metric": "gradients"}, every)
    assert np.allclose(axes.lines[0].get_xydata(), [(number, 2 * 10.0**-number) for number in range(1, 12)])
    assert np.allclose(axes.lines[1].get_xydata(), [(1, 5), (2, 6)])
    assert (_legend(axes), axes.get_xlabel()) == (["small", "large"], "layer")


def test_on_a_logarithmic_axis_means_and_intervals_are_of_logarithms() -> None:
    every = _with_rates({"0.1": (1.0, 100.0), "0.01": (1.0, 1.0)})
    axes = _panel({"kind": "over", "x": "optimizer.lr", "log": "xy"}, every)
    assert np.allclose(axes.lines[0].get_xydata(), [(0.01, 1), (0.1, 10)])
    known = summarize([log(1.0), log(100.0)])
    assert _band(axes, 0, 0.1) == pytest.approx((exp(known.low), exp(known.high)))
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_a_panel_shows_the_arms_that_it_names_in_the_colours_that_they_have_everywhere() -> None:
    both = _panel({"kind": "curves"}, _with_curves())
    alone = _panel({"kind": "curves", "arms": ["large"]}, _with_curves())
    (line,) = alone.lines
    assert np.allclose(line.get_xydata(), both.lines[1].get_xydata())
    assert line.get_color() == both.lines[1].get_color() != both.lines[0].get_color()
    assert _legend(alone) == ["large"]


def test_settings_of_an_arm_differ_by_their_line() -> None:
    every = [run("small", 0, {"val/loss": 1.0}, rows=_rows((3.0, 2.0)), optimizer__lr=lr) for lr in ("0.1", "0.01")]
    axes = _panel({"kind": "curves"}, every)
    assert (
        len({line.get_color() for line in axes.lines}) == 1 and len({line.get_linestyle() for line in axes.lines}) == 2
    )
    assert _legend(axes) == ["small optimizer.lr=0.1", "small optimizer.lr=0.01"]


KINDS: dict[str, dict[str, str]] = {
    "dots": {"kind": "dots"},
    "curves": {"kind": "curves"},
    "over": {"kind": "over", "x": "optimizer.lr"},
    "depth": {"kind": "depth", "metric": "gradients"},
}


@pytest.mark.parametrize("log_axes", ["none", "x", "y", "xy"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_and_a_cell_whose_runs_all_diverged_are_drawn(tmp_path: Path, kind: str, log_axes: str) -> None:
    figures = {"val/loss": 2.0, "gradients/1": 3.0}
    every = [run("small", 0, figures, rows=_rows((4.0, 2.0)), optimizer__lr="0.1")]
    every += [run("large", seed, error=NAN, optimizer__lr="0.1") for seed in (0, 1)]
    chosen = study(figure=[{"metric": "val/loss", "log": log_axes, **KINDS[kind]}])
    drawn = draw(chosen, cells(chosen, every, {}), "not decided", "mine/now")
    line = next(line for line in drawn.axes[0].lines if len(_points(line)) == (2 if kind == "curves" else 1))
    assert [y for _, y in _points(line)] == {"curves": [4.0, 2.0], "depth": [3.0]}.get(kind, [2.0])
    _saved(drawn, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_runs_without_the_figure_leave_an_empty_panel(tmp_path: Path, kind: str) -> None:
    every = [run(arm, 0, {"test/accuracy": 0.5}, optimizer__lr="0.1") for arm in VALUES]
    chosen = study(figure=[{"metric": "val/loss", "log": "y", **KINDS[kind]}])
    _saved(draw(chosen, cells(chosen, every, {}), "not decided", "mine/now"), tmp_path)


def test_zeros_are_drawn_on_a_logarithmic_axis_too(tmp_path: Path) -> None:
    every = _with_rates({"0.1": (0.0, 0.0), "0.01": (0.0, 4.0)})
    chosen = study(figure=[{"kind": "over", "x": "optimizer.lr", "metric": "val/loss", "log": "y"}])
    drawn = draw(chosen, cells(chosen, every, {}), "holds", "mine/now")
    assert np.allclose(drawn.axes[0].lines[0].get_xydata(), [(0.01, 2), (0.1, 0)])
    _saved(drawn, tmp_path)
    none = draw(chosen, cells(chosen, _with_rates({"0.1": (0.0, 0.0), "0": (0.0, 0.0)}), {}), "holds", "mine/now")
    assert none.axes[0].get_yscale() == "linear"
    _saved(none, tmp_path)


def test_panels_stand_side_by_side_below_claim_and_verdict(tmp_path: Path) -> None:
    chosen = study(
        claim="It costs $5$ and $\\bad_thing$.",
        arms={f"$\\arm_{place}$ {'long ' * 9}": [] for place in range(9)},
        predictions=[{"metric": "val/loss", "arm": f"$\\arm_0$ {'long ' * 9}", "expect": "lower", "than": 1}],
        figure=[{"kind": kind, "metric": "val/loss", "title": "$\\a_title$ $5$"} for kind in ("dots", "curves")],
    )
    every = [run(arm, seed, {"val/loss": 1.0 + seed}, rows=_rows((2.0, 1.0))) for arm in chosen.arms for seed in (0, 1)]
    drawn = draw(chosen, cells(chosen, every, {}), "does not hold here", "mine/now")
    assert len(drawn.axes) == 2
    heading = " ".join(drawn.get_suptitle().split())
    assert heading.replace("\\$", "$") == "It costs $5$ and $\\bad_thing$. - does not hold here"
    assert "mine/now" in drawn.get_supxlabel()
    _saved(drawn, tmp_path)


def _saved(figure: Figure, folder: Path) -> None:
    save(figure, folder / "figures" / "study.png")
    assert imread(folder / "figures" / "study.png").std() > 0
