"""Mistakes: each ends with exit code 2 (1 for a failed run) and one line that says what, where and what to do."""

import sys
from pathlib import Path

import pytest

from conftest import DATA, Run, run_folder

PLAIN = ("regularization.normalization=none", "trainer=cpu", "trainer.max_epochs=1", "logger=none")

# What is typed -> what the one line must say. None of these needs torch.
CONFIG_MISTAKES = {
    "modle=mlp": ["modle", "did you mean model?"],
    "model=mpl": ["model=mpl", "did you mean mlp?"],
    "experiment=digits_cn": ["experiment=digits_cn", "did you mean digits_cnn?"],
    "optimizer.momentun=0.9 optimizer=sgd": ["optimizer.momentun is not a setting of sgd", "did you mean momentum?"],
    "+optimizer.extra=1": ["optimizer.extra is not a setting of adam", "it has: beta1"],
    "+seeed=1": ["seeed", "did you mean seed?"],
    "optimizer.lr=abc": ["optimizer.lr=abc must be a number above 0"],
    "optimizer.lr=-1": ["optimizer.lr=-1 must be a number above 0"],
    "optimizer.lr=nan": ["optimizer.lr=nan must be"],
    "optimizer.lr=inf": ["optimizer.lr=inf must be"],
    "optimizer.lr='0.1'": ["optimizer.lr=0.1 must be a number above 0"],
    "optimizer.lr=null": ["optimizer.lr=null must be a number above 0"],
    "optimizer.lr=true": ["optimizer.lr=true must be"],
    "seed=1.5": ["seed=1.5 must be a whole number"],
    "seed=0,1": ["seed=0,1 gives several values", "sweep"],
    "model=mlp,cnn": ["model=mlp,cnn gives several values", "sweep"],
    "seed=range(3)": ["seed=range(3) gives several values", "sweep"],
    "optimizer.name=sgd": ["use optimizer=sgd"],
    "regularization.dropout=1": ["regularization.dropout=1 must be a number from 0 to below 1"],
    "regularization.normalization=bacth": [
        "regularization.normalization=bacth must be none, batch, layer, group or instance"
    ],
    "model.hidden_sizes=[64,0]": ["model.hidden_sizes[1]"],
    "model.hidden_sizes=64": ["model.hidden_sizes=64 must be a list of whole numbers"],
    "model.blocks=[{channels:8}]": ["model.blocks[0].kernel", "must be given"],
    "model.blocks.0.kernal=3": ["model.blocks[0].kernal", "kernal is not a key of a block"],
    "model.blocks.1.pooling=mean": ["model.blocks[1].pooling", "none, max, avg or min"],
    "data=table": ["data.path is missing"],
    "data=table data.path=t.csv": ["data.target is missing"],
    "data.root=s3://bucket/data": ["data.root=s3://bucket/data must be the path of a folder"],
    "data.root=${oc.env:NO_SUCH_VARIABLE}": ["data.root", "NO_SUCH_VARIABLE"],
    "name=a/b": ["name=a/b must be letters"],
    "lr=[1": ["did you mean optimizer.lr?"],
    "trainer.max_epochs=[1": ["trainer.max_epochs=[1 must be a whole number"],
    "optimizer.lr=(1)": ["optimizer.lr=(1) must be a number above 0"],
    "=3": ["no key"],
    "mlp": ["mlp is not an override"],
    "--lr=3": ["--lr=3 is not a flag"],
    "--multirun": ["nothing varies", "seed=range(5)"],
    "~model": ["nothing can be removed"],
    "~optimizer.lr": ["nothing can be removed"],
    "optimizer=null": ["optimizer takes one name"],
    "optimizer=[adam]": ["did you mean adam?"],
    "model@other=mlp": ["model=mlp"],
    "hydra.run.dir=x": ["hydra.run.dir=x", "outputs/runs"],
    "trainer.monitor=loss": ["trainer.monitor=loss must be a metric such as val/loss"],
    "regularization.label_smoothing=0.1 loss=mse": ["loss mse takes no label_smoothing"],
    "augmentation=[crop,flp]": ["flp is no augmentation", "did you mean flip?"],
    "augmentation=crp": ["there is no such augmentation", "did you mean crop?"],
    "augmentation=[crop,crop]": ["crop is named twice"],
    "augmentation.crop.padding=2": ["augmentation.crop is not chosen; choose it with augmentation=[crop]"],
    "augmentation=[flip] augmentation.crop.padding=2": ["choose it with augmentation=[flip,crop]"],
    "augmentation=[crop] augmentation.crop.padding=-1": ["augmentation.crop.padding=-1 must be a whole number"],
    "augmentation=[crop] augmentation.crop.pad=1": ["augmentation.crop.pad is not a setting of crop", "padding"],
    "augmentation=[crop] augmentation.crop.name=flip": ["a part is chosen by its group"],
    "augmentation=[crop] augmentation.name=flip": ["a part is chosen by its group; use augmentation=flip"],
    "augmentation=crop,flip": ["several are chosen as a list; use augmentation=[crop,flip]"],
    "augmentation.cropp.padding=1": ["augmentation.cropp is not a choice of augmentation", "did you mean crop?"],
    "augmentation=[erasing] augmentation.erasing.scale=[0.5,0.1]": ["erasing.scale", "the smaller first"],
    "~augmentation": ["nothing can be removed", "augmentation=none"],
    "model=efficientnet_b0 model.stem_stride=4": ["model.stem_stride=4 must be 1 or 2"],
    "model=efficientnet_b0 activation=tanh": ["model efficientnet_b0 takes no activation"],
    "model.weights=s3://bucket/best.ckpt": ["model.weights", "the path of a file"],
    "model=mlp model.weights=best.ckpt": ["model.weights is not a setting of mlp"],
    "fine_tuning=unfreeze fine_tuning.lr_decay=0": ["fine_tuning.lr_decay=0 must be a number above 0, up to 1"],
    "resume=nowhere": ["nowhere", "no such folder"],
    "resume=": ["resume= takes one path"],
    "--extend nowhere": ["nowhere", "no such folder"],
}

