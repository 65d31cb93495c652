"""`paribus train`: compose and check without torch, then run."""

from pathlib import Path

from paribus import composition, config
from paribus.cli import aligned, saved_config, take
from paribus.errors import ConfigError


def command(arguments: list[str], extension: Path | None) -> int:
    """Train a new run, or go on with an old one: resume=DIR."""
    if {"-m", "--multirun"} & set(arguments):  # Hydra's own way to ask for a sweep
        from paribus.cli import sweep

        return sweep.command(arguments, extension)
    folder, arguments = take("resume", arguments)
    show, overrides = _take_cfg(arguments)
    checked = (
        saved_config(folder, overrides, extension)
        if folder
        else config.check(composition.compose(overrides, extension))
    )
    if show:
        print(checked.text, end="")
        return 0
    for note in checked.notes:
        print(f"note: {note}")
    return _cross_validate(checked, folder) if checked.is_several else _train(checked, folder)


def _take_cfg(arguments: list[str]) -> tuple[bool, list[str]]:
    """Hydra's `--cfg job`: show the config and stop."""
    for flag in ("--cfg", "-c"):
        if flag in arguments:
            place = arguments.index(flag)
            if arguments[place + 1 : place + 2] != ["job"]:
                raise ConfigError(f"{flag} is followed by job: paribus train --cfg job")
            return True, arguments[:place] + arguments[place + 2 :]
    if "--cfg=job" in arguments:
        return True, [word for word in arguments if word != "--cfg=job"]
    return False, arguments


def _train(checked: config.Config, folder: Path | None) -> int:
    from paribus.experiment import run

    result = run(checked, folder)
    metrics = result.metrics
    seconds = f"{metrics['train_seconds']:.1f} s of training"
    print(f"best epoch {metrics['best_epoch']} of {metrics['epochs']}, {seconds}")
    print(aligned({name: value for name, value in metrics.items() if name.startswith("test/")}))
    if result.verdict:
        print(result.verdict)
    print(result.folder)
    return 0


def _cross_validate(checked: config.Config, folder: Path | None) -> int:
    from paribus.comparison import CONFIDENCE
    from paribus.cross_validation import cross_validate

    path, summaries = cross_validate(checked, folder)
    remarks = {
        name: f"  deviation {each.deviation:.4f}, {CONFIDENCE:.0%} interval {each.low:.4f} to {each.high:.4f}"
        for name, each in summaries.items()
    }
    print(f"means over {checked.cross_validation} folds")
    print(aligned({name: each.mean for name, each in summaries.items()}, remarks))
    print(path)
    return 0
