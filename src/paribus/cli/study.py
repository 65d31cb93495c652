"""`paribus study`: what a textbook claims, put to the test: everything equal but the part in question."""

from pathlib import Path
from typing import TYPE_CHECKING

from paribus import parts
from paribus.cli import take
from paribus.cli.compare import seeds_given, take_text
from paribus.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from paribus.studies.study import Study
    from paribus.sweeps.manifest import Manifest


def command(arguments: list[str], extension: Path | None) -> int:
    """Run a study, or what is missing of one: resume=DIR; or name them all: --list. 1 where a run has failed."""
    command_line = ["study", *arguments]
    if arguments == ["--list"]:
        return _list(extension)
    if "--list" in arguments:
        raise ConfigError("--list stands by itself: paribus study --list")
    flag = next((word for word in arguments if word.startswith("-")), None)
    if flag:
        raise ConfigError(f"{flag} is not a flag of this command; paribus study --list names the studies")
    resume, rest = take("resume", arguments)
    seeds, rest = take_text("seeds", rest)
    names = [word for word in rest if "=" not in word]
    overrides = [word for word in rest if "=" in word]
    if resume and (names or seeds):
        raise ConfigError(f"{names[0] if names else f'seeds={seeds}'}: a study that goes on is what it was")
    if not resume and len(names) != 1:
        what = f"{' '.join(names)}: one study at a time" if names else "which study?"
        raise ConfigError(f"{what}; give one name, as paribus study --list shows them")
    return _run(resume, names, seeds, overrides, extension, command_line)


def _run(
    resume: Path | None,
    names: list[str],
    seeds: str | None,
    overrides: list[str],
    extension: Path | None,
    command_line: list[str],
) -> int:
    from paribus.studies import running
    from paribus.studies.study import FEWEST_SEEDS, read
    from paribus.sweeps.launching import launched

    if resume:
        study, manifest = running.resumed(resume, overrides, extension)
    else:
        study = read(names[0], extension)
        chosen = seeds_given(seeds or str(study.seeds))
        if len(chosen) < FEWEST_SEEDS:
            raise ConfigError(f"seeds={seeds}: a study takes {FEWEST_SEEDS} seeds or more; fewer decide nothing")
        manifest = running.freeze(study, chosen, overrides, extension, command_line)
    try:
        manifest = launched(manifest)
    except Interrupted as interrupted:
        interrupted.verb = "study"
        raise
    return _conclude(study, manifest, extension)


def _conclude(study: "Study", manifest: "Manifest", extension: Path | None) -> int:
    """Measure, judge, print and write. 1 where a run failed in another way than by diverging."""
    from paribus.studies import conclusion

    found = conclusion.conclude(study, manifest, extension)
    conclusion.show(found)
    print(manifest.path)
    return 1 if any(cell.failed for cell in found.cells) else 0


def _list(extension: Path | None) -> int:
    """A line for each study: its name and its claim."""
    from paribus.studies.study import load

    files = parts.options(parts.STUDY, extension)
    width = max(map(len, files), default=0)
    for name, file in files.items():
        print(f"{name:<{width}}  {load(file).claim}")
    return 0