# These are found once data and model are built.
BUILD_MISTAKES = {
    "trainer.monitor=val/acuracy": ["config error", "trainer.monitor=val/acuracy", "did you mean val/accuracy?"],
    "data.batch_size=2000": ["config error", "data.batch_size=2000", "1258 training rows"],
    "data.batch_size=1 regularization.normalization=batch": ["config error", "data.batch_size=1"],
    "loss=mse": ["config error", "loss=mse does not fit data=digits", "cross_entropy"],
    "loss=binary_cross_entropy": ["config error", "use loss=cosine_similarity or cross_entropy"],
    "data=diabetes model=mlp": ["config error", "loss=cross_entropy", "use loss=huber or log_cosh or mae or mse"],
    "data=iris": ["config error", "model cnn needs images", "use model=mlp"],
    "model.blocks.1.kernel=20": ["config error", "model.blocks[1] leaves nothing of an image of 8x8"],
    "augmentation=[crop] augmentation.crop.padding=9": ["config error", "augmentation.crop.padding=9"],
    "augmentation=[mixup,flip]": ["config error", "mixup mixes whole batches", "list it last"],
    "data=iris model=mlp augmentation=[flip]": ["config error", "augmentation is for images", "mixup"],
    "data=iris model=mlp augmentation=[cutmix]": ["config error", "augmentation.cutmix", "use mixup"],
    "model=vgg11_bn regularization.normalization=none": [
        "config error",
        "model vgg11_bn needs images of 32x32 pixels or more",
        "8x8",
    ],
    "data=iris model=resnet18 regularization.dropout=0 regularization.normalization=none": [
        "config error",
        "model resnet18 needs images",
        "use model=mlp",
    ],
    "model.weights=nowhere.ckpt": ["config error", "model.weights=", "nowhere.ckpt is no file"],
    "model.weights=imagenet": ["config error", "model.weights=imagenet", "use none or a file"],
    "optimizer=sgd optimizer.momentum=0 optimizer.nesterov=true": ["config error", "optimizer.nesterov"],
    "data.test_fraction=0.5 data.validation_fraction=0.5": ["data error", "leave no rows"],
    "data.validation_fraction=0.001": ["data error", "data.validation_fraction takes 2 for", "each needs at least 10"],
    "data=table model=mlp data.path=nowhere.csv data.target=y": ["data error", "nowhere.csv: no such file"],
}


@pytest.mark.parametrize("typed", CONFIG_MISTAKES)
def test_config_mistake_is_one_line(paribus: Run, tmp_path: Path, typed: str) -> None:
    _expect_one_line(paribus, tmp_path, typed.split(), ["config error", *CONFIG_MISTAKES[typed]])


@pytest.mark.parametrize("typed", BUILD_MISTAKES)
def test_mistake_found_while_building_is_one_line(paribus: Run, tmp_path: Path, typed: str) -> None:
    _expect_one_line(paribus, tmp_path, [*typed.split(), "trainer=cpu"], BUILD_MISTAKES[typed])


