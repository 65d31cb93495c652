"""Tables at the command line: what an error proposes is pasted into a shell, and then the run goes through."""

import re
import shlex
from pathlib import Path

import pytest

from conftest import Run

ROWS = 60

# Header, row, how it is written, what is typed -> each proposal in the error's one line, any of which mends it.
FAULTS = {
    "delimiter": ("a;b;y", "{i};{j};{k}", [], ["data.delimiter=;"]),
    "tabs": ("a\tb\ty", "{i}\t{j}\t{k}", [], ["data.delimiter=tab"]),
    "decimal commas": (
        "a;my x;y",
        "{i};{j},5;{k}",
        ["data.delimiter=;"],
        ["data.decimal_comma=true", 'data.exclude=["my x"]', 'data.categorical=["my x"]'],
    ),
    "dates": (
        'id,"größe, [cm]",b,y',
        "no {i},2024-01-0{j},{j},{k}",
        ["data.exclude=[id]"],
        ['data.exclude=[id,"größe, [cm]"]', 'data.categorical=["größe, [cm]"]'],
    ),
    "an id": ("id,b,y", "no {i},{j},{k}\nno {i} b,{j},{k}", [], ["data.exclude=[id]"]),
    "no target": ("a,b,y", "{i},{j},{k}\n1,2,", [], ["data.missing=drop"]),
    "no value": ("a,b,y", "{i},{j},{k}\n1,,{k}", [], ["data.missing=drop", "data.missing=fill"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_an_error_proposes_can_be_pasted(paribus: Run, tmp_path: Path, fault: str) -> None:
    header, row, typed, proposals = FAULTS[fault]
    rows = [row.format(i=i, j=1 + i % 7, k="yes" if i % 2 else "no") for i in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join([header, *rows]) + "\n")
    arguments = ("train", "data=table", "data.path=t.csv", "data.target=y", "model=mlp", "trainer=cpu", *typed)
    arguments += ("trainer.max_epochs=1", "logger=none")
    code, out, err = paribus(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    proposed = re.findall(r"""'data\.[^']*'|(?<!')\bdata\.\w+=[\w,]+""", err)
    pasted = [shlex.split(text.rstrip(","))[0] for text in proposed]
    assert sorted(pasted) == sorted(proposals), err
    for each in pasted:
        code, _, err = paribus(*arguments, each)
        assert code == 0, err
