"""`paribus predict run=DIR input=FILE|- output=FILE|-`: what a trained run writes for new texts, a line each."""

import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from paribus import config
from paribus.cli import saved_config, take
from paribus.errors import ConfigError

STANDARD = Path("-")  # the standard input or output


def command(arguments: list[str], extension: Path | None) -> int:
    """Decode each line of the input; with targets=FILE, say instead how likely each target is."""
    folder, rest = take("run", arguments)
    source, rest = take("input", rest)
    forced, rest = take("targets", rest)
    target, overrides = take("output", rest)
    if folder is None or source is None:
        missing = "the folder of a run" if folder is None else "texts"
        raise ConfigError(
            f"predict needs {missing}: paribus predict run=outputs/runs/NAME/TIME input=FILE|- output=FILE|-"
        )
    checked = saved_config(folder, overrides, extension, config.PREDICTABLE)
    if not checked["model"].part.reads_pairs:
        raise ConfigError(f"{folder}: predict decodes texts, and model {checked['model'].part.name} writes none")
    if checked.is_several:
        raise ConfigError(f"{folder} holds the runs of {checked.cross_validation} folds; use one: run={folder}/fold_1")
    target = target or STANDARD
    _check_place(target, [source, forced] if forced else [source])
    texts = _read(source)
    started = time.monotonic()
    lines = _decoded(checked, folder, texts, source) if forced is None else _scored(checked, folder, texts, forced)
    _write(target, "".join(f"{line}\n" for line in lines))
    if target != STANDARD:
        done = "decoded" if forced is None else "scored"
        print(f"{len(texts)} texts {done} in {time.monotonic() - started:.1f} s, loading included: {target}")
    return 0


def _decoded(checked: config.Config, folder: Path, texts: Sequence[str], source: Path) -> Iterator[str]:
    """A line of output for each text, or of several best ones number, score and text."""
    from paribus.prediction import Output, predict

    found = predict(checked, folder, texts, _named(source))
    several = checked["decoding"].settings.get("n_best", 1) > 1
    for number, outputs in enumerate(found, start=1):
        for each in outputs or [Output("", 0.0, is_cut=False)]:  # a blank line stays one, so that lines stay aligned
            score = f"{each.score:.4f}" if outputs else ""
            yield f"{number}\t{score}\t{each.text}" if several else each.text
    cut = sum(outputs[0].is_cut for outputs in found if outputs)
    if cut:
        limits = "decoding.max_ratio and max_extra"
        print(f"note: {cut} outputs are cut at the longest that {limits} allow", file=sys.stderr)


def _scored(checked: config.Config, folder: Path, texts: Sequence[str], forced: Path) -> Iterator[str]:
    """For each target its log-probability and its number of tokens."""
    from paribus.prediction import score

    for each in score(checked, folder, texts, _read(forced), _named(forced)):
        yield "" if each is None else f"{each.log_probability:.4f}\t{each.tokens}"


def _read(place: Path) -> list[str]:
    from paribus.data.pairs.files import Remedies, lines_of, read_lines

    advice = Remedies("give texts, a line each")
    return lines_of(sys.stdin.buffer.read(), _named(place), advice) if place == STANDARD else read_lines(place, advice)


def _named(place: Path) -> str:
    """As errors name it."""
    return "the standard input" if place == STANDARD else str(place)


def _check_place(target: Path, sources: Sequence[Path]) -> None:
    """Raise ConfigError where the output cannot be written; before the work, not after it."""
    if target == STANDARD:
        return
    if target.is_dir():
        raise ConfigError(f"output={target} is a folder; give a file")
    folder = target.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"output={target}: there is no folder {target.parent}; make it first")
    if not target.exists() and not os.access(folder, os.W_OK):
        raise ConfigError(f"output={target}: {target.parent} cannot be written to; give another folder")
    for source in sources:
        if source != STANDARD and target.exists() and source.exists() and target.samefile(source):
            raise ConfigError(f"output={target} is what is to be read; give another file")


def _write(target: Path, text: str) -> None:
    """Whole or not at all."""
    if target == STANDARD:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as files are, whatever the terminal's own
        sys.stdout.write(text)
        return
    if target.exists() and not target.is_file():  # /dev/null, a named pipe
        target.write_text(text, encoding="utf-8")
        return
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
