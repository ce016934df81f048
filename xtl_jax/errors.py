"""The one error a user can cause.

A `UserError` says what is wrong, which value, what is allowed and what to do. The
command line prints its text alone and exits with 2; anything else that is raised is a
defect of ours and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LEFT_OUT = " … left out … "
MOST = 1200  # characters of a message: a value in it may be a whole file


class UserError(ValueError):
    """Bad input, explained so that the reader can mend it.

    Example:
        >>> said = str(UserError("a.tsv: label '" + "x" * 9999 + "'; give another"))
        >>> len(said), said[-12:]
        (1200, 'give another')
    """

    def __init__(self, message: str) -> None:
        """What is wrong at the start, what to do at the end; much between them goes."""
        if len(message) > MOST:
            half = MOST // 2
            rest = message[len(_LEFT_OUT) - half :]
            message = f"{message[:half]}{_LEFT_OUT}{rest}"
        super().__init__(message)


class UnlabelledError(UserError):
    """A split has no gold answers: it can be neither trained on nor scored."""


def near(name: str, known: Iterable[str]) -> str:
    """The names most like `name`, for the end of an error message.

    Example:
        >>> near("mlqaa", ["mlqa", "xquad"])
        'mlqa'
        >>> near("zzz", ["mlqa", "xquad"])
        'none'
    """
    names = list(dict.fromkeys(known))  # a name may come from two lists
    return ", ".join(difflib.get_close_matches(name, names, n=3)) or "none"
