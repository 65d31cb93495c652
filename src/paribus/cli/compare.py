"""`paribus compare`: variants of a run with the same seeds, paired, and whether they differ by more than noise."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paribus.cli import take
from paribus.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from paribus.runs import Run

SEEDS = "5"
EXAMPLE = "paribus compare optimizer=sgd,adam seeds=10"
COMPARISONS = Path("outputs/comparisons")
OWN = ("sampler", "pruner")  # groups of a sweep that a comparison decides itself


def command(arguments: list[str], extension: Path | None) -> int:
    """Make the runs, or take finished ones, and compare them."""
    command_line = ["compare", *arguments]
    flag = next((word for word in arguments if word.startswith("-")), None)
    if flag:
        raise ConfigError(f"{flag} is not a flag of this command; compare takes overrides or the folders of runs")
    resume, rest = take("resume", arguments)
    metric, rest = take_text("metric", rest)
    baseline, rest = take_text("baseline", rest)
    seeds, rest = take_text("seeds", rest)
    folders = [word for word in rest if _is_folder(word)]
    overrides = [word for word in rest if word not in folders]
    if folders and (overrides or seeds or resume):
        other = next(iter(overrides), f"seeds={seeds}" if seeds else f"resume={resume}")
        raise ConfigError(f"{folders[0]} and {other}: give folders of finished runs, or overrides for new ones")
    if folders:
        _report([Path(each).expanduser() for each in folders], metric, baseline)
        return 0
    if resume:
        if seeds:
            raise ConfigError(f"seeds={seeds}: the seeds of a comparison that goes on are what they were")
        overrides = [f"resume={resume}", *overrides]
    else:
        listed = ",".join(map(str, seeds_given(seeds or SEEDS)))
        overrides = [f"seed=choice({listed})", *_varying(overrides)]
    return _made(overrides, extension, command_line, metric, baseline)


def _made(
    overrides: list[str], extension: Path | None, command_line: list[str], metric: str | None, baseline: str | None
) -> int:
    """Make the runs and compare them. 1 where one of them has failed."""
    from paribus.cli.sweep import run_sweep

    try:
        manifest = run_sweep(overrides, extension, command_line)
    except Interrupted as interrupted:
        interrupted.verb = "compare"
        raise
    try:
        _report([manifest.path], metric, baseline)
    except ConfigError as error:
        raise ConfigError(f"{error}; the runs are kept in {manifest.path}") from None
    return 1 if manifest.count("failed") else 0


def _is_folder(word: str) -> bool:
    """What is no override is meant to be one."""
    return "=" not in word or Path(word).expanduser().is_dir()


def _report(folders: Sequence[Path], metric: str | None, baseline: str | None) -> None:
    """Print and write what the finished runs in the folders say together."""
    from paribus import runs
    from paribus.comparing import figure, files, tables
    from paribus.comparing.contrasts import compare
    from paribus.comparing.variants import chosen, variants
    from paribus.comparing.verdicts import verdicts

    groups = variants(_once([run for folder in folders for run in runs.found(folder)]))
    comparison = compare(groups, chosen(groups, baseline), _several(metric))
    environments, sentences = tables.environments(comparison.variants), verdicts(comparison)
    tables.show(
        [
            tables.configs(comparison.variants),
            *tables.places(comparison.variants, environments),
            *tables.pairing(comparison),
            *tables.left_out(groups, comparison),
            tables.means(comparison),
            tables.differences(comparison),
            f"main metric: {comparison.main} ({comparison.why_main})",
            *sentences,
        ]
    )
    place = _place(folders)
    files.write(place, comparison, environments, sentences)
    figure.save(figure.draw(comparison, f"{place.parent.name}/{place.name}"), place / "figures" / "comparison.png")
    print(place)


def take_text(word: str, arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of WORD=, if it is given, and the other arguments. Raises ConfigError where it is given twice."""
    found = [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{word}=")]
    if len(found) > 1 or found == [""]:
        raise ConfigError(f"{word}= takes one value")
    return (found[0] if found else None), [each for each in arguments if not each.startswith(f"{word}=")]


def _several(metric: str | None) -> list[str]:
    """metric=test/accuracy, metric=[test/accuracy,test/f1] or the same without brackets."""
    return [each.strip() for each in (metric or "").strip("[]").split(",") if each.strip()]


def seeds_given(text: str) -> list[int]:
    """seeds=10 is 0 to 9, a list or a range what it says. Raises ConfigError for what is none of these."""
    from paribus.composition import parse

    value = _values(parse(f"seed={text}"))
    if type(value) is int:
        value = list(range(value))
    is_right = isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
    if not is_right or not value or len(set(value)) < len(value):
        raise ConfigError(
            f"seeds={text} must be how many seeds there are, or which, each once: seeds=10, seeds=[3,5,8] or "
            "seeds=range(5,10)"
        )
    return list(value)


def _values(override: "Override") -> Any:
    """What is given, of a choice or a range all of it."""
    if not override.is_sweep_override():
        return override.value()
    return list(override.sweep_iterator()) if override.is_discrete_sweep() else None


def _varying(overrides: Sequence[str]) -> list[str]:
    """The overrides, of which at least one must vary, and not the seed."""
    from paribus.composition import parse

    keys = {text: parse(text) for text in overrides}
    for text, override in keys.items():
        if override.key_or_group == "seed":
            raise ConfigError(f"{text}: every variant is run with the same seeds; use seeds={text.partition('=')[2]}")
        if override.key_or_group.partition(".")[0] in OWN:
            raise ConfigError(f"{text}: a comparison runs every variant with every seed; leave it out")
    if not any(override.is_sweep_override() for override in keys.values()):
        given = f"{' '.join(overrides)} does not vary" if overrides else "nothing varies"
        raise ConfigError(f"{given}; give what is to be compared, as in {EXAMPLE}, or the folders of finished runs")
    return list(overrides)


def _once(found: "Sequence[Run]") -> "list[Run]":
    """The runs without those that were named twice, as by the folder of a sweep and by their own."""
    return list({run.path.resolve(): run for run in found}.values())


def _place(folders: Sequence[Path]) -> Path:
    """The sweep's own folder where that is all there is, else a new one below outputs/comparisons."""
    if len(folders) == 1 and (folders[0] / "manifest.json").is_file():
        return folders[0].absolute()
    from paribus.results import claimed

    return claimed(COMPARISONS)
