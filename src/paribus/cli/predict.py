"""`paribus predict run=DIR input=FILE|- output=FILE|-`: what a trained run writes for new texts, a line each."""

import io
import sys
import time
from pathlib import Path

from paribus import config
from paribus.cli import saved_config, take
from paribus.errors import ConfigError

STANDARD = Path("-")  # the standard input or output


def command(arguments: list[str], extension: Path | None) -> int:
    """Decode each line of the input: a line of output each, or of several best ones number, score and text."""
    folder, rest = take("run", arguments)
    source, rest = take("input", rest)
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
    _check_place(target)
    from paribus.data.pairs.files import Remedies, lines_of, read_lines
    from paribus.prediction import Output, predict

    where = "the standard input" if source == STANDARD else str(source)
    advice = Remedies("give texts to decode, a line each")
    texts = lines_of(sys.stdin.buffer.read(), where, advice) if source == STANDARD else read_lines(source, advice)
    started = time.monotonic()
    found: list[list[Output]] = predict(checked, folder, texts, where)
    several = checked["decoding"].settings.get("n_best", 1) > 1
    lines = [
        f"{number}\t{each.score:.4f}\t{each.text}" if several else each.text
        for number, outputs in enumerate(found, start=1)
        for each in outputs or [Output("", 0.0, is_cut=False)]  # a blank line stays one, so that lines stay aligned
    ]
    _write(target, "".join(f"{line}\n" for line in lines))
    cut = sum(outputs[0].is_cut for outputs in found if outputs)
    if cut:
        print(
            f"note: {cut} outputs are cut at the longest that decoding.max_ratio and max_extra allow", file=sys.stderr
        )
    if target != STANDARD:
        print(f"{len(texts)} texts decoded in {time.monotonic() - started:.1f} s: {target}")
    return 0


def _check_place(target: Path) -> None:
    """Raise ConfigError where the output cannot be written; before the work, not after it."""
    if target == STANDARD:
        return
    if target.is_dir():
        raise ConfigError(f"output={target} is a folder; give a file")
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"output={target}: there is no folder {target.parent}; make it first")


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