def _expect_one_line(paribus: Run, folder: Path, arguments: list[str], parts: list[str]) -> None:
    before = set(folder.rglob("*"))
    code, out, err = paribus("train", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert all(part in err for part in parts), err
    assert set(folder.rglob("*")) == before  # no folder left behind


def test_gpu_without_a_gpu(paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    _expect_one_line(paribus, tmp_path, ["trainer=gpu"], ["config error", "trainer.accelerator=gpu", "trainer=cpu"])


def _rows(count: int = 60) -> list[str]:
    return [f"{i % 7},{i * 0.5},{'abc'[i % 3]},{'yes' if i % 2 else 'no'}" for i in range(count)]


# What is wrong in the CSV (columns a,b,c,y; 60 rows) -> what the one line must say. The header is line 1.
TABLES = {
    "blank target": (lambda rows: [*rows[:9], "1,2,a,", *rows[10:]], [], ["row 11", "'y'", "target is missing"]),
    "text among numbers": (lambda rows: ["x1,2,a,yes", *rows], [], ["row 2", "'a'", "'x1' is not a number"]),
    "blank feature": (lambda rows: [*rows, "1,,a,no"], [], ["row 62", "'b'", "data.missing=fill"]),
    "NaN in a feature": (lambda rows: [*rows, "1,nan,a,no"], [], ["row 62", "'b'", "data.missing=fill"]),
    "one class only": (lambda rows: [row.replace("yes", "no") for row in rows], [], ["one class only"]),
    "a class with one row": (lambda rows: [*rows, "1,2,a,maybe"], [], ["'maybe' has 1 row"]),
    "no rows": (lambda rows: [], [], ["no rows"]),
    "ragged row": (lambda rows: [*rows, "1,2,a,no,5,6"], [], ["cannot be read"]),
    "too few rows": (lambda rows: rows[:8], [], ["data.validation_fraction takes 1 for validation and leaves 5"]),
    "text target in regression": (lambda rows: rows, ["data.task=regression", "loss=mse"], ["'no' is not a number"]),
    "fractions as classes": (lambda rows: rows, ["data.target=b"], ["fractions such as 0.5", "data.task=regression"]),
    "a column without values": (
        lambda rows: [f"{row.split(',')[0]},,{row.split(',', 2)[2]}" for row in rows],
        ["data.missing=fill"],
        ["'b' has no values", "data.exclude=[b]"],
    ),
    "too few rows for regression": (
        lambda rows: rows[:1],
        ["data.task=regression", "loss=mse", "data.target=b"],
        ["of 1 rows data.test_fraction takes 0"],
    ),
    "too large a value": (lambda rows: [*rows, "1e300,1,a,no"], [], ["1e+300", "finite number below 1e+30"]),
    "infinite value": (lambda rows: [*rows, "inf,1,a,no"], [], ["row 62", "'a'", "inf", "finite"]),
}
COLUMN_MISTAKES = {
    "data.target=z": ["data.target=z is no column", "columns: a, b, c, y"],
    "data.exclude=[bb]": ["data.exclude=bb is no column", "did you mean b?"],
    "data.categorical=[cc]": ["data.categorical=cc is no column"],
    "data.exclude=[y]": ["data.exclude=[y]: y is the target"],
    "data.categorical=[y]": ["data.categorical=[y]: y is the target"],
    "data.categorical=[c] data.exclude=[c]": ["data.categorical=[c]: c is excluded"],
    "data.delimiter=;": ["data.delimiter"],
    "data.delimiter=ab": ["data.delimiter=ab must be one character"],
}


@pytest.mark.parametrize("fault", TABLES)
def test_fault_in_a_table_names_file_and_row(paribus: Run, tmp_path: Path, fault: str) -> None:
    spoil, extra, parts = TABLES[fault]
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["a,b,c,y", *spoil(_rows())]) + "\n")
    arguments = ["data=table", "model=mlp", f"data.path={file}", "data.target=y", "trainer=cpu", *extra]
    _expect_one_line(paribus, tmp_path, arguments, ["data error", str(file) if "too" not in fault else "", *parts])


@pytest.mark.parametrize("typed", COLUMN_MISTAKES)
def test_wrong_column_is_a_config_error(paribus: Run, tmp_path: Path, typed: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["a,b,c,y", *_rows()]) + "\n")
    arguments = ["data=table", "model=mlp", f"data.path={file}", "data.target=y", "trainer=cpu", *typed.split()]
    _expect_one_line(paribus, tmp_path, arguments, ["config error", *COLUMN_MISTAKES[typed]])


