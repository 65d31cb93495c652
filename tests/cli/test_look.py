"""The commands that look without training: list, check, doctor, help; how fast they start; parts of one's own."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import QUICK, ROOT, Run, run_folder
from paribus import parts
from paribus.cli.listing import GROUPS

OWN = str(ROOT / "examples" / "own_parts")


def test_help_names_every_command(paribus: Run) -> None:
    for arguments in ((), ("--help",), ("-h",), ("train", "--help")):
        code, out, _ = paribus(*arguments)
        assert code == 0
        assert all(f"  {verb} " in out for verb in ("train", "evaluate", "list", "check", "doctor"))
    assert paribus("--version")[1].startswith("paribus ")


@pytest.mark.parametrize("group", GROUPS)
def test_list_shows_each_choice_with_its_settings(paribus: Run, group: str) -> None:
    code, out, _ = paribus("list", group)
    names = [line.split()[0] for line in out.splitlines() if line and not line.startswith(" ")]
    assert code == 0
    assert names == [group, *parts.options(group, None)]
    assert not any(line.startswith(" ") and "None" in line for line in out.splitlines())


def test_list_shows_types_and_defaults(paribus: Run) -> None:
    out = paribus("list", "optimizer")[1]
    assert "lr: a number above 0 = 0.1" in out and "nesterov: true or false = false" in out
    groups = paribus("list")[1]
    assert all(group in groups for group in GROUPS)


def test_check_shows_sizes_first_loss_and_chance(paribus: Run, tmp_path: Path) -> None:
    code, out, err = paribus("check", "model=mlp", "model.hidden_sizes=[64,32]", "trainer=cpu", "data.batch_size=32")
    assert (code, err) == (0, "")
    count = 64 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10
    normalization = 0 if "normalization" not in out else 2 * (64 + 32)
    shown = int(out.split("parameters")[1].split()[0].replace(",", ""))
    assert shown in (count, count + 2 * (64 + 32)), normalization
    assert "chance gives 2.3026" in out  # ln 10
    assert "inputs (32, 1, 8, 8)" in out and "steps          40 an epoch" in out and "estimated time" in out
    assert not list(tmp_path.iterdir())


def test_check_knows_chance_for_binary_and_regression(paribus: Run) -> None:
    assert "chance gives 0.6931" in paribus("check", "experiment=breast_cancer_mlp", "trainer=cpu")[1]
    code, out, _ = paribus("check", "experiment=diabetes_mlp", "trainer=cpu")
    assert code == 0 and 0.5 < float(out.split("chance gives")[1].split()[0]) < 2


def test_check_estimates_the_optimizers_state(paribus: Run) -> None:
    out = paribus("check", "optimizer=sgd", "optimizer.momentum=0", "trainer=cpu")[1]
    assert "state 0.0 KiB" in out


def test_doctor(paribus: Run) -> None:
    code, out, _ = paribus("doctor")
    assert code in (0, 1)
    assert all(word in out for word in ("torch ", "torchvision ", "CPU", "GiB free", "configs"))
    assert ("no problem found" in out) == (code == 0)


def test_doctor_finds_planted_problems(paribus: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from paribus.cli import doctor

    installed = metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "2.6.2" if name == "lightning" else installed(name))
    monkeypatch.setattr(doctor, "LOW_DISK_GIB", 1e9)
    code, out, _ = paribus("doctor")
    assert code == 1 and "lightning 2.6.2 was malicious" in out and "little disk is free" in out
    assert "2 problems found" in out


def test_light_commands_do_not_import_torch() -> None:
    code = "import sys; from paribus.cli import main; main({}); assert 'torch' not in sys.modules, 'torch'"
    for arguments in (
        ["--help"],
        ["list"],
        ["list", "model"],
        ["train", "optimizer.lr=abc"],
        ["train", "--cfg", "job"],
    ):
        subprocess.run([sys.executable, "-c", code.format(arguments)], check=True, capture_output=True)


def test_own_parts_train_without_editing_the_package(paribus: Run) -> None:
    code, out, _ = paribus(
        "train", "--extend", OWN, "data=wine", "model=quadratic", "trainer.max_epochs=2", "trainer=cpu"
    )
    folder = run_folder(out)
    assert code == 0 and folder.parent.name == "wine_quadratic"
    code, _, err = paribus("evaluate", f"run={folder}")  # the flag must be given again: a folder loads no code
    assert code == 2 and "model.name=quadratic names no model" in err and "--extend" in err
    code, out, _ = paribus("evaluate", f"run={folder}", f"--extend={OWN}")
    assert code == 0 and "the same as stored" in out


def test_own_parts_are_listed_and_swapped(paribus: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARIBUS_EXTEND", OWN)
    assert "rank: a whole number, 1 or more = 8" in paribus("list", "model")[1]
    arguments = ("data=wine", "model=mlp", "activation=mish", "trainer.max_epochs=1", "trainer=cpu")
    assert paribus("train", *arguments)[0] == 0
    code, _, err = paribus("train", "data=wine", "model=quadratic", "activation=mish")
    assert code == 2 and "model quadratic takes no activation" in err
    code, _, err = paribus("train", "data=wine", "model=quadratic", "model.rank=0")
    assert code == 2 and "model.rank=0 must be a whole number, 1 or more" in err


def test_own_data_with_faults_is_named(paribus: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "configs" / "data").mkdir(parents=True)
    (own / "data").mkdir()
    (own / "data" / "faulty.py").write_text(
        "import torch\n"
        "from paribus.data.loader import Loading\n"
        "from paribus.data.module import Split, TensorData\n"
        "from paribus.data.spec import ClassificationSpec\n"
        "from paribus.types import Text\n"
        "def faulty(loading: Loading, *, fault: Text) -> TensorData:\n"
        "    x, y = torch.randn(60, 4), torch.arange(60) % 3\n"
        "    if fault == 'missing': x[7, 2] = float('nan')\n"
        "    if fault == 'label': y[5] = 3\n"
        "    if fault == 'ignore': y[5] = -100\n"
        "    if fault == 'shape': y = y[:, None]\n"
        "    split = Split(x, y)\n"
        "    spec = ClassificationSpec((4,), ('a', 'b', 'c'))\n"
        "    return TensorData({'train': split, 'val': split, 'test': split}, spec, loading, scaling_kind='none')\n"
    )
    (own / "configs" / "data" / "faulty.yaml").write_text(
        "# Faults.\nname: faulty\nroot: data\nbatch_size: 8\nnum_workers: 0\ntrain_fraction: 1.0\n"
        "sampling: shuffled\nfault: none\n"
    )
    arguments = ("train", f"--extend={own}", "data=faulty", "model=mlp", "trainer=cpu", "trainer.max_epochs=1")
    assert paribus(*arguments)[0] == 0
    expected = {
        "missing": "train inputs: row 7, column 2 is nan",
        "label": "train targets: row 5: label 3 is outside 0..2",
        "ignore": "train targets: row 5: label -100 is outside 0..2",
        "shape": "train targets have the shape (60, 1), not (60,)",
    }
    for fault, text in expected.items():
        code, _, err = paribus(*arguments, f"data.fault={fault}")
        assert code == 2 and err.startswith("data error: ") and text in err and len(err.splitlines()) == 1


def test_own_data_that_splits_by_itself_cannot_be_asked_to_split_otherwise(paribus: Run, tmp_path: Path) -> None:
    test_own_data_with_faults_is_named(paribus, tmp_path)
    own = ("check", f"--extend={tmp_path / 'own'}", "data=faulty", "model=mlp", "trainer=cpu")
    for typed in (("data.train_fraction=0.5",), ("cross_validation=3", "fold=1")):
        code, _, err = paribus(*own, *typed)
        assert code == 2 and f"config error: {typed[0]}: this data is not split by paribus.data.splitting" in err


def test_config_error_is_quicker_than_importing_torch_by_far() -> None:
    """No timing but a fact behind it: nothing of torch, lightning or sklearn is imported on the way."""
    code = (
        "import sys; from paribus.cli import main; assert main(['train', 'model=mpl']) == 2; "
        "print([name for name in ('torch', 'lightning', 'sklearn', 'polars', 'matplotlib') if name in sys.modules])"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]" and time.monotonic() - started < 60


def test_doctor_names_a_package_that_is_missing(paribus: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paribus.cli.doctor.PACKAGES", ("torch", "no-such-package"))
    monkeypatch.setitem(sys.modules, "torch", None)  # its import raises ImportError
    code, out, err = paribus("doctor")
    assert (code, err) == (1, "")
    assert "problem      no-such-package is not installed" in out and "problem      torch cannot be imported" in out


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_check_in_other_precisions(paribus: Run, precision: str) -> None:
    code, out, err = paribus("check", "trainer=cpu", f"trainer.precision={precision}")
    assert (code, err) == (0, "")
    assert ("torch.float64" if precision == "64-true" else "torch.float32") in out


@pytest.mark.parametrize("optimizer", ["lbfgs", "gd", "muon"])
def test_check_times_the_step_of_any_optimizer(paribus: Run, optimizer: str) -> None:
    code, out, err = paribus(
        "check", "data=iris", "model=mlp", "trainer=cpu", "scheduler=none", f"optimizer={optimizer}"
    )
    assert (code, err) == (0, "") and "estimated time" in out


def test_workers_that_have_nothing_to_do_are_noted(paribus: Run) -> None:
    assert "data.num_workers=2 has no effect" in paribus("check", "trainer=cpu", "data.num_workers=2")[1]


def test_evaluate_of_a_run_that_was_not_tested(paribus: Run) -> None:
    folder = run_folder(paribus("train", *QUICK, "logger=none")[1])
    (folder / "metrics.json").unlink()
    code, out, _ = paribus("evaluate", f"run={folder}")
    assert code == 0 and "test/accuracy" in out and "no figures are stored" in out
