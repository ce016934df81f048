"""Which messages no test has seen.

`pytest --raised=FOLDER` keeps, for each process, where a `UserError` was made. What
several runs have kept together is held against all sites of the sources:

    python tests/raised.py FOLDER

lists those that nothing has raised, and ends with 1 if there are more than `MOST`.
"""

from __future__ import annotations

import os
import pathlib
import sys

from xtl_jax import errors
from xtl_jax.cli import error_catalogue

MOST = 8  # that no test has seen: the number only falls


def keep(folder: pathlib.Path) -> None:
    """Keeps the places that make a `UserError` from now on, in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[tuple[str, int]] = set()
    file = (folder / f"{os.getpid()}.txt").open("a", encoding="utf-8")

    begin = errors.UserError.__init__

    def made(self: errors.UserError, message: str) -> None:
        begin(self, message)
        frame = sys._getframe(1)
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place not in seen:
            seen.add(place)
            print(*place, sep="\t", file=file, flush=True)

    errors.UserError.__init__ = made  # type: ignore[method-assign]


def untested(folder: pathlib.Path) -> list[error_catalogue.Site]:
    """Sites that no file of a folder has."""
    seen: dict[str, set[int]] = {}
    for path in folder.glob("*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, number = line.split("\t")
            seen.setdefault(os.path.realpath(name), set()).add(int(number))
    return [
        site
        for site in error_catalogue.sites()
        if not any(
            site.first <= number <= site.last
            for number in seen.get(os.path.realpath(site.path), ())
        )
    ]


def main(folder: str) -> int:
    """Print what is left; 1 if it is too much."""
    left = untested(pathlib.Path(folder))
    for site in left:
        print(f"{site.module}:{site.first}: {site.template[:100]}")
    every = len(list(error_catalogue.sites()))
    print(f"{len(left)} of {every} messages were raised by no test; at most {MOST}")
    return len(left) > MOST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
