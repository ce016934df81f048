"""Plain text: one document a line."""

from __future__ import annotations

import os
from collections.abc import Iterator

from xtl_jax.data import sources
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions
from xtl_jax.data.rows import TextRow
from xtl_jax.errors import UserError


def text_lines(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[TextRow]:
    """Rows of a plain text file: one document a line; blank lines are left out."""
    name = os.fspath(path)
    stem = os.path.basename(name)
    kept = 0
    for number, line in sources.read_lines(name):
        if line.strip():
            kept += 1
            yield TextRow(id=f"{stem}:{number}", text=line.strip())
    if not kept:
        raise UserError(
            f"{name}: holds blank lines only; one document a line is needed"
        )
