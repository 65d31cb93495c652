"""`paribus evaluate run=DIR`: test the best checkpoint of a run again, from the run folder alone."""

from pathlib import Path

from paribus import config
from paribus.cli import aligned, saved_config, take
from paribus.errors import ConfigError


def command(arguments: list[str], extension: Path | None) -> int:
    """Print each test figure, and whether it is the stored one."""
    folder, overrides = take("run", arguments)
    if folder is None:
        given = next((word for word in overrides if "=" not in word), "outputs/runs/NAME/TIME")
        raise ConfigError(f"evaluate needs the folder of a run: paribus evaluate run={given}")
    checked = saved_config(folder, overrides, extension, config.EVALUABLE)
    from paribus.experiment import evaluate

    figures, stored = evaluate(checked, folder)
    if not stored:
        print(aligned(figures))
        print("no figures are stored to compare these with: the run was not tested")
        return 0
    remarks = {
        name: "" if value == stored.get(name) else f"  (stored: {stored.get(name, float('nan')):.4f})"
        for name, value in figures.items()
    }
    print(aligned(figures, remarks))
    same = not any(remarks.values())
    why = f"it was asked for with {' '.join(overrides)}" if overrides else "other data, settings or machine"
    print("the same as stored, to the last bit" if same else f"not the same as stored: {why}")
    return 0
