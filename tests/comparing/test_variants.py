"""Runs become variants with names."""

from pathlib import Path

import pytest

from made_runs import accuracy, config, write_run, write_runs, write_sweep
from paribus.comparing.variants import Variant, chosen, differing, variants
from paribus.errors import ConfigError
from paribus.runs import found, read


def _names(paths: list[Path]) -> list[str]:
    return [each.name for each in variants([read(path) for path in paths])]


def test_seed_name_and_place_make_no_variant(tmp_path: Path) -> None:
    first = config("sgd", 0)
    moved = {**config("sgd", 1), "name": "other", "data": {**first["data"], "root": "/elsewhere", "num_workers": 3}}
    paths = [
        write_run(tmp_path / "a", first, accuracy(0.9)),
        write_run(tmp_path / "b", config("adam", 0), accuracy(0.8)),
        write_run(tmp_path / "c", moved, accuracy(0.7)),
    ]
    sgd, adam = variants([read(path) for path in paths])
    assert (sgd.name, adam.name) == ("sgd", "adam")
    assert [pair[0] for pair in sgd.runs] == [0, 1] and len(adam.runs) == 1


def test_names_tell_variants_apart_with_as_few_words_as_can_be(tmp_path: Path) -> None:
    def made(name: str, lr: float, **more: object) -> Path:
        settings = {**config(name), "optimizer": {"name": name, "lr": lr}, **more}
        return write_run(tmp_path / str(len(list(tmp_path.iterdir()))), settings, accuracy(0.5))

    assert _names([made("sgd", 0.1), made("adam", 0.01)]) == ["sgd", "adam"]
    assert _names([made("sgd", 0.1), made("sgd", 0.01)]) == ["optimizer.lr=0.1", "optimizer.lr=0.01"]
    assert _names([made("sgd", 0.1), made("sgd", 0.2), made("adam", 0.1)]) == [
        "optimizer=sgd, optimizer.lr=0.1",
        "optimizer=sgd, optimizer.lr=0.2",
        "optimizer=adam, optimizer.lr=0.1",
    ]
    off, on = made("sgd", 0.1, scheduler={"name": "none"}), made("sgd", 0.1, scheduler={"name": "cosine"})
    assert _names([off, on]) == ["scheduler=none", "scheduler=cosine"]
    mixed = made("sgd", 0.1, augmentation={"mixup": {"name": "mixup"}})
    assert _names([made("sgd", 0.1), mixed]) == ["augmentation=[none]", "augmentation=[mixup]"]


def test_variants_of_a_sweep_are_called_what_was_typed(tmp_path: Path) -> None:
    jobs = [({"seed": 0, "optimizer": name, "optimizer.lr": lr}, accuracy(lr)) for name, lr in (("a", 1), ("b", 1))]
    assert [each.name for each in variants(found(write_sweep(tmp_path / "s", jobs)))] == ["a", "b"]


def test_the_last_of_equal_runs_counts_and_unfinished_ones_do_not(tmp_path: Path) -> None:
    paths = write_runs(tmp_path, {"sgd": {0: 0.9, 1: 0.8}, "adam": {0: 0.7}})
    again = write_run(tmp_path / "again", config("sgd", 1), accuracy(0.6))
    failed = write_run(tmp_path / "failed", config("sgd", 2), {}, status="failed")
    sgd, _ = variants([read(path) for path in (*paths, again, failed)])
    assert [run.figures["test/accuracy"] for run in sgd.runs.values()] == [0.9, 0.6]
    assert [(run.path.name, why) for run, why in sgd.left_out] == [
        ("sgd_1", f"the same config and seed as {again}"),
        ("failed", "failed: RunError: the loss is not finite"),
    ]


def test_one_variant_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="all runs have the same config but for the seed"):
        variants([read(path) for path in write_runs(tmp_path, {"sgd": {0: 0.9, 1: 0.8}})])


def test_the_baseline_is_the_first_or_the_one_named(tmp_path: Path) -> None:
    settings = [config("sgd"), config("adam"), config("adam", early_stopping={"name": "patience"})]
    paths = [write_run(tmp_path / str(place), each, accuracy(0.5)) for place, each in enumerate(settings)]
    groups: list[Variant] = variants([read(path) for path in paths])
    assert chosen(groups, None) is groups[0]
    assert chosen(groups, groups[2].name) is groups[2]
    assert chosen(groups, "sgd") is chosen(groups, "optimizer=sgd") is groups[0]
    with pytest.raises(ConfigError, match="baseline=adam: several variants are called so"):
        chosen(groups, "adam")
    with pytest.raises(ConfigError, match="baseline=sdg: no variant is called so; "):
        chosen(groups, "sdg")


def test_keys_of_a_section_stay_together() -> None:
    columns = [{"seed": "0", "model.a": "1", "loss": "x"}, {"seed": "0", "model.b": "2", "loss": "y"}]
    assert differing(columns) == {"model.a": ["1", "-"], "model.b": ["-", "2"], "loss": ["x", "y"]}
    assert list(differing(columns)) == ["model.a", "model.b", "loss"]
