"""The command line. Nothing heavy is imported before a command knows that its input is right."""

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from paribus import __version__
from paribus.errors import ConfigError, Interrupted, RunError, UserError, nearest
from paribus.output import discard

if TYPE_CHECKING:
    from paribus.config import Config

VERBS = {
    "train": "train, validate and test what the config chooses",
    "sweep": "run many configs: a grid, or a search; resume=DIR goes on with one",
    "compare": "compare variants over seeds, or finished runs: is the difference more than noise?",
    "study": "put a claim of the textbooks to the test: NAME, or --list for all",
    "diff": "show config, environment and metrics of two runs side by side",
    "evaluate": "test a finished run again: run=DIR",
    "predict": "decode texts with a finished run: run=DIR input=FILE|- output=FILE|-",
    "list": "show the groups, or the choices of one with their settings",
    "check": "build everything without training; show sizes, first loss and an estimate of the time",
    "doctor": "look at versions, devices and disk, and say what to do about problems",
}

HELP = """\
usage: paribus COMMAND [OVERRIDES] [--extend DIR]

commands
{verbs}

overrides are Hydra's: model=cnn optimizer.lr=0.01 experiment=mnist_cnn
  paribus train                                   the main experiment, digits_cnn
  paribus train model=mlp activation=tanh         the same with two parts swapped
  paribus train resume=outputs/runs/NAME/TIME     go on with a run
  paribus sweep model=mlp,cnn seed=range(5)       a run for each combination
  paribus compare optimizer=sgd,adam seeds=10     a paired comparison
  paribus study zero_initialization               a claim, everything equal but the part in question
  paribus diff outputs/runs/A/TIME outputs/runs/B/TIME
  paribus train --cfg job                         show the config and stop
  paribus evaluate run=outputs/runs/NAME/TIME     test a run again
  paribus predict run=outputs/runs/NAME/TIME input=texts.txt output=-
                                                  decode new texts, a line each, with a run of model=seq2seq
  paribus list model                              choices, settings, types and defaults

--extend DIR        parts of your own, in a folder shaped like the package (or PARIBUS_EXTEND)
--help, --version   this text; the version

exit codes: 0 done, 1 the run failed, 2 a mistake in config or data, 130 Ctrl-C, 143 SIGTERM,
  129 a closed terminal
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Users' mistakes become one line on stderr."""
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except UserError as error:
        return _say(error)
    except Interrupted as interrupted:
        print(f"interrupted{_way_on(interrupted, sys.argv[1:] if arguments is None else arguments)}", file=sys.stderr)
        return interrupted.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        discard()
        return 1
    except OSError as error:
        if error.filename is None:
            discard()
        return _say(RunError(f"{error.strerror or error}: {error.filename or 'the run folder or the standard output'}"))
    except (Exception, SystemExit) as error:
        what = (
            "out of memory; choose a smaller model or batch"
            if _is_memory(error)
            else f"{type(error).__name__}: {error}"
        )
        return _say(RunError("; ".join([f"{what}{_place(error)}", *getattr(error, "__notes__", [])])))


def _way_on(interrupted: Interrupted, arguments: Sequence[str]) -> str:
    """The command that goes on, as a shell takes it."""
    if interrupted.folder is None:
        return ""
    typed = [word for word in arguments if word.startswith("--extend")]
    extension = ["--extend", str(take_extension(list(arguments))[0])] if typed else []
    return f"; go on with: {shlex.join(['paribus', interrupted.verb, *extension, f'resume={interrupted.folder}'])}"


def _say(error: UserError) -> int:
    print(f"{error.kind}: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_code


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "alloc_cpu" in str(error)


def _place(error: BaseException) -> str:
    """Where in the user's own parts the error arose, if it was there."""
    from paribus.parts import EXTENSION

    files = {module.__file__ for name, module in sys.modules.items() if name.startswith(EXTENSION)}
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        verbs = "\n".join(f"  {verb:<10}{text}" for verb, text in VERBS.items())
        print(HELP.format(verbs=verbs))
        return 0
    if arguments[0] in ("--version", "-V", "version"):
        print(f"paribus {__version__}")
        return 0
    extension, (verb, *rest) = take_extension(arguments)
    if verb not in VERBS:
        raise ConfigError(f"{verb} is not a command; {nearest(verb, VERBS, 'commands')}")
    if {"--help", "-h"} & set(rest):
        return _run([])
    module = "listing" if verb == "list" else verb  # a module called list would hide the built-in here
    command: Callable[[list[str], Path | None], int] = import_module(f"paribus.cli.{module}").command
    return command(rest, extension)


def take_extension(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The folder of the user's own parts, from --extend or PARIBUS_EXTEND, and the other arguments."""
    folder, rest, source = os.environ.get("PARIBUS_EXTEND"), [], "PARIBUS_EXTEND="
    words = iter(arguments)
    for word in words:
        if word == "--extend" or word.startswith("--extend="):
            folder, source = word.partition("=")[2] or next(words, None), "--extend "
            if not folder:
                raise ConfigError("--extend needs the folder of your own parts")
        else:
            rest.append(word)
    if not folder:
        return None, rest
    path = Path(folder).expanduser().absolute()
    if not (path / "configs").is_dir():
        raise ConfigError(f"{source}{folder}: no such folder, or it has no configs/ in it")
    return path, rest


def take(word: str, arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The path given as WORD=PATH, taken out before Hydra parses the rest: paths may hold any character."""
    found = [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{word}=")]
    rest = [argument for argument in arguments if not argument.startswith(f"{word}=")]
    if len(found) > 1 or found == [""]:
        raise ConfigError(f"{word}= takes one path")
    return (Path(found[0]).expanduser() if found else None), rest


def saved_config(
    folder: Path, overrides: list[str], extension: Path | None, changeable: tuple[str, ...] = ()
) -> "Config":
    """The config of a run folder with overrides on top. Raises ConfigError for a change of what a run keeps.

    What may be changed is `changeable`, or what a resume may change.
    """
    from paribus import composition, config

    if not folder.is_dir():
        raise ConfigError(f"{folder} is no run folder: there is no such folder")
    file = folder / "config.yaml"
    if not file.is_file():
        raise ConfigError(f"{folder} is no run folder: it holds no config.yaml")
    wanted = config.check(composition.recompose(file, overrides, extension))
    changeable = changeable or (config.RESUMABLE_TOGETHER if wanted.is_several else config.RESUMABLE)
    config.check_kept(config.check(composition.recompose(file, [], extension)), wanted, changeable)
    return wanted


def aligned(figures: Mapping[str, float], remarks: Mapping[str, str] | None = None) -> str:
    """A line for each figure: its name, its value and what there is to remark on it."""
    width = max(len(name) for name in figures)
    return "\n".join(
        f"  {name:<{width}}  {value:.4f}{(remarks or {}).get(name, '')}" for name, value in figures.items()
    )
