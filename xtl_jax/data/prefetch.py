"""Making the next items while the current one is used.

One thread runs the iterator ahead into a bounded buffer. What the iterator raises is
raised in the caller, at the place where the item would have come; `close` (or leaving
the `with` block) ends the thread.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Prefetched(Generic[Item]):
    """An iterator that is `ahead` items ahead.

    Example:
        >>> with Prefetched(iter("abc"), ahead=2) as items:
        ...     list(items)
        ['a', 'b', 'c']
    """

    def __init__(self, iterator: Iterator[Item], *, ahead: int) -> None:
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, got {ahead}")
        self._ready: collections.deque[Item] = collections.deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._fill, args=(iterator, ahead), name="xtl-feed", daemon=True
        )
        self._thread.start()

    def _fill(self, iterator: Iterator[Item], ahead: int) -> None:
        try:
            for item in iterator:
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._closed or len(self._ready) < ahead
                    )
                    if self._closed:
                        return
                    self._ready.append(item)
                    self._changed.notify_all()
        except BaseException as error:  # the caller raises it
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def __iter__(self) -> Prefetched[Item]:
        return self

    def __next__(self) -> Item:
        with self._changed:
            if self._closed:
                raise StopIteration
            self._changed.wait_for(lambda: self._ready or self._ended)
            if self._ready:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
        if self._error is not None:
            raise self._error
        raise StopIteration

    def close(self) -> None:
        """Ends the thread; waiting for it takes at most the making of one item."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Prefetched[Item]:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
