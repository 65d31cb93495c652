"""Sequence to sequence from the command line: runs, stops within an epoch, what is shown, mistakes."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Run, equal, rows_of, run_folder, stopped_after, weights

MODEL = ("experiment=null", "trainer=cpu", "trainer.max_epochs=2", "model=seq2seq", "model.embedding_size=8")
QUICK = (*MODEL, "model.hidden_size=16", "logger=none", "decoding.max_ratio=1", "decoding.max_extra=3")
PAIRS = ("data=pairs", "data.train=pairs.tsv", "data.batch_size=8", "data.vocabulary_size=100")
WORDS = ("data.source_tokens=word", "data.target_tokens=word")
ALIGNED = ("data.train=[sources.en,targets.de]",)
COLOURS = (("red", "rot"), ("green", "grün"), ("blue", "blau"))


def _pairs(count: int = 60) -> list[tuple[str, str]]:
    """One to four colours, and the same in German from the last to the first."""
    found = []
    for row in range(count):
        chosen = [COLOURS[row // 3**place % 3] for place in range(1 + (row > 2) + (row > 8) + (row > 26))]
        found.append((" ".join(each for each, _ in chosen), " ".join(each for _, each in reversed(chosen))))
    return found


def _lines(texts: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def _with_tabs(pairs: list[tuple[str, str]]) -> list[str]:
    return ["\t".join(pair) for pair in pairs]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_bytes(_lines(_with_tabs(_pairs())))
    (tmp_path / "sources.en").write_bytes(_lines([source for source, _ in _pairs()]))
    (tmp_path / "targets.de").write_bytes(_lines([target for _, target in _pairs()]))
    (tmp_path / "targets.de.gz").write_bytes(gzip.compress(_lines([target for _, target in _pairs()])))


def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all else here."""
    monkeypatch.setattr("paribus.experiment._show_test", lambda *_: None)


