"""Choices that do not go together: `paribus check` finds them before anything is trained, and says what would go."""

from pathlib import Path

import pytest

from conftest import DATA, Run

MLP = "experiment=null data=iris model=mlp"
BINARY = "experiment=null data=breast_cancer model=mlp"
NUMBERS = "experiment=null data=diabetes model=mlp loss=mse"

# What is typed -> what the one line must say.
INCOMPATIBLE = {
    f"{MLP} loss=mae": ["loss=mae does not fit data=iris, which is for classification", "cross_entropy"],
    f"{MLP} loss=binary_cross_entropy": ["does not fit data=iris", "hinge"],
    f"{BINARY} loss=quantile": ["does not fit data=breast_cancer, which is for binary classification"],
    f"{NUMBERS} loss=focal": ["loss=focal does not fit data=diabetes, which is for regression", "pseudo_huber"],
    f"{NUMBERS} regularization.label_smoothing=0.1": ["loss mse takes no label_smoothing"],
    f"{MLP} loss=hinge regularization.label_smoothing=0.1": ["loss hinge takes no label_smoothing"],
    f"{MLP} loss.class_weights=[1,2]": ["loss.class_weights=[1.0, 2.0] has 2 numbers for 3 classes"],
    f"{MLP} loss=focal loss.class_weights=[0,0,0]": ["loss.class_weights", "one above 0"],
    f"{MLP} model=cnn": ["model cnn needs images", "use model=mlp"],
    f"{MLP} regularization.spatial_dropout=0.2": ["model mlp takes no spatial_dropout"],
    f"{MLP} regularization.normalization=instance": ["normalization=instance is for images"],
    "model.blocks.0.kernel=10 regularization.normalization=instance": ["model.blocks[0] leaves one pixel"],
    "model.blocks.1.kernel=20": ["model.blocks[1] leaves nothing of an image of 8x8"],
    f"{MLP} optimizer=lbfgs regularization.decay_all=true": ["optimizer lbfgs takes no decay_all"],
    f"{MLP} optimizer=nesterov optimizer.momentum=0": ["optimizer.nesterov=true needs optimizer.momentum above 0"],
    f"{MLP} scheduler=cosine scheduler.warmup=100000": ["scheduler.warmup=100000"],
    f"{MLP} optimizer=gd scheduler=cosine scheduler.warmup=20": ["scheduler.warmup=20"],
    f"{MLP} scheduler=plateau scheduler.warmup=20": ["scheduler.warmup=20"],
    f"{MLP} scheduler=multistep scheduler.milestones=[20,10]": ["scheduler.milestones"],
    f"{MLP} data.batch_size=1 regularization.normalization=batch": ["batch normalization needs 2 or more"],
    f"{MLP} data.batch_size=106": ["data.batch_size=106 is more than the 105 training rows"],
    f"{MLP} data.train_fraction=0.1": ["data.batch_size=16 is more than the 12 training rows"],
    f"{NUMBERS} data.sampling=balanced": ["data.sampling=balanced draws classes evenly, and this data has none"],
    f"{MLP} cross_validation=60 fold=1": ["cross_validation=60: a class has 50 rows only"],
    f"{MLP} fold=1": ["give cross_validation=... too"],
    f"{MLP} trainer.monitor=val/r2": ["trainer.monitor=val/r2 is not measured"],
    f"{NUMBERS} trainer.monitor=val/accuracy": ["trainer.monitor=val/accuracy is not measured", "val/mae"],
    f"{MLP} trainer=gpu": ["trainer.accelerator=gpu: there is no usable GPU here"],
}


@pytest.mark.parametrize("typed", INCOMPATIBLE)
def test_check_finds_it(paribus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, err = paribus("check", *typed.split())
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert all(part in err for part in INCOMPATIBLE[typed]), err
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder is not here")
def test_data_with_test_rows_of_its_own_has_no_folds(paribus: Run) -> None:
    code, _, err = paribus("check", "experiment=mnist_mlp", f"data.root={DATA}", "cross_validation=5", "fold=1")
    assert code == 2 and "cross_validation=5: MNIST brings its own test rows" in err


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch's own, when it prepares to compile
def test_compiling_needs_a_compiler(paribus: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paribus.trainers.shutil.which", lambda *_, **__: None)
    code, _, err = paribus("check", *MLP.split(), "trainer=cpu", "trainer.compile_model=true")
    assert (code, "needs a C++ compiler" in err) == (2, True), err