def test_file_that_is_no_table(paribus: Run, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    file.write_bytes(b"not parquet")
    arguments = ["data=table", "model=mlp", f"data.path={file}", "data.target=y"]
    _expect_one_line(paribus, tmp_path, arguments, ["data error", str(file), "cannot be read"])


def test_binary_file_as_csv(paribus: Run, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(bytes(range(256)) * 4)
    arguments = ["data=table", "model=mlp", f"data.path={file}", "data.target=y"]
    _expect_one_line(paribus, tmp_path, arguments, [str(file)])


@pytest.mark.parametrize("model", ["mlp", "digits_cnn"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_diverging_run_fails_with_step_and_last_loss(paribus: Run, optimizer: str, model: str) -> None:
    code, _, err = paribus("train", f"model={model}", f"optimizer={optimizer}", "optimizer.lr=1e6", "trainer=cpu")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert err.startswith("run failed: train/loss is ")
    assert " at step " in err and "the last finite loss before was " in err
    folder = next(Path("outputs/runs").glob("*/*"))
    status = (folder / "status.json").read_text()
    assert '"status": "failed"' in status and "at step" in status


def test_last_batch_of_one_row_with_batch_norm(paribus: Run) -> None:
    code, out, _ = paribus(  # 1258 training rows: 1257 + 1
        "train", "model=mlp", "data.batch_size=1257", "regularization.normalization=batch", "trainer.max_epochs=1"
    )
    assert code == 0 and run_folder(out).is_dir()


def test_damaged_experiment_file_names_file_and_key(paribus: Run, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "configs" / "experiment"
    folder.mkdir(parents=True)
    (folder / "slip.yaml").write_text("# @package _global_\noptimizer:\n  lrr: 0.1\n")
    (folder / "group.yaml").write_text("# @package _global_\ndefaults:\n  - override /modle: mlp\n")
    (folder / "option.yaml").write_text("# @package _global_\ndefaults:\n  - override /model: mpl\n")
    (folder / "value.yaml").write_text("# @package _global_\noptimizer:\n  lr: fast\n")
    (folder / "yaml.yaml").write_text("# @package _global_\noptimizer: [\n")
    expected = {
        "slip": ["optimizer.lrr (in experiment/slip.yaml)", "did you mean lr?"],
        "group": ["modle", "did you mean model?"],
        "option": ["model=mpl", "did you mean mlp?"],
        "value": ["optimizer.lr=fast (in experiment/value.yaml) must be a number above 0"],
        "yaml": ["yaml.yaml"],
    }
    for name, parts in expected.items():
        arguments = ["--extend", str(tmp_path / "own"), f"experiment={name}"]
        _expect_one_line(paribus, tmp_path, arguments, ["config error", *parts])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["trian"], ["trian is not a command", "did you mean train?"]),
        (["list", "modle"], ["modle is not a group", "did you mean model?"]),
        (["list", "model", "loss"], ["one group"]),
        (["doctor", "x"], ["no arguments"]),
        (["evaluate"], ["run=outputs/runs"]),
        (["evaluate", "run=nowhere"], ["nowhere", "no such folder"]),
        (["check", "model=mpl"], ["did you mean mlp?"]),
    ],
)
def test_other_commands(paribus: Run, arguments: list[str], parts: list[str]) -> None:
    code, out, err = paribus(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("config error: ") and all(part in err for part in parts), err


@pytest.fixture
def finished(paribus: Run) -> Path:
    """A small finished run."""
    return run_folder(
        paribus("train", "data=iris", "model=mlp", "trainer=cpu", "trainer.max_epochs=1", "logger=none")[1]
    )


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut short"])
def test_corrupt_checkpoint(paribus: Run, finished: Path, content: bytes) -> None:
    (finished / "checkpoints" / "best.ckpt").unlink()
    (finished / "checkpoints" / "best.ckpt").write_bytes(content)
    code, _, err = paribus("evaluate", f"run={finished}")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "best.ckpt" in err and "damaged or foreign" in err


def test_foreign_checkpoints_run_no_code(paribus: Run, finished: Path, tmp_path: Path) -> None:
    import pickle

    import torch

    class Malicious:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "owned",)

    best = finished / "checkpoints" / "best.ckpt"
    for write in (lambda: torch.save(Malicious(), best), lambda: best.write_bytes(pickle.dumps(Malicious()))):
        best.unlink()
        write()
        code, _, err = paribus("evaluate", f"run={finished}")
        assert (code, len(err.splitlines())) == (2, 1) and "best.ckpt" in err
    assert not (tmp_path / "owned").exists()
    torch.save({"weights": torch.zeros(1)}, best)
    assert "holds no state_dict" in paribus("evaluate", f"run={finished}")[2]
    checkpoint = torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)
    checkpoint["state_dict"]["model.dense1.weight"] = torch.zeros(3, 4)
    torch.save(checkpoint, best)
    code, _, err = paribus("evaluate", f"run={finished}")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "model.dense1.weight is (3, 4) in the checkpoint and (64, 4) in the model" in err


def test_checkpoint_of_another_program(paribus: Run, finished: Path) -> None:
    import torch

    best = finished / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(best, weights_only=True)
    for key in ("loops", "callbacks", "TensorData"):
        best.unlink()
        torch.save({name: value for name, value in checkpoint.items() if name != key}, best)
        code, _, err = paribus("evaluate", f"run={finished}")
        assert (code, len(err.splitlines())) == (2, 1) and f"holds no {key}" in err


@pytest.mark.parametrize("name", ["available", "lightningg", "_part", "torch"])
def test_edited_config_can_name_only_parts(paribus: Run, finished: Path, name: str) -> None:
    file = finished / "config.yaml"
    file.write_text(file.read_text().replace("name: lightning", f"name: {name}"))
    code, _, err = paribus("evaluate", f"run={finished}")
    assert (code, len(err.splitlines())) == (2, 1) and f"trainer.name={name} names no trainer in code" in err


def test_fault_in_an_own_part_names_file_and_line(paribus: Run, tmp_path: Path) -> None:
    (tmp_path / "own" / "models").mkdir(parents=True)
    (tmp_path / "own" / "configs" / "model").mkdir(parents=True)
    (tmp_path / "own" / "configs" / "model" / "faulty.yaml").write_text("name: faulty\n")
    file = tmp_path / "own" / "models" / "faulty.py"
    for body, code, said in (
        ("1 / 0", 1, f"ZeroDivisionError: division by zero ({file}, line 4)"),
        ("raise SystemExit(3)", 1, f"SystemExit: 3 ({file}, line 4)"),
        ("return Faulty()", 1, f"{file}, line 8"),
        (
            "return lambda inputs: None",
            2,
            "model faulty gives a function, and a torch.nn.modules.module.Module is",
        ),
        ("return nn.Linear(4, 7)", 2, f"model faulty gives (2, 7) for inputs (2, 4), and (2, 3) is needed ({file})"),
        ("return nn.Flatten()", 2, f"model faulty has no weights to train ({file})"),
    ):
        file.write_text(
            "from torch import nn\n\ndef faulty(spec, num_outputs):\n"
            f"    {body}\n\nclass Faulty(nn.Linear):\n    def forward(self, inputs):\n        return inputs.wrong\n"
            "    def __init__(self): super().__init__(4, 3)\n"
        )
        sys.modules.pop("paribus_extension_models_faulty", None)
        found, _, err = paribus("train", "--extend", str(tmp_path / "own"), "data=iris", "model=faulty", *PLAIN)
        assert (found, len(err.splitlines())) == (code, 1) and said in err, err
        assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("verb", ["check", "evaluate"])
def test_unforeseen_errors_are_one_line_too(
    paribus: Run, finished: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("something\nbroke")

    monkeypatch.setattr("paribus.data.bundled.datasets.load_iris", lambda: broken(0))
    arguments = [f"run={finished}"] if verb == "evaluate" else ["data=iris", "model=mlp"]
    assert paribus(verb, *arguments) == (1, "", "run failed: RuntimeError: something broke\n")


def test_saved_run_keeps_its_parts(paribus: Run, finished: Path) -> None:
    code, _, err = paribus("train", f"resume={finished}", "model=cnn")
    assert code == 2 and "a saved run keeps its parts" in err
    code, _, err = paribus("train", f"resume={finished}")
    assert code == 2 and "has finished its 1 epochs" in err
    (finished / "config.yaml").write_text("optimizer: [")
    assert paribus("evaluate", f"run={finished}")[0] == 2
    (finished / "config.yaml").unlink()
    assert "holds no config.yaml" in paribus("evaluate", f"run={finished}")[2]


def test_missing_download_names_data_root(paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise RuntimeError("no network in tests")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", unreachable)
    arguments = ["data=mnist", "model=mlp", f"data.root={tmp_path / 'empty'}"]
    _expect_one_line(paribus, tmp_path, arguments, ["data error", "empty", "data.root"])


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder is not here")
def test_damaged_mnist_file(paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST.download", lambda _: None)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (DATA / "MNIST" / "raw").iterdir():
        (raw / file.name).write_bytes(file.read_bytes()[:5000])
    _expect_one_line(paribus, tmp_path, ["data=mnist", f"data.root={tmp_path}"], ["data error", "MNIST"])
