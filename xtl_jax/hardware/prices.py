"""What a chip costs an hour, by generation and by how it is obtained."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import tomllib
from typing import Any, Literal

from xtl_jax.errors import UserError

Capacity = Literal["on-demand", "spot", "reserved", "flex-start"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Price:
    """A price with where it is from.

    Attributes:
        usd_per_chip_hour: US dollars.
        date: when it was noted, or "given".
        source: whose figure it is.
        note: why it is uncertain; "" if it is a list price of this very kind.
    """

    usd_per_chip_hour: float
    date: str
    source: str
    note: str = ""


def find(generation: str, *, capacity: Capacity) -> Price:
    """List price of a chip; never too low for the US regions.

    Raises:
        UserError: there is no figure for this generation.

    Example:
        >>> find("v4", capacity="spot").usd_per_chip_hour
        0.92
        >>> find("v5p", capacity="spot").note
        'no list price for spot here: charged as on-demand, the upper bound'
    """
    table = _table()
    if generation not in table:
        raise UserError(
            f"no price is known for {generation}: give what you pay, "
            "--usd_per_chip_hour=DOLLARS"
        )
    row: dict[str, float] = table[generation]
    own = row.get(capacity.replace("-", "_"))
    note = (
        ""
        if own is not None
        else f"no list price for {capacity} here: charged as on-demand, the upper bound"
    )
    return Price(
        usd_per_chip_hour=row["on_demand"] if own is None else own,
        date=table["date"],
        source=table["source"],
        note=note,
    )


@functools.cache
def _table() -> dict[str, Any]:
    text = importlib.resources.files("xtl_jax.hardware") / "prices.toml"
    return tomllib.loads(text.read_text(encoding="utf-8"))
