"""Tables of the documentation that commands write: what stands between two marks.

>>> print(into("<!-- plans -->\\nold\\n<!-- end of plans -->", "new", mark="plans"))
<!-- plans -->
new
<!-- end of plans -->
"""

from __future__ import annotations

import argparse
import pathlib

from xtl_jax.errors import UserError


def into(page: str, table: str, *, mark: str) -> str:
    """A page with the table between its two marks.

    Raises:
        UserError: the page has not both marks.
    """
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, there, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (there and closed):
        raise UserError(f"the page needs the marks {begin} and {end}, in this order")
    return f"{before}{begin}\n{table}\n{end}{after}"


def add_option(parser: argparse._ActionsContainer) -> None:
    """The option that names a page."""
    parser.add_argument(
        "--markdown_into",
        metavar="FILE",
        help="put the table between the marks of a page",
    )


class Page:
    """The page that a command was asked to write its table into, if any."""

    def __init__(self, name: str | None, *, mark: str) -> None:
        """Looks at the page, so that one without marks is refused before the work.

        Raises:
            UserError: there is no such file, or it has not both marks.
        """
        self._path = pathlib.Path(name) if name else None
        self._mark = mark
        if self._path is None:
            return
        if not self._path.is_file():
            raise UserError(f"--markdown_into={name}: there is no such file")
        try:
            self._with("")
        except UserError as error:
            raise UserError(f"{name}: {error}") from None

    def write(self, table: str) -> None:
        """Puts the table between the marks; nothing if no page was asked for."""
        if self._path is not None:
            self._path.write_text(self._with(table), encoding="utf-8")

    def _with(self, table: str) -> str:
        assert self._path is not None
        text = self._path.read_text(encoding="utf-8")
        return into(text, table, mark=self._mark)
