"""`paribus train`: what a run leaves behind, that it repeats to the bit, and how it ends when it is stopped."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from conftest import DATA, QUICK, ROOT, Run, equal, rows_of, run_folder, weights
from paribus import composition, parts

IRIS = ("data=iris", "model=mlp", *QUICK)


def _losses(spec: str) -> list[str]:
    return [name for name, part in parts.by_option("loss", None).items() if part.consumes["spec"] == spec]


def test_run_folder_holds_what_the_contract_says(paribus: Run) -> None:
    code, out, err = paribus("train", *QUICK, "seed=1", "name=first", "seed=0")
    folder = run_folder(out)
    assert (code, err) == (0, "")
    assert folder.parent == Path.cwd() / "outputs" / "runs" / "first"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["model"]["name"] == "cnn" and Path(config["data"]["root"]).is_absolute()
    assert yaml.safe_load((folder / "overrides.yaml").read_text()) == [*QUICK, "seed=1", "name=first", "seed=0"]
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["versions"]["torch"] and environment["device"] == "cpu" and "git_commit" in environment
    status = json.loads((folder / "status.json").read_text())
    assert status["status"] == "finished" and status["started"] <= status["ended"]
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2"] and float(rows[0]["step"]) == 40
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["epochs"] == 2 and metrics["best_epoch"] in (1, 2) and metrics["train_seconds"] > 0
    assert metrics["val/loss"] == pytest.approx(float(rows[metrics["best_epoch"] - 1]["val/loss"]))
    assert {"test/accuracy", "test/precision", "test/recall", "test/f1", "test/auroc", "test/loss"} <= metrics.keys()
    assert f"{metrics['test/accuracy']:.4f}" in out
    drawn = "learning_curves confusion_matrix roc reliability per_class worst_mistakes filters"
    assert {file.stem for file in (folder / "figures").iterdir()} == set(drawn.split())
    assert len((folder / "classes.csv").read_text().splitlines()) == 11
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (folder / "figures").iterdir())
    log = (folder / "train.log").read_text()
    assert "epoch 1 of 2: train/accuracy" in log and "finished: " in log and "test/accuracy" in log
    assert list((folder / "tensorboard").glob("events.*"))
    assert weights(folder).keys() == weights(folder, "best.ckpt").keys()
    assert all(name.startswith("model.") for name in weights(folder))
    assert not list(folder.rglob("*.partial"))


def test_without_figures_a_run_measures_the_same(paribus: Run) -> None:
    shared = ("experiment=null", "data=digits", *QUICK)
    drawn, bare = (run_folder(paribus("train", *shared, f"figures={each}")[1]) for each in ("true", "false"))
    assert (drawn / "figures").is_dir() and not (bare / "figures").exists()
    one, other = (json.loads((folder / "metrics.json").read_text()) for folder in (drawn, bare))
    assert {**one, "train_seconds": 0} == {**other, "train_seconds": 0}
    assert equal(weights(drawn), weights(bare))
    files = [{each.name for each in folder.iterdir()} for folder in (drawn, bare)]
    assert files[0] - files[1] == {"figures"} and files[1] <= files[0]


def test_regression_run(paribus: Run) -> None:
    code, out, _ = paribus("train", "experiment=diabetes_mlp", *QUICK)
    metrics = json.loads((run_folder(out) / "metrics.json").read_text())
    assert code == 0
    assert metrics["test/rmse"] == pytest.approx(metrics["test/mse"] ** 0.5, rel=1e-5)
    assert metrics["test/rmse"] > 30  # in the target's own units, whose deviation is 77
    assert (run_folder(out) / "figures" / "predicted_against_true.png").is_file()


def test_tensorboard_holds_scalars_figures_config_and_hyperparameters(paribus: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run_folder(paribus("train", *QUICK)[1])
    tags: dict[str, list[str]] = {}
    for file in (folder / "tensorboard").glob("events.*"):
        events = EventAccumulator(str(file)).Reload()
        for kind, found in events.Tags().items():
            tags[kind] = tags.get(kind, []) + (found if isinstance(found, list) else [])
        if "config/text_summary" in events.Tags()["tensors"]:
            text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
            assert "optimizer" in text and "lr: 0.001" in text
        if "_hparams_/session_start_info" in events.summary_metadata:
            content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
            assert b"optimizer.lr" in content
            assert events.Scalars("test/accuracy")[0].value > 0
    assert {"train/loss", "val/accuracy", "train/learning_rate", "step/gradient_norm"} <= set(tags["scalars"])
    assert {"confusion_matrix", "roc", "learning_curves"} <= set(tags["images"])


def test_same_seed_same_bits_other_seed_other_bits(paribus: Run) -> None:
    folders = [run_folder(paribus("train", *QUICK, f"seed={seed}")[1]) for seed in (3, 3, 4)]
    assert equal(weights(folders[0]), weights(folders[1]))
    assert not equal(weights(folders[0]), weights(folders[2]))
    assert len({*folders}) == 3


def test_steps_per_execution_changes_nothing_but_the_time(paribus: Run) -> None:
    one = run_folder(paribus("train", *QUICK)[1])
    seven = run_folder(paribus("train", *QUICK, "trainer.steps_per_execution=7")[1])
    assert equal(weights(one), weights(seven))


def test_evaluate_reproduces_the_stored_figures_from_any_folder(
    paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{i % 7},{'xyz'[i % 3]},{i % 2}\n" for i in range(90)))
    relative = ("data=table", "data.path=t.csv", "data.target=y", "model=mlp", "loss=binary_cross_entropy")
    for arguments in ((), relative, ("experiment=diabetes_mlp",)):
        folder = run_folder(paribus("train", *arguments, *QUICK)[1])
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "elsewhere")
        before = sorted(folder.rglob("*"))
        code, out, err = paribus("evaluate", f"run={folder}")
        assert (code, err) == (0, "")
        assert "the same as stored, to the last bit" in out and "(stored" not in out
        assert sorted(folder.rglob("*")) == before and not list(Path.cwd().iterdir())
        monkeypatch.chdir(tmp_path)


def test_a_run_of_an_earlier_version_can_be_evaluated(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS)[1])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert {"figures": config.pop("figures"), "trainer.devices": config["trainer"].pop("devices")} == composition.ADDED
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    code, out, err = paribus("evaluate", f"run={folder}")
    assert (code, err) == (0, "") and "the same as stored, to the last bit" in out
    assert paribus("train", f"resume={folder}", "trainer.max_epochs=3")[0] == 0


def test_evaluate_says_when_figures_differ(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS)[1])
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "test/accuracy": 0.123}))
    assert "(stored: 0.1230)" in paribus("evaluate", f"run={folder}")[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signal_ends_the_real_command_with_a_checkpoint(
    command: Callable[..., subprocess.Popen[str]], number: int, code: int
) -> None:
    process = command("train", "trainer=cpu", "trainer.max_epochs=1000")
    assert process.stdout is not None and process.stderr is not None
    while "epoch 2/" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    folder = Path(err.strip().rpartition("resume=")[2])
    assert (folder / "checkpoints" / "last.ckpt").is_file()
    assert json.loads((folder / "status.json").read_text())["status"] == "interrupted"


def test_two_runs_in_the_same_second_have_their_own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from paribus.results import RunFolder

    monkeypatch.chdir(tmp_path)
    assert len({RunFolder.claim("same").path for _ in range(20)}) == 20


def test_early_stopping_stops_and_tests_the_best_epoch(paribus: Run) -> None:
    folder = run_folder(
        paribus("train", "data=iris", "model=mlp", "early_stopping=patience", "early_stopping.patience=2",
                "optimizer.lr=0.05", "scheduler=none", "trainer.max_epochs=200", "trainer=cpu")[1]
    )  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = rows_of(folder)
    losses = [float(row["val/loss"]) for row in rows]
    assert metrics["epochs"] == len(rows) < 200
    assert metrics["best_epoch"] == losses.index(min(losses)) + 1 == len(rows) - 2
    best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] + 1 == metrics["best_epoch"]


def test_penalties_are_shown_apart_from_the_data_loss(paribus: Run) -> None:
    folder = run_folder(paribus("train", *IRIS, "regularization.l1=0.01", "regularization.l2=0.1")[1])
    row = rows_of(folder)[-1]
    assert float(row["train/l1_penalty"]) > 0 and float(row["train/l2_penalty"]) > 0
    assert "val/l1_penalty" not in row


# What a choice needs beside itself in a run of three steps.
BESIDE = {
    "scheduler=multistep": "scheduler.milestones=[1,2]",
    "scheduler=constant": "scheduler.warmup=1",
    "scheduler=inverse_sqrt": "scheduler.warmup=1",
    "optimizer=gd": "trainer.max_epochs=2",
}
SWAPPED = ("activation", "optimizer", "scheduler", "initializer", "averaging", "early_stopping")


@pytest.mark.parametrize(
    "part",
    [
        *(f"{group}={name}" for group in SWAPPED for name in parts.options(group, None)),
        *(f"loss={name}" for name in _losses("ClassificationSpec")),
        *(f"data=diabetes loss={name}" for name in _losses("NumericSpec")),
        "data=wine", "data=breast_cancer loss=binary_cross_entropy", "data=digits model=cnn data.batch_size=500",
        *(f"regularization.{setting}" for setting in ("gradient_clip=1", "normalization=batch", "normalization=layer")),
        "trainer.precision=bf16-mixed", "trainer.precision=64-true", "data.scaling=min_max", "data.scaling=none",
        "data.sampling=balanced", "data.train_fraction=0.5",
    ],
)  # fmt: skip
def test_every_part_trains(paribus: Run, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr("paribus.experiment._show_test", lambda *_: None)  # drawing takes longer than all else here
    plain = ("experiment=null", "data=iris", "model=mlp", "logger=none", "trainer=cpu", "trainer.max_epochs=1")
    beside = BESIDE.get(part, "").split()
    code, _, err = paribus("train", *plain, *part.split(), *beside)
    assert (code, err) == (0, "")


# Experiments on shared data, by the first word of their name, are built whole but not trained: an epoch takes long.
CHECKED = {
    "mnist": ("train 55000, val 5000, test 10000", "data.batch_size=32"),
    "hymenoptera": ("train 220, val 24, test 153", "data.batch_size=2"),
    "ett": ("train 8521, val 2857, test 2857", "data.batch_size=32"),
    "g2p": ("train 111299, val 2000, test 12000", "data.batch_size=8"),
    "multi30k": ("train 29000, val 1014, test 1000", "data.batch_size=4"),
}
SMALLER = {
    "adding": "data.train_size=128",
    "sine": "data.train_size=128",
    "text": "data.train_fraction=0.02",
    "dates": "data.train_size=200",
}


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "configs" / "experiment").glob("*.yaml")))
def test_every_experiment_runs(paribus: Run, tmp_path: Path, name: str) -> None:
    data = name.partition("_")[0]
    if data in CHECKED:
        if not DATA.is_dir():
            pytest.skip("the shared data folder is not here")
        rows, smaller = CHECKED[data]
        code, out, _ = paribus("check", f"experiment={name}", f"data.root={DATA}", smaller)
        assert code == 0 and rows in out
    elif data == "cifar10":
        small = (f"data.root={_like_cifar10(tmp_path)}", "data.batch_size=16", "data.validation_size=20")
        code, out, _ = paribus("check", f"experiment={name}", *small)
        assert code == 0 and "train 40, val 20, test 30" in out
    else:
        assert paribus("train", f"experiment={name}", *QUICK, *SMALLER.get(data, "").split())[0] == 0


def _like_cifar10(root: Path) -> Path:
    """JPEG files of noise in the folders of CIFAR-10: six a class to train on, three to test on."""
    for split, count in (("train", 6), ("test", 3)):
        for label in range(10):
            folder = root / "cifar10-jpeg" / split / str(label)
            folder.mkdir(parents=True)
            for number in range(count):
                Image.effect_noise((32, 32), 50 + label).convert("RGB").save(folder / f"{number}.jpg")
    return root


def test_cfg_job_shows_the_config_without_torch(command: Callable[..., subprocess.Popen[str]]) -> None:
    out, err = command("train", "--cfg", "job", "optimizer=sgd", "optimizer.lr=0.5").communicate(timeout=30)
    assert err == "" and yaml.safe_load(out)["optimizer"]["lr"] == 0.5


def test_secrets_from_the_environment_are_not_written(paribus: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_NAME", "s3cret")
    folder = run_folder(paribus("train", *IRIS, "name=${oc.env:SECRET_NAME}")[1])
    assert folder.parent.name == "s3cret"
    assert "name: ${oc.env:SECRET_NAME}" in (folder / "config.yaml").read_text()
    assert b"s3cret" not in b"".join(file.read_bytes() for file in folder.glob("*.yaml"))


def test_training_outlives_the_reader_of_its_output(tmp_path: Path) -> None:
    line = f"'{sys.executable}' -m paribus train {' '.join(IRIS)} trainer.max_epochs=30 name=piped | head -1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("epoch 1/30") and done.stderr == ""
    (folder,) = (tmp_path / "outputs" / "runs" / "piped").iterdir()
    assert json.loads((folder / "status.json").read_text())["status"] == "finished"
    assert len(rows_of(folder)) == 30


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_output_is_one_line(tmp_path: Path) -> None:
    line = f"'{sys.executable}' -m paribus list model > /dev/full"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1) and "No space left on device" in done.stderr


def test_relative_output_survives_a_closed_pipe(tmp_path: Path) -> None:
    started = time.monotonic()
    line = f"'{sys.executable}' -m paribus list model | head -1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("model") and "Traceback" not in done.stderr
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("kilobytes", [60, 600])
def test_full_disk_fails_with_one_line(tmp_path: Path, kilobytes: int) -> None:
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        arguments = ["train", "model=mlp", "model.hidden_sizes=[256,256]", "trainer=cpu"]
        done = subprocess.run(
            [sys.executable, "-m", "paribus", *arguments],
            cwd=disk,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        statuses = [json.loads(file.read_text())["status"] for file in disk.rglob("status.json")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("run failed: No space left on device: ")
    assert statuses == ["failed"]


def test_script_does_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "train.py"), "optimizer.lr=abc"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "config error: optimizer.lr=abc must be a number above 0\n")
