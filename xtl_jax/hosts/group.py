"""Which host this is, and what all do together.

The group is set once, before anything is computed, by the command line; until then, and
in a process on its own, it is a group of one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from xtl_jax.errors import UserError

_T = TypeVar("_T")
_SHOWN = 4  # differences that are named


class Group(Protocol):
    """What `Channel` does for several hosts and `Alone` for one."""

    index: int
    count: int
    names: list[str]

    def exchange(
        self, name: str, value: Any = None, *, seconds: float | None = None
    ) -> list[Any]:
        """What each host says."""
        ...

    def ask(self) -> None:
        """Stop after the next step."""
        ...

    def begin(self, step: int) -> None:
        """Training begins."""
        ...

    def reached(self, step: int) -> bool:
        """Whether to stop after this step."""
        ...


class Alone:
    """A group of one."""

    def __init__(self) -> None:
        self.index, self.count = 0, 1
        self.names = [""]
        self._asked = threading.Event()

    def exchange(
        self, name: str, value: Any = None, *, seconds: float | None = None
    ) -> list[Any]:
        """Its own value."""
        return [value]

    def ask(self) -> None:
        """Stop after the next step."""
        self._asked.set()

    def begin(self, step: int) -> None:
        """Training begins."""

    def reached(self, step: int) -> bool:
        """Whether it was asked to stop."""
        return self._asked.is_set()


_current: list[Group] = [Alone()]


def current() -> Group:
    """The group of this process."""
    return _current[-1]


def become(group: Group) -> None:
    """From now on this is the group of this process."""
    _current[-1] = group


def is_first() -> bool:
    """Whether this host writes what one host alone must write."""
    return current().index == 0


def once(name: str, do: Callable[[], _T]) -> _T | None:
    """Let the first host do something, while the others wait for it.

    Returns:
        What it gave, on the first host; None on the others.
    """
    found = do() if is_first() else None
    current().exchange(name)
    return found


def all_of(name: str, mine: bool) -> bool:
    """Whether something is so on every host."""
    return all(current().exchange(name, mine))


def agree(what: str, document: Mapping[str, Any]) -> None:
    """Refuse hosts that differ.

    Args:
        what: the document is, for people.
        document: JSON values.

    Raises:
        UserError: on all hosts; names the host that is not like the first, and how.
    """
    group = current()
    if group.count == 1:
        return
    flat = _flat(json.loads(json.dumps(document, default=str)))
    text = json.dumps(flat, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    digests = group.exchange(f"{what}, its hash", digest)
    if len(set(digests)) <= 1:
        return
    first, *others = group.exchange(what, flat)
    differing = []
    for host, other in enumerate(others, start=1):
        fields = [
            f"{name} is {other.get(name)!r} and not {first.get(name)!r}"
            for name in sorted({*first, *other})
            if other.get(name) != first.get(name)
        ]
        if fields:
            more = len(fields) - _SHOWN
            told = "; ".join(fields[:_SHOWN]) + (f"; {more} more" if more > 0 else "")
            differing.append(f"host {host} ({group.names[host]}): {told}")
    raise UserError(
        f"the hosts do not have the same {what}. Other than on host 0 "
        f"({group.names[0]}): {'. '.join(differing)}. Start the same command with the "
        "same code and data on all hosts"
    )


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested objects as one, names joined by dots."""
    if not isinstance(value, Mapping):
        return {name: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _flat(item, f"{name}.{key}" if name else str(key))
    return found
