"""Pairs of the user's own: reading, splitting, tokens, batches, and what is wrong with a file."""

import gzip
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from paribus.composition import compose
from paribus.config import check
from paribus.data.loader import Fold, Loading
from paribus.data.pairs.module import PairData
from paribus.data.sentence_pairs import pairs
from paribus.data.spec import END, NO_TARGET, PADDING, PairSpec
from paribus.data.texts.tokens import Tokenizer
from paribus.errors import ConfigError, DataError

SETTINGS: dict[str, Any] = {
    "validation": None,
    "test": None,
    "validation_fraction": 0.2,
    "test_fraction": 0.2,
    "empty_lines": "error",
    "scores": "translation",
    "source_tokens": "word",
    "target_tokens": "word",
    "vocabulary_size": 1000,
    "min_count": 1,
    "shared_vocabulary": False,
    "lowercase": False,
    "normalization": "nfc",
    "max_length": 20,
    "batch_tokens": None,
}
LOADING = Loading(0, 4, 1)
SPLITS = "train", "val", "test"
LINES = [f"{'so ' * (number % 5)}word{number % 20}\t{'also ' * (number % 3)}wort{number}" for number in range(60)]
Write = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Files of these contents, by name."""

    def written(**contents: str | bytes) -> list[str]:
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return [str(tmp_path / name) for name in contents]

    return written


def _pairs(train: list[str], loading: Loading = LOADING, **changes: Any) -> PairData:
    return pairs(loading, train=train, **{**SETTINGS, **changes})


def _read(data: PairData, name: str) -> list[tuple[str, list[str]]]:
    every = torch.arange(data.num_rows(name))
    return list(zip(data.sources(name, every), data.references(name, every), strict=True))


def _fault(train: list[str], **changes: Any) -> str:
    with pytest.raises(DataError) as error:
        _pairs(train, **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---- reading


def test_aligned_files_and_one_with_tabs_are_the_same_data(write: Write) -> None:
    one = _pairs(write(pairs="\n".join(LINES)))
    sources, targets = zip(*(line.split("\t") for line in LINES), strict=True)
    windows = "\ufeff" + "\r\n".join(sources) + "\r\n"
    two = _pairs(write(source=windows, target=gzip.compress("\n".join(targets).encode())))
    assert one.fingerprint == two.fingerprint and _read(one, "val") == _read(two, "val")


def test_a_line_ends_with_a_line_feed_and_with_nothing_else(write: Write) -> None:
    files = write(source="so\u2028so\x0bso\nso\x85or\ndo\x1eso\n", target="1\n2\u2029\n3\n")
    data = _pairs(write(pairs="\n".join(LINES)), validation=files, test=files, source_tokens="character")
    found = dict(_read(data, "test"))
    assert found == {"so\u2028so\x0bso": ["1"], "so\x85or": ["2"], "do\x1eso": ["3"]}


def test_further_files_and_cells_are_further_references(write: Write) -> None:
    train = write(pairs="\n".join(LINES))
    cells = write(test="word1\tone\tuno\ta\nword2\ttwo\n  word3 \tthree\tdrei\t\t\n")
    files = write(source="word1\nword2\n  word3 \n", one="one\ntwo\nthree\n", two="uno\n\ndrei\n", three="a\n\n\n")
    expected = [("word1", ["one", "uno", "a"]), ("word2", ["two"]), ("  word3 ", ["three", "drei"])]
    for given in (cells, files):
        data = _pairs(train, validation=given, test=given)
        assert _read(data, "test") == _read(data, "val") == expected
    trained = _pairs(cells, validation=train, test=train, source_tokens="character")
    assert trained.num_rows("train") == 6
    assert sorted(_read(trained, "train"))[:2] == [("  word3 ", ["drei"]), ("  word3 ", ["three"])]


def test_empty_lines_are_left_out_if_set(write: Write) -> None:
    files = write(source="so\n\nb\nor\ndo\n", target="1\n2\n \n4\n5\n")
    data = _pairs(
        write(pairs="\n".join(LINES)), validation=files, test=files, empty_lines="skip", source_tokens="character"
    )
    assert _read(data, "test") == [("so", ["1"]), ("or", ["4"]), ("do", ["5"])]


FAULTS = {
    "unequal": ({"s": "a\nb\n", "t": "c\n"}, r"^\S+/s has 2 lines and \S+/t has 1; each line of the one must be the "),
    "blank": ({"p": "a\tb\n\nc\td\n"}, r"^\S+/p: line 2 has no source; write one, or delete the line, or set data.emp"),
    "no target": ({"s": "a\nb\n", "t": "c\n \n"}, r"^\S+/t: line 2 has no target; write one, .* in all files, or set"),
    "no target cell": ({"p": "a\tb\nc\t\n"}, r"^\S+/p: line 2 has no target; write one, or delete the line, or set "),
    "not UTF-8": (
        {"p": b"a\tb\nc\t\xe9t\xe9\n"},
        r"^\S+/p: line 2 is not UTF-8 \(there 0xe9\); save the file in UTF-8$",
    ),
    "no TAB": ({"p": "a\tb\nc d\n"}, r"^\S+/p: line 2 has no TAB; a single file has .*; set data.train$"),
    "empty": ({"p": "\n\n"}, r"^\S+/p is empty; set data.train$"),
    "nothing": ({"s": "", "t": ""}, r"^\S+/s is empty; set data.train$"),
    "cut off": ({"p": gzip.compress(b"a\tb\n" * 99)[:-9]}, r"^\S+/p is damaged \(.*\); set data.train$"),
    "one source": ({"p": "a\tb\na\tc\n"}, r"^\S+/p: all sources are the same; there is nothing to learn from$"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_with_a_file_is_one_line(name: str, write: Write) -> None:
    contents, message = FAULTS[name]
    assert re.search(message, _fault(write(**contents)))


def test_files_that_cannot_be_opened_name_the_setting(write: Write, tmp_path: Path) -> None:
    train = write(pairs="\n".join(LINES))
    assert _fault([str(tmp_path / "no.tsv")]).endswith("no.tsv: no such file; set data.train")
    assert _fault(train, test=[str(tmp_path)]) == f"{tmp_path} is a folder; set data.test"
    (tmp_path / "plain.gz").write_text("a\tb\n")
    assert _fault(train, validation=[str(tmp_path / "plain.gz")]).startswith(f"{tmp_path}/plain.gz is damaged (")


def test_lists_of_files_are_absolute_in_the_saved_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked = check(compose(["model=seq2seq", "data=pairs", "data.train=[a.en,a.de]", "data.test=b.tsv"]))
    assert checked["data"].settings["train"] == [f"{tmp_path}/a.en", f"{tmp_path}/a.de"]
    assert checked["data"].settings["test"] == [f"{tmp_path}/b.tsv"]
    assert all(f"  - {tmp_path}/{name}\n" in checked.text for name in ("a.en", "a.de", "b.tsv"))
    with pytest.raises(ConfigError, match=r"^data.train=\[\] must be a file or a list of files, such as"):
        check(compose(["model=seq2seq", "data=pairs", "data.train=[]"]))


# ---- splitting


def test_all_pairs_of_a_source_are_in_one_split(write: Write) -> None:
    data = _pairs(write(pairs="\n".join(LINES)))  # 60 lines, 20 different words after 0 to 4 others
    every = {name: _read(data, name) for name in SPLITS}
    sources = {name: {source for source, _ in found} for name, found in every.items()}
    total = {line.split("\t")[0] for line in LINES}
    assert len(total) == sum(map(len, sources.values())) == len(set.union(*sources.values())) == 20
    assert [len(sources[name]) for name in SPLITS] == [12, 4, 4] and len(every["val"]) == 4
    expected = {source: [line.split("\t")[1] for line in LINES if line.split("\t")[0] == source] for source in total}
    assert all(expected[source] == references for name in ("val", "test") for source, references in every[name])
    assert data.num_rows("train") == sum(len(expected[source]) for source in sources["train"])


def test_sources_that_differ_in_case_alone_are_one_in_lower_case(write: Write) -> None:
    text = "".join(f"{word}\t{word} {number}\n" for number in range(12) for word in (f"W{number}", f"w{number}"))
    data = _pairs(write(pairs=text), lowercase=True, source_tokens="character")
    lowered = [{source.lower() for source, _ in _read(data, name)} for name in SPLITS]
    assert sum(map(len, lowered)) == len(set().union(*lowered)) == 12


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_share_of_the_training_sources_is_part_of_all_of_them(share: float, write: Write) -> None:
    files = write(pairs="\n".join(LINES))
    part, whole = (_pairs(files, Loading(0, 4, 1, train_fraction=each)) for each in (share, 1.0))
    sources, all_sources = ({source for source, _ in _read(data, "train")} for data in (part, whole))
    assert sources < all_sources and len(sources) == round(share * len(all_sources))
    assert _read(part, "test") == _read(whole, "test")


def test_each_source_is_tested_in_one_fold(write: Write) -> None:
    files = write(pairs="\n".join(LINES))
    tested = [_read(_pairs(files, Loading(0, 4, 1, fold=Fold(number, 4))), "test") for number in range(1, 5)]
    sources = [source for found in tested for source, _ in found]
    assert len(sources) == len(set(sources)) == 20
    with pytest.raises(ConfigError, match=r"^cross_validation=4: this data brings its own test examples"):
        _pairs(files, Loading(0, 4, 1, fold=Fold(1, 4)), test=files)


# ---- tokens


def test_inputs_and_targets_are_the_tokens_with_their_end(write: Write) -> None:
    data = _pairs(write(pairs="\n".join(LINES)))
    for name in SPLITS:
        for row, (source, references) in enumerate(_read(data, name)):
            inputs, targets = data.raw(name).inputs[row].tolist(), data.raw(name).targets[row].tolist()
            words, answer = source.split(), references[0].split()
            assert inputs[len(words) :] == [END] + [PADDING] * (len(inputs) - len(words) - 1)
            assert targets[len(answer) :] == [END] + [NO_TARGET] * (len(targets) - len(answer) - 1)
            if name == "train":
                assert [data.spec.vocabulary[number] for number in inputs[: len(words)]] == words
                assert [data.spec.class_names[number] for number in targets[: len(answer)]] == answer
    assert data.raw("train").inputs.dtype == torch.int32 and data.raw("train").targets.dtype == torch.int64
    assert data.spec.longest_target == 4 and not data.spec.has_one_vocabulary


def test_a_shared_vocabulary_is_of_both_sides(write: Write) -> None:
    files = write(pairs="".join(f"a{number} b\tb c{number}\n" for number in range(20)))
    data = _pairs(files, shared_vocabulary=True)
    assert data.spec.has_one_vocabulary and data.spec.vocabulary == data.spec.class_names
    assert data.spec.vocabulary[3] == "b" and data.source_tokenizer is data.target_tokenizer
    with pytest.raises(ConfigError, match=r"^data.shared_vocabulary=true needs the same tokens on both sides"):
        _pairs(files, shared_vocabulary=True, source_tokens="character")


def test_long_training_pairs_are_left_out_and_counted(write: Write) -> None:
    long = "x " * 9
    files = write(pairs="".join(f"a{number}\tb{number}\n" for number in range(10)) + f"{long}\tb\na\t{long}\n")
    held_out = write(test="a1\tb1\na2\tb2\n")
    data = _pairs(files, validation=held_out, test=held_out, max_length=8)
    assert data.num_rows("train") == 10 and data.spec.input_shape == (2,) and data.spec.longest_target == 2
    assert "training pairs left out, longer than data.max_length: 2" in data.remarks
    too_long = write(long=f"a1\tb1\na2\t{long}\n")
    assert _fault(files, validation=too_long, test=too_long, max_length=8) == (
        f"{too_long[0]}: line 2: the target has 9 tokens, more than data.max_length=8 (1 targets of val do); raise "
        "data.max_length, or leave the pair out"
    )
    every = write(train="".join(f"a{number}\t{long}\n" for number in range(9)))
    assert "no training pair has data.max_length=8 tokens or fewer" in _fault(
        every, validation=held_out, test=held_out, max_length=8
    )


def test_a_vocabulary_of_nothing_names_the_setting(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"^data.min_count=99 leaves no token"):
        _pairs(write(pairs="\n".join(LINES)), min_count=99)


def test_sources_of_nothing_but_unknown_tokens_are_an_error(write: Write) -> None:
    held_out = write(test="ja\tyes\nnein\tno\n")
    found = _fault(write(pairs="\n".join(LINES)), validation=held_out, test=held_out)
    assert found.startswith(f"{held_out[0]}: line 1: this and 1 more of the 2 sources of val hold no token that is in")


@pytest.mark.parametrize(("scores", "expected"), [("translation", "Two Words"), ("exact", "two words")])
def test_references_are_in_the_form_of_outputs(scores: str, expected: str, write: Write) -> None:
    held_out = write(test="word1\t Two   Words\u00a0\nword2\tx\n")
    data = _pairs(
        write(pairs="\n".join(LINES)), validation=held_out, test=held_out, scores=scores, lowercase=True,
        target_tokens="spaced",
    )  # fmt: skip
    assert _read(data, "test")[0] == ("word1", [expected])


def test_remarks_tell_what_became_of_the_pairs(write: Write) -> None:
    train = write(pairs="".join(f"a{number}\tb{number}\n" for number in range(10)))
    held_out = write(test="a1\tb1\na2 z\tb2\n")
    assert _pairs(train, validation=held_out, test=held_out).remarks == (
        "pairs: train 10, val 2, test 2",
        "vocabulary: 13 source tokens, 13 target tokens",
        "tokens: median source 1, target 1; longest source 2, target 1",
        "unknown source tokens: val 33.33%, test 33.33%",
        "unknown target tokens: val 0.00%, test 0.00%",
        "sources that training has, too: val 1, test 1",
    )


# ---- batches, and what is kept


def test_batches_are_cut_and_hold_so_many_target_tokens_at_most(write: Write) -> None:
    data = _pairs(write(pairs="\n".join(LINES)), Loading(0, 8, 1), batch_tokens=16)
    batches = list(data.train_dataloader().batches())
    assert sum(len(inputs) for inputs, _ in batches) == data.num_rows("train")
    for inputs, targets in batches:
        assert targets.numel() <= 16 and len(targets) <= 8
        assert (inputs != PADDING).any(0).all() and (targets != NO_TARGET).any(0).all()
    lengths = [(row != PADDING).sum() for inputs, _ in data.val_dataloader().batches() for row in inputs]
    assert lengths == sorted(lengths)


def test_the_fingerprint_covers_inputs_targets_and_references(write: Write) -> None:
    train = write(pairs="\n".join(LINES))
    texts = ["word1\tone\tuno\nword2\ttwo\n", "word1\tone\tun\nword2\ttwo\n", "word1\twort1\tuno\nword2\ttwo\n"]
    found = []
    for text in texts:
        held_out = write(test=text)
        found.append(_pairs(train, validation=held_out, test=held_out).fingerprint)
    assert len({each["test"] for each in found}) == 3 and len({each["train"] for each in found}) == 1


def test_a_checkpoint_has_the_tokenizers_and_the_spec(write: Write, tmp_path: Path) -> None:
    files = write(pairs="\n".join(LINES))
    data = _pairs(files)
    torch.save(data.state_dict(), tmp_path / "state")
    state = torch.load(tmp_path / "state", weights_only=True)
    assert PairSpec(**state["spec"]) == data.spec and state["spec"] == asdict(data.spec)
    for side, tokenizer in (("source", data.source_tokenizer), ("target", data.target_tokenizer)):
        assert Tokenizer.from_state(state["tokenizers"][side]).vocabulary == tokenizer.vocabulary
    _pairs(files).load_state_dict(state)
    with pytest.raises(DataError, match="the data is not what the run was trained on"):
        _pairs(files, Loading(1, 4, 1)).load_state_dict(state)


def test_classes_cannot_be_balanced(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"^data.sampling=balanced"):
        _pairs(write(pairs="\n".join(LINES)), Loading(0, 4, 1, sampling="balanced"))
