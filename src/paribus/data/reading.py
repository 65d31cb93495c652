"""Reading: a CSV or Parquet file becomes a frame with the row of each example, as the user sees it in an editor.

All fields of a CSV are read as text. What is a number is decided later, once it is known what the columns are for.
"""

import csv
import io
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars import selectors

from paribus.errors import ConfigError, DataError, nearest

LINE = "\0line"  # a column of our own, under a name that no file's column has
MISSING = ["", "NA", "NaN", "nan"]
DELIMITERS = {",": ",", ";": ";", "\t": "tab", "|": "|"}  # as they are typed
SUFFIXES = {".tsv": "\t", ".tab": "\t"}
NOT_CSV = {  # how a file begins -> what it is
    b"PK\x03\x04": "an Excel workbook (or another zip archive); export the table as CSV and give that file",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; export the table as CSV and give that file",
    b"PAR1": "a Parquet file; give it the ending .parquet",
    b"\x1f\x8b": "compressed; unpack it first",
    b"\xff\xfe": "text in UTF-16; save it as CSV in UTF-8",
    b"\xfe\xff": "text in UTF-16; save it as CSV in UTF-8",
}
HEADER_SHOWN = 40  # characters


def read_table(path: Path, delimiter: str | None) -> pl.DataFrame:
    """The columns and LINE, the row each example begins in; the header of a CSV is row 1.

    Without a delimiter the ending decides: tab for .tsv and .tab, else comma. Raises DataError, and ConfigError for a
    wrong delimiter.
    """
    content = _content(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        frame = _parquet(path, content)
    else:
        frame = _csv(path, content, delimiter or SUFFIXES.get(path.suffix.lower(), ","))
    if frame.is_empty():
        raise DataError(f"{path} has no rows")
    return frame


def check_column(name: str, columns: Sequence[str], setting: str, path: str | Path) -> None:
    """Raise ConfigError where the column that data.SETTING names is none of the file's."""
    if name not in columns:
        delimiter = "; is data.delimiter right?" if len(columns) == 1 else ""
        known = nearest(name, columns, "columns")
        raise ConfigError(f"data.{setting}={name} is no column of {path}; {known}{delimiter}")


def _content(path: Path) -> bytes:
    """The bytes of exactly this file: Polars would take [ and * in a path for a pattern."""
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is {'a folder' if path.is_dir() else 'no file'}; set data.path to a file")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; set data.path") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise DataError(f"{path} cannot be read: {reason}; set data.path") from None


def _parquet(path: Path, content: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, str(error).splitlines()[0]) from None
    return frame.with_columns(
        selectors.boolean().cast(pl.Int8), selectors.float().fill_nan(None)
    ).with_row_index(LINE, offset=1)  # fmt: skip


def _csv(path: Path, content: bytes, delimiter: str) -> pl.DataFrame:
    if len(delimiter.encode()) != 1 or delimiter in '"\r\n':
        raise ConfigError(f"data.delimiter={delimiter!r} cannot stand between columns; use one such as , or ; or tab")
    text = _utf8(path, content)
    body = text.lstrip(b"\n\r")
    above = text[: len(text) - len(body)].count(b"\n")  # blank lines
    try:
        frame = pl.read_csv(body, has_header=False, infer_schema=False, separator=delimiter)
    except pl.exceptions.PolarsError as error:
        _check_fields(path, body, above, delimiter)
        raise _unreadable(path, f'{str(error).splitlines()[0]}; is a quote (") left open?') from None
    fields = pl.exclude(LINE)
    lines = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True)) + 1
    frame = frame.with_columns((lines.cum_sum() - lines + 1 + above).alias(LINE))
    header, rows = frame.drop(LINE).row(0), frame[1:].with_columns(fields.str.strip_chars())
    rows = rows.filter(pl.any_horizontal(fields != ""))  # not the blank ones
    if len(header) == 1 or rows[:, -2].null_count():  # what a row lacks at its end is null; so may be a blank field
        _check_fields(path, body, above, delimiter)
    rows = rows.with_columns(pl.when(~fields.is_in(MISSING)).then(fields))
    return _named(path, rows, [name or "" for name in header])


def _utf8(path: Path, content: bytes) -> bytes:
    """The content without a byte-order mark, its lines ended as is usual today."""
    for start, what in NOT_CSV.items():
        if content.startswith(start):
            raise _unreadable(path, f"it is {what}")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        guess = content[error.start : error.start + 1].decode("latin-1")
        raise _unreadable(
            path,
            f"row {row} is not UTF-8 but Latin-1 or Windows-1252, it seems (there {guess!r}); save it as CSV in UTF-8",
        ) from None
    if b"\0" in content:
        raise _unreadable(path, "it holds zero bytes, so it is binary or UTF-16; save it as CSV in UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise DataError(f"{path} has no rows: it is empty")
    return content if b"\n" in content else content.replace(b"\r", b"\n")  # old Macs ended lines with \r alone


def _named(path: Path, rows: pl.DataFrame, header: list[str]) -> pl.DataFrame:
    """Rows under the names of the header. Spreadsheets leave columns behind with neither name nor value: not kept."""
    fields = [name for name in rows.columns if name != LINE]
    kept = {field: name for field, name in zip(fields, header, strict=True) if name.strip() or rows[field].count()}
    _check_unique(path, list(kept.values()))
    stripped = {field: " ".join(name.split("\n")).replace("\r", "").strip() for field, name in kept.items()}
    names = stripped if len(set(stripped.values())) == len(stripped) else kept
    return rows.select(LINE, *(pl.col(field).alias(name) for field, name in names.items()))


def _check_unique(path: Path, names: list[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DataError(
            f"{path}: row 1: {count} columns have the name {name!r}; rename or delete all but one in the file"
        )


def _check_fields(path: Path, body: bytes, above: int, delimiter: str) -> None:
    """Raise for the first row that has not as many fields as the header, or a quote that is left open."""
    reader = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=delimiter, strict=True)
    line, header = 1, None
    try:
        for record in reader:
            if header is None:
                header = record
                if len(header) == 1:
                    _check_delimiter(path, body, delimiter)
            elif len(record) != len(header) and any(map(str.strip, record)):
                raise _unreadable(path, _ragged(line + above, len(record), header, delimiter))
            line = reader.line_num + 1
    except csv.Error as error:
        raise _unreadable(path, f'row {line + above}: {error}; is a quote (") left open?') from None


def _ragged(line: int, count: int, header: list[str], delimiter: str) -> str:
    shown = delimiter.join(header)
    shown = shown if len(shown) <= HEADER_SHOWN else f"{shown[:HEADER_SHOWN]}..."
    remedy = f"mend the row, or put quotes around texts that hold {delimiter!r}"
    if count > len(header) and (len(header) == 1 or shown.startswith("#")):
        remedy = "delete all lines above the names of the columns"
    fields = "1 field" if count == 1 else f"{count} fields"
    return f"row {line} has {fields}, the header {shown!r} has {len(header)}; {remedy}"


def _check_delimiter(path: Path, body: bytes, delimiter: str) -> None:
    """Raise where another delimiter divides the first two lines into as many fields each."""
    first, second = [*body.decode().split("\n", 2), ""][:2]
    for other, typed in DELIMITERS.items():
        if other != delimiter and first.count(other) == second.count(other) > 0:
            use = shlex.quote(f"data.delimiter={typed}")
            raise ConfigError(f"{path} has one column only when split at {delimiter!r}; use {use}")


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(f"{path} cannot be read as a table: {reason}")
