"""Fields of configuration dataclasses: their defaults, and what numbers they may hold.

Gin fills them with any value there is, so each config looks at its own
(`__post_init__`) and says in its own words what is wrong.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any


def defaults(config: Any) -> dict[str, Any]:
    """What fields hold where nothing is given; those without a default are left out.

    Args:
        config: a dataclass, or a value of one.

    Example:
        >>> @dataclasses.dataclass
        ... class Two:
        ...     steps: int
        ...     tasks: list[str] = dataclasses.field(default_factory=list)
        >>> defaults(Two)
        {'tasks': []}
    """
    found = {}
    for field in dataclasses.fields(config):
        if field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found


def missing(config: Any, given: Any) -> list[str]:
    """Fields that have no default and are not among the names given."""
    known = defaults(config)
    names = (field.name for field in dataclasses.fields(config))
    return [name for name in names if name not in known and name not in given]


def is_number(value: object) -> bool:
    """Whether it is a finite number; a truth value is none.

    Example:
        >>> is_number(0.5), is_number(True), is_number(float("nan"))
        (True, False, False)
    """
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def is_whole(value: object, *, least: int) -> bool:
    """Whether it is a whole number of at least `least`; a truth value is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
