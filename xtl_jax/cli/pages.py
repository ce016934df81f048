"""Tables of the documentation that commands write: what stands between two marks.

>>> print(into("<!-- plans -->\\nold\\n<!-- end of plans -->", "new", mark="plans"))
<!-- plans -->
new
<!-- end of plans -->
"""

from __future__ import annotations

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
