"""The two columns that a table of texts is made of: a text and its target in each row."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from paribus.data.reading import LINE, check_column, read_table
from paribus.data.texts.module import Corpus
from paribus.errors import ConfigError, DataError


@dataclass(frozen=True)
class TextSource:
    """The file, and its columns `text` (of texts, none blank) and `target` (of any kind, none missing)."""

    frame: pl.DataFrame
    path: str
    text: str
    target: str

    def place(self, column: str, row: int | None = None) -> str:
        """Where a column is, or its value in a row of the frame, as errors say it."""
        line = "" if row is None else f"row {self.frame[LINE][row]}, "
        return f"{self.path}: {line}column {column!r}"

    @property
    def corpus(self) -> Corpus:
        """The texts."""
        return Corpus(self.frame[self.text], self.place(self.text), lambda row: self.place(self.text, row))


def read_texts(path: str, delimiter: str | None, text: str, target: str) -> TextSource:
    """Read the file and check both columns. Raises DataError with file, row and column, ConfigError for a name."""
    frame = read_table(Path(path), delimiter)
    columns = [name for name in frame.columns if name != LINE]
    for setting, name in {"text": text, "target": target}.items():
        check_column(name, columns, setting, path)
    if text == target:
        raise ConfigError(f"data.target={target} is data.text, too; give each a column of its own")
    for name in (text, target):
        dtype = frame[name].dtype
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise DataError(f"{path}: column {name!r} holds {dtype}; it must hold one text or number a row")
    source = TextSource(frame.with_columns(pl.col(text).cast(pl.String)), path, text, target)
    _check_given(source)
    return source


def _check_given(source: TextSource) -> None:
    """Every row has a text and a target."""
    texts, targets = source.frame[source.text], source.frame[source.target]
    blank = (texts.str.strip_chars() == "").fill_null(True).arg_true()
    if len(blank):
        raise DataError(
            f"{source.place(source.text, blank[0])}: the text is empty (so are NA, NaN and nan in a CSV); write one, "
            "or delete the row"
        )
    missing = targets.is_null().arg_true()
    if len(missing):
        raise DataError(f"{source.place(source.target, missing[0])}: the target is missing; mend or delete the row")
