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

experiment, checked, faults = sys.argv[1], 0, []
base = composition.compose([f"experiment={experiment}"])
has_activation = "activation" in config.check(base)["model"].part.consumes
for group in parts.GROUPS:
    for option, file in parts.options(group, None).items():
        needed = [key for key, value in OmegaConf.to_container(OmegaConf.load(file)).items() if value == "???"]
        if option == base.choices.get(group):
            continue
        overrides = [f"experiment={experiment}", f"{group}={option}", *(f"{group}.{key}=x" for key in needed)]
        try:
            composed = composition.compose(overrides)
            config.check(composed)
            assert composed.choices == {**base.choices, group: option}
            checked += 1
        except (ConfigError, AssertionError) as error:
            if group == "activation" and not has_activation and "takes no activation" in str(error):
                checked += 1  # refused, as it is to be
                continue
            faults.append(f"{group}={option}: {error!r}")
heavy = [name for name in ("torch", "lightning", "sklearn", "matplotlib") if name in sys.modules]
single = [group for group in parts.GROUPS if group in base.choices]  # a list of choices is none of the options
print(json.dumps({"checked": checked, "faults": faults, "heavy": heavy, "single": single}))
"""


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_single_swap_of_an_experiment_checks_without_torch(experiment: str) -> None:
    command = [sys.executable, "-c", SWAPS, experiment]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    single = found.pop("single")
    swaps = sum(len(parts.options(group, None)) - (group in single) for group in parts.GROUPS)
    assert found == {"checked": swaps, "faults": [], "heavy": []}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_opens_with_the_command_that_runs_it(experiment: str) -> None:
    comment = parts.first_comment(parts.options("experiment", None)[experiment])
    assert comment.endswith(f": paribus train experiment={experiment}")
