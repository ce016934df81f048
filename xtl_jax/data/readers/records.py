r"""Files that are made of records, whatever the records mean.

A record comes with its *place* ("line 7"), which error messages name. Four layouts:
JSON lines, a table with a header line, a table without, and CSV. Tabs separate the
columns of a table, and quotes mean nothing there, unless the table was written by the
rules of CSV: then every cell with a quote in it is enclosed in quotes and its own are
doubled. PAWS-X is written so, and what XTREME's preprocessing writes, a second time
where the release was so already:

    >>> quoting(['1\t"A ""b"" c."\tD.', "2\tE.\tF."])
    1
    >>> quoting(['1\tHe said "no.\tHe said "yes".'])
    0

One blank line at the end of a file is no record; elsewhere a blank line is an error,
but for JSON lines, where it holds nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from xtl_jax.data import sources
from xtl_jax.data.readers.checks import parse_json
from xtl_jax.errors import UnlabelledError, UserError

Record = Mapping[str, Any]
Lines = Sequence[tuple[int, str]]  # number from 1, and text


def base_name(name: str) -> str:
    """A file's name without folder and compression suffix.

    Example:
        >>> base_name("data/QQP/train.tsv.xz")
        'train.tsv'
    """
    name = name.replace("\\", "/").rpartition("/")[2]
    for suffix in sources.SUFFIXES[1:]:
        name = name.removesuffix(suffix)
    return name


def json_lines(name: str) -> Iterator[tuple[str, Record]]:
    """Records of a file with one JSON object a line."""
    for number, line in sources.read_lines(name):
        if line.strip():
            record = parse_json(line, name=f"{name}: line {number}")
            if not isinstance(record, dict):
                raise UserError(f"{name}: line {number}: is no JSON object")
            yield f"line {number}", record


def lines_of(name: str) -> Lines:
    """A file's lines, without one blank line at its end."""
    lines = list(sources.read_lines(name))
    return lines[:-1] if lines and not lines[-1][1] else lines


def table(
    lines: Lines, *, name: str, may_lack: Sequence[str] = ()
) -> Iterator[tuple[str, Record]]:
    """Records of a table whose first line names the columns.

    Args:
        lines: of the file.
        name: of the file.
        may_lack: columns at the end of a row that may be absent.
    """
    header = lines[0][1].split("\t")
    optional = sum(column in may_lack for column in header)
    if header[-1] not in may_lack:
        optional = 0  # only columns at the end of a row may be absent
    levels = quoting(line for _, line in lines)
    for number, line in lines[1:]:
        cells = _cells(line, levels=levels)
        if not len(header) - optional <= len(cells) <= len(header):
            _raise_columns(
                name, number, found=len(cells), needed=f"{len(header)} ({header[0]}, …)"
            )
        yield f"line {number}", dict(zip(header, cells, strict=False))


def headless(
    lines: Lines, *, name: str, split: str, columns: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Cells of a table without header whose last column is the label.

    Raises:
        UnlabelledError: all rows lack the last column.
    """
    if lines and all(line.count("\t") == len(columns) - 2 for _, line in lines):
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled ({len(columns) - 1} columns "
            f"instead of {len(columns)}: {', '.join(columns)}), so it can be neither "
            "trained on nor scored; take a labelled file and name it with --file"
        )
    levels = quoting(line for _, line in lines)
    for number, line in lines:
        # Columns pasted to files with Windows line ends leave a \r inside the row.
        cells = tuple(cell.rstrip("\r") for cell in _cells(line, levels=levels))
        if len(cells) != len(columns):
            _raise_columns(
                name,
                number,
                found=len(cells),
                needed=f"{len(columns)} ({', '.join(columns)})",
            )
        yield f"line {number}", cells


def quoted_table(name: str, *, delimiter: str = ",") -> Iterator[tuple[str, Record]]:
    """Records of a file by the rules of CSV: quoted cells may hold line ends."""
    with io.StringIO(sources.read_text(name), newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        header: list[str] = []
        blank = 0
        try:
            for cells in reader:
                number = reader.line_num
                if not header:
                    header = cells
                elif not cells:
                    blank = blank or number
                elif blank or len(cells) != len(header):
                    _raise_columns(
                        name,
                        blank or number,
                        found=0 if blank else len(cells),
                        needed=f"{len(header)} ({', '.join(header)})",
                    )
                else:
                    yield f"line {number}", dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise UserError(
                f"{name}: line {reader.line_num}: is not CSV ({error}); the file may "
                "be cut short"
            ) from None


def quoting(lines: Iterable[str]) -> int:
    """How many times over a table with tabs was written by the rules of CSV."""
    with_quotes = [line for line in lines if '"' in line]
    levels = 0
    while with_quotes and all(
        _is_quoted(cell)
        for line in with_quotes
        for cell in _cells(line, levels=levels)
        if '"' in cell
    ):
        levels += 1
        with_quotes = [line for line in with_quotes if _has_quotes(line, levels)]
    return levels


def _is_quoted(cell: str) -> bool:
    inner = cell[1:-1]
    return (
        cell[0] == cell[-1] == '"'
        and '""' in inner
        and '"' not in inner.replace('""', "")
    )


def _has_quotes(line: str, levels: int) -> bool:
    return any('"' in cell for cell in _cells(line, levels=levels))


def _cells(line: str, *, levels: int) -> list[str]:
    cells = line.split("\t")
    for _ in range(levels):
        cells = [
            cell[1:-1].replace('""', '"') if '"' in cell else cell for cell in cells
        ]
    return cells


def _raise_columns(name: str, number: int, *, found: int, needed: str) -> None:
    raise UserError(
        f"{name}: line {number}: has {found} columns, {needed} are needed; a tab or a "
        "line end may be missing or inside a text"
    )