KINDS: dict[str, tuple[str, ...]] = {
    "characters": (
        *("data.scores=exact", "data.source_tokens=character", "data.target_tokens=character"),
        *("loss=focal", "model.cell=gru", "model.attention=bahdanau", "trainer.monitor=val/cer"),
    ),
    "aligned files": (
        *("data.train=[sources.en,targets.de.gz,targets.de]", *WORDS, "averaging=ema"),
        *("model.attention=luong_concat", "model.input_feeding=true", "trainer.monitor=val/bleu"),
    ),
    "tokens between spaces": (
        *("data.scores=pronunciation", "data.source_tokens=character", "data.target_tokens=spaced", "loss=nll"),
        *("trainer.monitor=val/wer", "trainer.accumulate_grad_batches=2", "trainer.steps_per_execution=2"),
        *("model.attention=luong_dot", "scheduler=plateau", "data.validation_fraction=0.2"),
    ),
    "byte pairs": (
        *("data.shared_vocabulary=true", "model.tied_embeddings=all", "trainer.precision=64-true"),
        *("model.attention=none", "early_stopping=patience", "model.is_bidirectional=false"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_evaluated_to_the_last_bit(paribus: Run, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    _without_figures(monkeypatch)
    code, out, err = paribus("train", *QUICK, *PAIRS, *KINDS[kind])
    assert (code, err) == (0, "")
    folder = run_folder(out)
    code, out, err = paribus("evaluate", f"run={folder}")
    assert (code, err) == (0, "") and "to the last bit" in out
    code, out, err = paribus("evaluate", f"run={folder}", "decoding=beam", "decoding.beam_size=2")
    assert (code, err) == (0, "")
    stored = json.loads((folder / "metrics.json").read_text())
    assert f"test/loss            {stored['test/loss']:.4f}\n" in out  # which no search changes


RESUMED: dict[str, tuple[str, ...]] = {
    "scheduled sampling": (
        *("regularization.dropout=0.2", "model.teacher_forcing_end=0.5", "data.batch_tokens=30"),
        *("data.source_tokens=character", "data.target_tokens=spaced"),
    ),
    "averaged": (*WORDS, "averaging=ema", "trainer.accumulate_grad_batches=2", "regularization.dropout=0.2"),
}


@pytest.mark.parametrize("kind", RESUMED)
def test_a_run_stopped_within_an_epoch_ends_at_the_same_bits(
    paribus: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """The order and sizes of batches, dropout, and which steps read the true token go on where they were."""
    _without_figures(monkeypatch)
    chosen = (*QUICK, *PAIRS, *RESUMED[kind], "trainer.max_epochs=3")
    whole = run_folder(paribus("train", *chosen)[1])
    saved = torch.load(whole / "checkpoints" / "last.ckpt", weights_only=True)
    progress = saved["loops"]["fit_loop"]["epoch_loop.manual_optimization.optim_step_progress"]
    steps = progress["total"]["completed"]
    assert steps % 3 == 0 and steps > 6
    folder = stopped_after(steps // 2, paribus, monkeypatch, *chosen)
    monkeypatch.chdir(tmp_path)
    assert paribus("train", f"resume={folder}")[0] == 0
    assert equal(weights(whole), weights(folder))
    assert rows_of(folder) == rows_of(whole)
    metrics = [json.loads((each / "metrics.json").read_text()) | {"train_seconds": 0} for each in (whole, folder)]
    assert metrics[0] == metrics[1]
    assert "to the last bit" in paribus("evaluate", f"run={folder}")[1]


def _table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_what_a_run_shows(paribus: Run) -> None:
    """Each output beside its references, what is wrong of them, how it was measured; samples after each epoch."""
    code, out, err = paribus("train", *QUICK, *PAIRS, *WORDS, "logger=tensorboard", "data.test_fraction=0.3")
    assert (code, err) == (0, "")
    folder = run_folder(out)
    outputs, mistakes, measured = (_table(folder / f"{name}.csv") for name in ("outputs", "mistakes", "scores"))
    known = dict(_pairs())
    assert len(outputs) == 18 and all(row["references"] == known[row["source"]] for row in outputs)
    lengths = [len(row["source"].split()) for row in outputs]
    assert lengths == sorted(lengths)
    wrong = {row["source"] for row in outputs if row["output"] != row["references"]}
    assert {row["source"] for row in mistakes} == wrong and wrong
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test/exact_match"] == pytest.approx(1 - len(wrong) / 18)
    names = ("exact_match", "bleu", "bleu_lowercase", "chrf")
    assert {row["score"]: float(row["value"]) for row in measured} == pytest.approx(
        {name: metrics[f"test/{name}"] for name in names}, rel=1e-6
    )
    for row in measured[1:]:
        assert row["signature"].startswith("nrefs:1|case:") and f"{row['score']}: {row['signature']}" in out
    drawn = {file.stem for file in (folder / "figures").iterdir()}
    assert drawn == {"attention", "score_by_length", "worst_mistakes", "learning_curves"}
    log = (folder / "train.log").read_text(encoding="utf-8")
    samples = [line.partition("sample: ")[2].split(" || ") for line in log.splitlines() if "sample: " in line]
    assert len(samples) == 2 * 5
    for source, reference, output in samples:
        assert reference == f"reference: {known[source.removeprefix('source: ')]}" and output.startswith("output:")
    tags = _tensorboard(folder).Tags()
    assert "samples/text_summary" in tags["tensors"] and {"attention", "worst_mistakes"} < set(tags["images"])
    assert "val/bleu" in tags["scalars"]


def _tensorboard(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def test_other_data_is_not_evaluated(paribus: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither with other texts of the same tokens, nor with other tokens."""
    _without_figures(monkeypatch)
    folder = run_folder(paribus("train", *QUICK, *PAIRS, *WORDS, "trainer.max_epochs=1")[1])
    for line in ("red\trot rot", "pink\trosa"):
        _edited("pairs.tsv", 30, line)(tmp_path)
        code, out, err = paribus("evaluate", f"run={folder}")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert err.startswith("data error: the data is not what the run was trained on: ")


def test_data_made_by_rule_needs_no_files(paribus: Run) -> None:
    sizes = ("data.train_size=80", "data.validation_size=20", "data.test_size=20", "logger=none")
    code, out, err = paribus("check", "experiment=dates_seq2seq", "trainer=cpu", *sizes)
    assert (code, err) == (0, "") and "pairs: train 80, val 20, test 20" in out


def _edited(name: str, line: int, text: str | bytes) -> Callable[[Path], None]:
    """A file of which one line, from 1, is another."""

    def edit(folder: Path) -> None:
        lines = (folder / name).read_bytes().split(b"\n")
        lines[line - 1] = text if isinstance(text, bytes) else text.encode()
        (folder / name).write_bytes(b"\n".join(lines))

    return edit


def _written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def _given(name: str, *lines: str) -> Callable[[Path], None]:
    return _written(name, _lines(list(lines)))


NOTHING = _given("unused")
HELD_OUT = ("data.validation=val.tsv",)
GIVEN = tuple(_with_tabs(_pairs(6)))
# what is wrong with the files, overrides, what the line says
BAD_FILES: dict[str, tuple[Callable[[Path], None], tuple[str, ...], tuple[str, ...]]] = {
    "unequal": (_given("targets.de", "rot"), ALIGNED, ("60 lines", "targets.de has 1")),
    "unequal references": (
        _given("more.de", "rot", "blau"),
        ("data.train=[sources.en,targets.de,more.de]",),
        ("more.de has 2",),
    ),
    "no source": (_edited("sources.en", 5, " "), ALIGNED, ("sources.en: line 5", "data.empty_lines=skip")),
    "no target": (_edited("pairs.tsv", 7, "red green\t"), (), ("pairs.tsv: line 7 has no target",)),
    "not UTF-8": (_edited("pairs.tsv", 3, b"red\tgr\xfcn"), (), ("pairs.tsv: line 3", "UTF-8", "0xfc")),
    "not UTF-8 on one side": (_edited("targets.de", 9, b"gr\xfcn"), ALIGNED, ("targets.de: line 9", "UTF-8")),
    "no TAB": (_edited("pairs.tsv", 4, "red rot"), (), ("pairs.tsv: line 4 has no TAB",)),
    "a missing file": (NOTHING, ("data.train=[sources.en,targets.dee]",), ("targets.dee: no such file",)),
    "a missing test": (NOTHING, ("data.test=nowhere.tsv",), ("nowhere.tsv: no such file", "data.test")),
    "a folder": (lambda folder: (folder / "d").mkdir(), ("data.train=d",), ("d is a folder", "data.train")),
    "an empty file": (_written("pairs.tsv", b"\n\n"), (), ("pairs.tsv is empty",)),
    "a damaged gz": (_written("p.gz", gzip.compress(b"red\trot\n")[:-6]), ("data.train=p.gz",), ("p.gz is damaged",)),
    "no gz": (_written("p.gz", b"red\trot\n"), ("data.train=p.gz",), ("p.gz is damaged",)),
    "one source": (_given("pairs.tsv", *["red\trot"] * 9), (), ("all sources are the same",)),
    "too few": (_given("pairs.tsv", "red\trot", "blue\tblau"), (), ("data.test_fraction",)),
    "a long source": (
        _given("val.tsv", "red\trot", "red " * 101 + "\trot"),
        (*WORDS, *HELD_OUT),
        ("val.tsv: line 2: the source has 101 tokens", "data.max_length=100"),
    ),
    "a long target": (
        _given("val.tsv", "red\trot", "red\t" + "rot " * 101),
        (*WORDS, *HELD_OUT),
        ("val.tsv: line 2: the target has 101 tokens",),
    ),
    "sides swapped": (
        _given("val.tsv", *("\t".join(reversed(pair)) for pair in _pairs())),
        (*WORDS, *HELD_OUT),
        ("val.tsv: line 1", "wrong way round"),
    ),
    "folds of data with a test": (
        _given("test.tsv", *GIVEN),
        ("data.test=test.tsv", "cross_validation=3", "fold=1"),
        ("cross_validation=3", "its own test examples"),
    ),
    "max_length too low": (NOTHING, (*WORDS, "data.max_length=2"), ("pairs.tsv: line", "data.max_length=2")),
    "no token often enough": (NOTHING, (*WORDS, "data.min_count=1000"), ("data.min_count=1000 leaves no token",)),
    "no place for tokens": (NOTHING, ("data.vocabulary_size=3",), ("data.vocabulary_size=3", "4 or more")),
    "no place for bytes": (NOTHING, ("data.vocabulary_size=9",), ("data.vocabulary_size=9 has no room",)),
    "a batch of too many": (NOTHING, ("data.batch_size=2000",), ("data.batch_size=2000", "48 training rows")),
}
BAD_SETTINGS: dict[str, tuple[str, ...]] = {
    "data.train=???": ("data.train is missing: give a file",),
    "data.scores=translations": ("data.scores=translations must be translation, pronunciation or exact",),
    "data.source_tokens=bpe": ("data.source_tokens=bpe must be", "byte_pair"),
    "data.target_tokens=word data.shared_vocabulary=true": ("data.shared_vocabulary=true", "data.target_tokens=word"),
    "data.batch_tokens=0": ("data.batch_tokens=0 must be",),
    "data.sampling=balanced": ("data.sampling=balanced",),
    "data.empty_lines=keep": ("data.empty_lines=keep must be error or skip",),
    "model.tied_embeddings=all": ("model.tied_embeddings=all needs one vocabulary", "use model.tied_embeddings=target"),
    "model.hidden_size=15": ("model.hidden_size=15", "model.is_bidirectional=false"),
    "model.input_feeding=true model.attention=none": ("model.input_feeding=true", "model.attention=none"),
    "model.attention=luong": ("model.attention=luong must be", "luong_general"),
    "model.teacher_forcing_schedule=exponential model.teacher_forcing_end=0": ("model.teacher_forcing_end=0", "0.01"),
    "loss=mse": ("loss=mse does not fit data=pairs, which is for pairs of sequences", "cross_entropy"),
    "loss=binary_cross_entropy": ("loss=binary_cross_entropy does not fit data=pairs",),
    "augmentation=mixup": ("augmentation=mixup", "text"),
    "augmentation=[flip]": ("augmentation is for images",),
    "regularization.input_noise=0.1": ("regularization.input_noise=0.1", "use dropout"),
    "regularization.normalization=layer": ("takes no normalization",),
    "trainer.monitor=val/accuracy": ("trainer.monitor=val/accuracy", "did you mean val/token_accuracy?"),
    "trainer.monitor=val/blue": ("did you mean val/bleu?",),
    "data.scores=exact trainer.monitor=val/bleu": ("trainer.monitor=val/bleu is not measured",),
    "decoding=bem": ("did you mean beam?",),
    "decoding=beam decoding.n_best=6": ("decoding.n_best=6 is more than decoding.beam_size=5",),
    "decoding.beam_size=3": ("decoding.beam_size is not a setting of greedy",),
    "decoding=beam decoding.beam_size=0": ("decoding.beam_size=0 must be",),
}
OTHERS: dict[str, tuple[str, ...]] = {
    "data=pairs data.train=pairs.tsv data.batch_size=8 model=mlp": (
        "data=pairs asks for a sequence",
        "use model=seq2seq",
    ),
    "data=copy model=lstm": ("data=copy asks for a sequence", "use model=seq2seq"),
    "data=digits model=seq2seq": ("model seq2seq reads pairs of sequences", "data=digits has none"),
    "data=digits model=mlp decoding=beam": ("decoding=beam", "writes no sequences", "use model=seq2seq"),
    "data=digits model=mlp decoding.max_extra=3": ("decoding.max_extra=3", "writes no sequences"),
    "data=copy model=seq2seq data.symbols=2": ("different lists", "raise data.symbols"),
    "data=reverse model=seq2seq data.min_length=30": ("data.min_length=30 is above data.max_length=10",),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_mistakes_in_files(paribus: Run, tmp_path: Path, case: str) -> None:
    spoil, typed, says = BAD_FILES[case]
    spoil(tmp_path)
    _refused(paribus, tmp_path, says, *QUICK, *PAIRS, *typed)


@pytest.mark.parametrize("typed", BAD_SETTINGS)
def test_mistakes_in_settings(paribus: Run, tmp_path: Path, typed: str) -> None:
    _refused(paribus, tmp_path, BAD_SETTINGS[typed], *QUICK, *PAIRS, *typed.split())


@pytest.mark.parametrize("typed", OTHERS)
def test_data_and_model_that_do_not_go_together(paribus: Run, tmp_path: Path, typed: str) -> None:
    _refused(paribus, tmp_path, OTHERS[typed], "experiment=null", "trainer=cpu", *typed.split())


def test_an_own_model_of_pairs_that_cannot_decode(paribus: Run, tmp_path: Path) -> None:
    for folder in ("models", "configs/model"):
        (tmp_path / "own" / folder).mkdir(parents=True)
    (tmp_path / "own" / "configs" / "model" / "bare.yaml").write_text("name: bare\n")
    (tmp_path / "own" / "models" / "bare.py").write_text(
        "from paribus.data.spec import PairSpec\nfrom torch import nn\n\n"
        "def bare(spec: PairSpec, num_outputs):\n    return nn.Linear(1, num_outputs)\n"
    )
    says = ("model bare gives a Linear, and a paribus.models.seq2seq.Seq2Seq is needed", "bare.py")
    _refused(paribus, tmp_path, says, "--extend", "own", "experiment=null", "data=copy", "model=bare", "trainer=cpu")


def _refused(paribus: Run, folder: Path, says: tuple[str, ...], *overrides: str) -> None:
    code, out, err = paribus("train", *overrides)
    assert (code, out, len(err.splitlines())) == (2, "", 1) and all(each in err for each in says), err
    assert not (folder / "outputs").exists()
