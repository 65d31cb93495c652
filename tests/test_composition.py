import json
import subprocess
import sys

import pytest

from paribus import parts

EXPERIMENTS = sorted(parts.options("experiment", None))

# Runs apart, so that what it imports is what composing and checking import.
SWAPS = """
import json, sys
from omegaconf import OmegaConf
from paribus import composition, config, parts
from paribus.errors import ConfigError

experiment, checked, faults = sys.argv[1], set(), []
base = composition.compose([f"experiment={experiment}"])
model = config.check(base)["model"].part
options = {group: parts.options(group, None) for group in parts.GROUPS}
alone = {"activation": "activation" in model.consumes, "decoding": model.reads_pairs}  # whether the model takes it
together = [group for group in options if group not in alone]
rounds = max(len(options[group]) for group in together)
swaps = [{group: list(options[group])[turn % len(options[group])] for group in together} for turn in range(rounds)]
swaps += [{group: option} for group in alone for option in options[group]]
for chosen in swaps:
    overrides = [f"experiment={experiment}"]
    for group, option in chosen.items():
        values = OmegaConf.to_container(OmegaConf.load(options[group][option]))
        overrides += [f"{group}={option}", *(f"{group}.{key}=x" for key, value in values.items() if value == "???")]
    taken = all(alone.get(group, True) for group in chosen)
    try:
        composed = composition.compose(overrides)
        config.check(composed)
        assert taken and composed.choices.items() >= {g: o for g, o in chosen.items() if g in base.choices}.items()
    except (ConfigError, AssertionError) as error:
        if taken or "model" not in str(error):  # refused, as it is to be
            faults.append(f"{chosen}: {error!r}")
    checked |= chosen.items()
heavy = [name for name in ("torch", "lightning", "sklearn", "matplotlib") if name in sys.modules]
print(json.dumps({"checked": len(checked), "faults": faults, "heavy": heavy}))
"""


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_choice_can_be_swapped_in_an_experiment_and_checks_without_torch(experiment: str) -> None:
    """A choice of each group at once, until each has had its turn; alone where a model may not take it."""
    command = [sys.executable, "-c", SWAPS, experiment]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    every = sum(len(parts.options(group, None)) for group in parts.GROUPS)
    assert found == {"checked": every, "faults": [], "heavy": []}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_opens_with_the_command_that_runs_it(experiment: str) -> None:
    comment = parts.first_comment(parts.options("experiment", None)[experiment])
    assert comment.endswith(f": paribus train experiment={experiment}")
