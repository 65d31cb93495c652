"""The figure of a comparison."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from made_runs import accuracy, config, write_run, write_runs
from paribus.comparing.contrasts import Comparison, compare
from paribus.comparing.figure import draw, save
from paribus.comparing.variants import variants
from paribus.comparison import summarize
from paribus.runs import read

LOSSES = {"sgd": [(4.0, 3.0, 2.0), (5.0, 3.0, 1.0)], "adam": [(4.0, 2.0), (3.0, 1.0, 0.5)]}  # adam's first stops early


def _comparison(root: Path, losses: dict[str, list[tuple[float, ...]]] = LOSSES) -> Comparison:
    paths = [
        write_run(root / f"{name}_{seed}", config(name, seed), accuracy(0.9 + each[-1] / 100), losses=each)
        for name, runs in losses.items()
        for seed, each in enumerate(runs)
    ]
    groups = variants([read(path) for path in paths])
    return compare(groups, groups[0], [])


def test_bands_are_intervals_while_all_runs_go_on(tmp_path: Path) -> None:
    train, validation, _ = draw(_comparison(tmp_path)).axes
    assert (train.get_title(), validation.get_title()) == ("train/loss", "val/loss")
    sgd, adam = train.lines
    assert np.allclose(sgd.get_xydata(), [(1, 4.5), (2, 3), (3, 1.5)])
    assert np.allclose(adam.get_xydata(), [(1, 3.5), (2, 1.5)])
    assert sgd.get_label() == "sgd"
    assert adam.get_label() == "adam (to epoch 2, where the first of its runs ends; the last ends at 3)"
    band = train.collections[0].get_paths()[0].vertices
    known = summarize([4.0, 5.0])
    heights = np.asarray(band)[np.asarray(band)[:, 0] == 1, 1]
    assert (heights.min(), heights.max()) == pytest.approx((known.low, known.high))


def test_differences_are_a_dot_a_pair_beside_their_mean(tmp_path: Path) -> None:
    comparison = _comparison(tmp_path)
    panel = draw(comparison).axes[-1]
    assert panel.get_title() == "test/accuracy, difference from sgd: better to the right of 0"
    assert [text.get_text() for text in panel.get_yticklabels()] == ["adam"]
    zero, dots, mean = panel.lines[:3]
    assert list(zero.get_xdata()) == [0, 0]
    assert list(dots.get_xdata()) == comparison.main_contrasts()[0].differences
    assert mean.get_xdata() == pytest.approx([comparison.main_contrasts()[0].difference.mean])
    losses = compare(comparison.variants, comparison.baseline, ["test/loss"])
    assert "better to the left of 0" in draw(losses).axes[-1].get_title()


def test_it_is_written_whatever_the_runs_are_called(tmp_path: Path) -> None:
    names = [f"$\\bad_{place}$ {'long ' * 12}" for place in range(9)]
    paths = [
        write_run(tmp_path / f"{place}_{seed}", config(name, seed), accuracy(0.9 + place * seed / 100))
        for place, name in enumerate(names)
        for seed in range(2)
    ]
    groups = variants([read(path) for path in paths])
    save(draw(compare(groups, groups[0], []), "a$b"), tmp_path / "figures" / "comparison.png")
    assert imread(tmp_path / "figures" / "comparison.png").std() > 0
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["comparison.png"]


def test_one_pair_and_runs_without_epochs_are_drawn(tmp_path: Path) -> None:
    assert len(draw(_comparison(tmp_path / "a", {"sgd": [(1.0,)], "adam": [(0.5,)]})).axes) == 3
    paths = write_runs(tmp_path / "b", {"sgd": {0: 0.9}, "adam": {0: 0.8}})
    for path in paths:
        (path / "metrics.csv").unlink()
    groups = variants([read(path) for path in paths])
    save(draw(compare(groups, groups[0], [])), tmp_path / "c" / "x.png")
