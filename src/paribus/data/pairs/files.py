"""Files of pairs: two or more that are aligned line by line, or one with a TAB between source and target.

A line ends with \\n or \\r\\n and with nothing else, so that aligned files stay aligned whatever their texts hold.
"""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from paribus.errors import DataError

GZIP = b"\x1f\x8b"  # how such a file begins, whatever its name
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Lines:
    """Sources and their targets. `where` is the file, or the first of several.

    The frame has for each source its `source`, its `targets` (a list of one or more), and the `line` it is in, from 1.
    """

    frame: pl.DataFrame
    where: str

    def place(self, row: int) -> str:
        """Where a row of the frame is, as errors say it."""
        return f"{self.where}: line {self.frame['line'][row]}"


@dataclass(frozen=True)
class Remedies:
    """What errors advise: where to give another file, and how to go on with empty lines (None: not at all)."""

    file: str
    empty_lines: str | None = None


def read_pairs(paths: Sequence[str], remedies: Remedies, *, skip_empty: bool = False) -> Lines:
    """[pairs.tsv] (source TAB target TAB further references) or [sources, targets, further references...].

    Of the further references, which not all lines need have, empty ones count as none. Files may be packed with gzip.
    Raises DataError, with file and line.
    """
    columns = [pl.Series(read_lines(Path(path), remedies), dtype=pl.String) for path in paths]
    if len(columns) == 1:
        cells = columns[0].str.split("\t")
        _check_tabs(cells, paths[0], remedies)
    else:
        _check_aligned(columns, paths)
        cells = pl.select(pl.concat_list(columns)).to_series()
    frame = pl.DataFrame({"source": cells.list.first(), "targets": cells.list.slice(1)}).with_row_index("line", 1)
    is_given = (_is_text(pl.col("source")) & _is_text(pl.col("targets").list.first())).fill_null(False)
    kept = frame.filter(is_given)
    if len(kept) < len(frame) and not skip_empty:
        raise _empty(frame.filter(~is_given), paths, remedies)
    if kept.is_empty():
        raise DataError(f"{paths[0]} has no line with a source and a target; {remedies.file}")
    return Lines(kept.with_columns(pl.col("targets").list.filter(_is_text(pl.element()))), paths[0])


def lines(sources: Sequence[str], targets: Sequence[str], where: str) -> Lines:
    """Sources with a target each, which are no file's."""
    frame = pl.DataFrame({"source": sources, "targets": targets}, {"source": pl.String, "targets": pl.String})
    return Lines(frame.with_columns(pl.concat_list("targets")).with_row_index("line", 1), where)


def read_lines(path: Path, remedies: Remedies) -> list[str]:
    """The lines of a file in UTF-8, without their ends; packed with gzip or not. Raises DataError."""
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is {'a folder' if path.is_dir() else 'no file'}; {remedies.file}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {remedies.file}") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise DataError(f"{path} cannot be read: {reason}; {remedies.file}") from None
    if path.suffix == ".gz" or content.startswith(GZIP):
        content = _unpacked(content, str(path), remedies)
    return lines_of(content, str(path), remedies)


def lines_of(content: bytes, where: str, remedies: Remedies) -> list[str]:
    """The lines of a text in UTF-8, without their ends. `where` is what errors call it. Raises DataError."""
    content = content.removeprefix(BYTE_ORDER_MARK)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        raise DataError(f"{where}: line {line} is not UTF-8 (there {byte}); save the file in UTF-8") from None
    if not text.strip():
        raise DataError(f"{where} is empty; {remedies.file}")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _unpacked(content: bytes, where: str, remedies: Remedies) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where} is damaged ({str(error).lower()}); {remedies.file}") from None


def _is_text(texts: pl.Expr) -> pl.Expr:
    return texts.str.strip_chars() != ""


def _check_tabs(cells: pl.Series, path: str, remedies: Remedies) -> None:
    bare = ((cells.list.len() == 1) & (cells.list.first().str.strip_chars() != "")).arg_true()
    if len(bare):
        raise DataError(
            f"{path}: line {bare[0] + 1} has no TAB; a single file has a TAB between source and target in each line, "
            f"else give a file of sources and one of targets; {remedies.file}"
        )


def _check_aligned(columns: list[pl.Series], paths: Sequence[str]) -> None:
    for column, path in zip(columns[1:], paths[1:], strict=True):
        if len(column) != len(columns[0]):
            raise DataError(
                f"{paths[0]} has {len(columns[0])} lines and {path} has {len(column)}; each line of the one must be "
                "the translation of that line of the other"
            )


def _empty(frame: pl.DataFrame, paths: Sequence[str], remedies: Remedies) -> DataError:
    """For the first of the rows that lack source or target."""
    is_source = not frame["source"][0].strip()
    path = paths[0] if is_source or len(paths) == 1 else paths[1]
    remedy = f", or {remedies.empty_lines}" if remedies.empty_lines else ""
    return DataError(
        f"{path}: line {frame['line'][0]} has no {'source' if is_source else 'target'}; write one, or delete the line"
        f"{' in all files' if len(paths) > 1 else ''}{remedy}"
    )
