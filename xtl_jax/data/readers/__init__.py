"""Files to rows, every row checked.

A reader takes one file of a release and yields its rows in order. Nothing is mended in
silence: a row that the release's own description does not allow raises a `UserError`
that names file, row, field, value, what is allowed and what to do. What a release
itself tells its readers to leave out is left out and counted in `dropped`.
"""

from __future__ import annotations

from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, check_count
from xtl_jax.data.readers.pairs import nli, paraphrase
from xtl_jax.data.readers.questions import squad
from xtl_jax.data.readers.texts import text_lines

__all__ = [
    "DEFAULT",
    "Dropped",
    "ReadOptions",
    "check_count",
    "nli",
    "paraphrase",
    "squad",
    "text_lines",
]
