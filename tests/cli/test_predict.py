"""`paribus predict`: new texts in, what the model writes out, line by line; mistakes."""

import contextlib
import gzip
import io
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from conftest import Run, run_folder
from paribus.cli import main
from paribus.data.pairs.module import PairData
from paribus.decoding.hypotheses import Hypothesis

QUICK = ("experiment=null", "trainer=cpu", "trainer.max_epochs=3", "logger=none")
PAIRS = (
    *("model=seq2seq", "model.hidden_size=16", "model.embedding_size=8", "optimizer.lr=0.05"),
    *("data=pairs", "data.train=pairs.tsv", "data.scores=exact"),
    *("data.source_tokens=character", "data.target_tokens=character", "data.max_length=12", "data.batch_size=8"),
)
SOURCES = ["".join(letters) for length in (1, 2, 3, 4) for letters in product("abc", repeat=length)][:80]


def _train(folder: Path, *overrides: str) -> Path:
    """The folder of a run whose training data is then deleted."""
    out = io.StringIO()
    (folder / "pairs.tsv").write_text("".join(f"{text}\t{text.upper()}…\n" for text in SOURCES), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(out):
        patched.chdir(folder)
        patched.setattr("paribus.experiment._show_test", lambda *_: None)
        assert main(["train", *QUICK, *overrides]) == 0
    (folder / "pairs.tsv").unlink()
    return run_folder(out.getvalue())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, trained on texts of a, b and c, to be put in capitals with … after them."""
    return _train(tmp_path_factory.mktemp("trained"), *PAIRS)


def _predict(paribus: Run, run: Path, content: bytes, *overrides: str) -> list[str]:
    """The lines of the output for an input file of this content."""
    Path("in.txt").write_bytes(content)
    code, out, err = paribus("predict", f"run={run}", "input=in.txt", "output=out.txt", *overrides)
    assert code == 0 and not any("error" in line for line in err.splitlines()), err
    assert out.splitlines()[-1].startswith(f"{_count(content)} texts decoded")
    text = Path("out.txt").read_bytes().decode()
    assert text.endswith("\n") and not list(Path().glob("*.partial"))
    return text[:-1].split("\n")


def _count(content: bytes) -> int:
    plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    return plain.removesuffix(b"\n").count(b"\n") + 1


def test_a_line_for_each_line(paribus: Run, trained: Path) -> None:
    """Blank lines stay, at the end too; each output is that of its text alone."""
    texts = ["ab", "", "abc", "  ", "a", "cab", "ab", ""]
    found = _predict(paribus, trained, "".join(f"{text}\n" for text in texts).encode())
    assert len(found) == len(texts)
    assert [place for place, text in enumerate(found) if not text] == [1, 3, 7]
    assert found[0] == found[6]
    assert len(set(found)) > 2
    for place in (0, 2, 4):
        assert _predict(paribus, trained, texts[place].encode()) == [found[place]]


def test_the_form_of_the_file_and_the_batch_size_change_nothing(paribus: Run, trained: Path) -> None:
    texts = b"ab\nabcabc\n\na\ncba\nbb\n"
    found = _predict(paribus, trained, texts)
    for content in (texts[:-1], texts.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + texts, gzip.compress(texts)):
        assert _predict(paribus, trained, content) == found
    for size in (1, 2, 1000):
        assert _predict(paribus, trained, texts, f"data.batch_size={size}") == found


def test_other_line_separators_of_unicode_do_not_end_a_line(paribus: Run, trained: Path) -> None:
    assert len(_predict(paribus, trained, "a\u2028b\u0085c\nab\x0cc\x1d\n".encode())) == 2


def test_unknown_characters_alone_are_decoded_too(paribus: Run, trained: Path) -> None:
    found = _predict(paribus, trained, "漢字\nab\n☃☃\n".encode())
    assert len(found) == 3 and found[0] == found[2]


def test_the_n_best_are_numbered_and_scored(paribus: Run, trained: Path) -> None:
    chosen = ("decoding=beam", "decoding.beam_size=4", "decoding.n_best=3")
    rows = [line.split("\t") for line in _predict(paribus, trained, b"abc\n\nca\n", *chosen)]
    assert [row[0] for row in rows] == ["1", "1", "1", "2", "3", "3", "3"]
    assert rows[3] == ["2", "", ""]
    for several in (rows[:3], rows[4:]):
        scores = [float(row[1]) for row in several]
        assert scores == sorted(scores, reverse=True) and scores[0] < 0
        assert len({row[2] for row in several}) == 3
    best = _predict(paribus, trained, b"abc\n\nca\n", "decoding=beam", "decoding.beam_size=4")
    assert best == [rows[0][2], "", rows[4][2]]


def test_a_beam_of_one_is_greedy(paribus: Run, trained: Path) -> None:
    texts = b"abc\nca\nb\n"
    greedy = _predict(paribus, trained, texts)
    assert _predict(paribus, trained, texts, "decoding.beam_size=1", "decoding=beam") == greedy


def test_outputs_that_are_cut_are_told(paribus: Run, trained: Path) -> None:
    Path("in.txt").write_text("abcabc\nab\n")
    limits = ("decoding.max_ratio=0", "decoding.max_extra=1")
    code, out, err = paribus("predict", f"run={trained}", "input=in.txt", *limits)
    assert code == 0 and [len(line) for line in out.splitlines()] == [1, 1]
    assert err == "note: 2 outputs are cut at the longest that decoding.max_ratio and max_extra allow\n"


def test_standard_input_and_output(paribus: Run, trained: Path) -> None:
    """The outputs and nothing else are on the standard output, in UTF-8 whatever the terminal has."""
    found = _predict(paribus, trained, b"ab\n\ncba\n")
    assert "…" in "".join(found)
    code, out, err = paribus("predict", f"run={trained}", "input=in.txt")
    assert (code, err, out.splitlines()) == (0, "", found)
    process = subprocess.run(
        [sys.executable, "-m", "paribus", "predict", f"run={trained}", "input=-", "output=-"],
        input=b"ab\n\ncba\n",
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.decode().splitlines() == found


def test_a_reader_that_goes_away_ends_it_quietly(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.txt").write_text("ab\n")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone, monkeypatch.context() as patched:
        patched.setattr("sys.stdout", gone)
        assert main(["predict", f"run={trained}", f"input={tmp_path / 'in.txt'}"]) == 1
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_leaves_no_half_file(paribus: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> list[list[Hypothesis]]:
        raise KeyboardInterrupt

    Path("in.txt").write_text("ab\n")
    Path("out.txt").write_text("of before\n")
    for where in ("paribus.prediction.decode", "pathlib.Path.replace"):
        with monkeypatch.context() as patched:
            patched.setattr(where, stopped)
            assert paribus("predict", f"run={trained}", "input=in.txt", "output=out.txt") == (130, "", "")
        assert sorted(file.name for file in Path().iterdir()) == ["in.txt", "out.txt"]
        assert Path("out.txt").read_text() == "of before\n"


# content of the input, what is typed beside run=, what the line says; nothing is written
MISTAKES: dict[str, tuple[bytes, str, tuple[str, ...]]] = {
    "no input": (b"ab", "output=out.txt", ("predict needs texts", "input=FILE|-")),
    "a missing input": (b"ab", "input=nowhere.txt output=out.txt", ("nowhere.txt: no such file",)),
    "a folder as input": (b"ab", "input=. output=out.txt", (". is a folder",)),
    "its own input as output": (b"ab\n", "input=in.txt output=in.txt", ("output=in.txt is what is to be read",)),
    "an output that is too long": (b"ab\n", "input=in.txt decoding.max_ratio=1e30", ("a number from 0 to 100",)),
    "an empty input": (b"", "input=in.txt output=out.txt", ("in.txt is empty; give texts",)),
    "blank lines alone": (b"\n \n\n", "input=in.txt output=out.txt", ("in.txt is empty",)),
    "not UTF-8": (b"ab\nb\n\xff\xfe\n", "input=in.txt output=out.txt", ("in.txt: line 3 is not UTF-8",)),
    "damaged": (gzip.compress(b"ab\n")[:-5], "input=in.txt output=out.txt", ("in.txt is damaged",)),
    "a long line": (
        b"ab\n\n" + b"abc" * 5 + b"\nab\n",
        "input=in.txt output=out.txt",
        ("in.txt: line 3 has 15 tokens", "12 of data.max_length", "split it"),
    ),
    "no folder for the output": (b"ab", "input=in.txt output=no/out.txt", ("no/out.txt: there is no folder no",)),
    "a folder as output": (b"ab", "input=in.txt output=.", ("output=. is a folder; give a file",)),
    "inputs": (b"ab", "input=in.txt input=in.txt", ("input= takes one path",)),
    "an empty output": (b"ab", "input=in.txt output=", ("output= takes one path",)),
    "another seed": (b"ab", "input=in.txt seed=1", ("seed=1: a run keeps its seed, here 0",)),
    "another size": (b"ab", "input=in.txt model.hidden_size=3", ("model.hidden_size=3: a run keeps",)),
    "another learning rate": (b"ab", "input=in.txt optimizer.lr=1", ("optimizer.lr=1: a run keeps",)),
    "another length": (b"ab", "input=in.txt data.max_length=99", ("data.max_length=99: a run keeps",)),
    "another model": (b"ab", "input=in.txt model=mlp", ("model=mlp: a saved run keeps its parts",)),
    "a misspelt setting": (
        b"ab",
        "input=in.txt decoding.max_ratioo=1",
        ("decoding.max_ratioo is not a setting of greedy", "did you mean max_ratio?"),
    ),
    "a misspelt group": (b"ab", "input=in.txt decodng=beam", ("decodng is not", "did you mean decoding?")),
    "a misspelt choice": (b"ab", "input=in.txt decoding=bem", ("did you mean beam?",)),
    "too many best": (b"ab", "input=in.txt decoding=beam decoding.n_best=9", ("decoding.n_best=9 is more than",)),
    "no override": (b"ab", "input=in.txt out.txt", ("out.txt is not an override",)),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(paribus: Run, trained: Path, case: str) -> None:
    content, typed, says = MISTAKES[case]
    Path("in.txt").write_bytes(content)
    _refused(paribus, says, f"run={trained}", *typed.split())


def _refused(paribus: Run, says: tuple[str, ...], *arguments: str) -> None:
    before = set(Path().rglob("*"))
    code, out, err = paribus("predict", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1) and all(each in err for each in says), err
    assert set(Path().rglob("*")) == before


def test_mistakes_on_the_standard_input(paribus: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, says in ((b"", "is empty"), (b"ab\n\xff", "line 2 is not UTF-8"), (b"a" * 13, "line 1 has 13 tokens")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        _refused(paribus, (f"the standard input{':' if 'line' in says else ''} {says}",), f"run={trained}", "input=-")


def test_folders_that_cannot_predict(paribus: Run, trained: Path, tmp_path: Path) -> None:
    Path("in.txt").write_text("ab\n")
    _refused(paribus, ("predict needs the folder of a run",), "input=in.txt")
    _refused(paribus, ("nowhere is no run folder: there is no such folder",), "run=nowhere", "input=in.txt")
    _refused(paribus, ("holds no config.yaml",), "run=.", "input=in.txt")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    _refused(paribus, ("best.ckpt does not exist; the run has no such checkpoint",), "run=bare", "input=in.txt")
    several = (trained / "config.yaml").read_text().replace("cross_validation: null", "cross_validation: 3")
    (tmp_path / "bare" / "config.yaml").write_text(several)
    _refused(paribus, ("bare holds the runs of 3 folds; use one: run=bare/fold_1",), "run=bare", "input=in.txt")
    other = _train(tmp_path, "data=iris", "model=mlp", "trainer.max_epochs=1")
    _refused(paribus, ("model mlp writes none",), f"run={other}", "input=in.txt")


def test_a_checkpoint_of_another_run(paribus: Run, trained: Path, tmp_path: Path) -> None:
    import torch

    Path("in.txt").write_text("ab\n")
    checkpoint = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    best = tmp_path / "other" / "checkpoints" / "best.ckpt"
    best.parent.mkdir(parents=True)
    for line, says in (
        ("hidden_size: 32", ("does not fit the config: model.",)),
        ("hidden_size: 16", ("holds no tokenizers",)),
    ):
        config = (trained / "config.yaml").read_text().replace("hidden_size: 16", line)
        (best.parents[1] / "config.yaml").write_text(config)
        torch.save(checkpoint, best)
        _refused(paribus, says, f"run={best.parents[1]}", "input=in.txt")
        checkpoint.pop(PairData.__qualname__, None)
    best.write_bytes(b"garbage")
    _refused(paribus, ("damaged or foreign",), f"run={best.parents[1]}", "input=in.txt")


# ---- forced decoding


def test_targets_are_scored_as_the_search_scores_its_outputs(paribus: Run, trained: Path) -> None:
    """With no length penalty a hypothesis has the log-probability of its tokens and of the end."""
    sources = ["ab", "", "cba", "aaaa"]
    plain = ("decoding=beam", "decoding.n_best=2", "decoding.length_penalty=0")
    listed = [line.split("\t") for line in _predict(paribus, trained, _lines(sources), *plain) if "\t\t" not in line]
    searched = [row for row in listed if row[2]]
    Path("in.txt").write_bytes(_lines([sources[int(number) - 1] for number, _, _ in searched]))
    Path("targets.txt").write_bytes(_lines([text for _, _, text in searched]))
    code, out, _ = paribus("predict", f"run={trained}", "input=in.txt", "targets=targets.txt")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and len(rows) == len(searched) >= 4
    assert [int(count) for _, count in rows] == [len(text) + 1 for _, _, text in searched]
    for (total, _), (_, score, _) in zip(rows, searched, strict=True):
        assert float(total) == pytest.approx(float(score), abs=2e-4)


def test_a_blank_pair_stays_a_blank_line(paribus: Run, trained: Path) -> None:
    Path("in.txt").write_bytes(b"ab\n\nba\n")
    Path("targets.txt").write_bytes(b"AB\n\nBA\n")
    code, out, _ = paribus("predict", f"run={trained}", "input=in.txt", "targets=targets.txt")
    assert code == 0 and [bool(line) for line in out.splitlines()] == [True, False, True]


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (b"AB\n", "targets.txt has 1 lines and the input has 2"),
        (b"AB\n\n", "targets.txt: line 2: text or target is blank"),
        (b"AB\nAAAAAAAAAAAAAAAAAA\n", "targets.txt: line 2 has 18 tokens"),
        (b"AB\n\xff\n", "targets.txt: line 2 is not UTF-8"),
    ],
)
def test_targets_that_do_not_pair_up(paribus: Run, trained: Path, targets: bytes, said: str) -> None:
    Path("in.txt").write_bytes(b"ab\nba\n")
    Path("targets.txt").write_bytes(targets)
    code, out, err = paribus("predict", f"run={trained}", "input=in.txt", "targets=targets.txt")
    assert (code, out) == (2, "") and err.startswith("data error: ") and said in err and err.count("\n") == 1


def _lines(texts: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()
