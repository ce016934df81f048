"""`xtl docs`: the pages that ship with the program.

xtl docs            what pages there are
xtl docs PAGE       one of them, drawn for the terminal; as plain Markdown in a pipe
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import sys
from typing import Any

from xtl_jax.errors import UserError, near

# A page that is read off the sources.
ERRORS, ERRORS_TITLE = "errors", "What can be wrong, and what is said"


def add_parser(subparsers: Any) -> None:
    """Add `xtl docs` to the command line."""
    parser = subparsers.add_parser(
        "docs",
        help="list or show the pages of documentation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("page", nargs="?", metavar="PAGE", help="name of a page")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, not text"
    )
    parser.set_defaults(run=run)


def pages() -> dict[str, str]:
    """Every page that ships, by name, as Markdown."""
    folder = importlib.resources.files("xtl_jax") / "docs"
    if not folder.is_dir():
        return {}
    found = {
        entry.name.removesuffix(".md"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".md")
    }
    return dict(sorted(found.items()))


def run(args: argparse.Namespace) -> int:
    """Show a page, or the list of them.

    Raises:
        UserError: there is no such page.
    """
    found = pages()
    if args.page == ERRORS:  # a second's work
        from xtl_jax.cli import error_catalogue

        found[ERRORS] = error_catalogue.markdown(ERRORS_TITLE)
    if args.page is None:
        titles = {name: _title(text) for name, text in found.items()}
        titles |= {ERRORS: ERRORS_TITLE}
        if args.json:
            print(json.dumps({"pages": titles}))
            return 0
        width = max(map(len, titles), default=0)
        for name, title in titles.items():
            print(f"{name:{width}}  {title}")
        print("\nShow one: xtl docs PAGE")
        return 0
    name = args.page.removesuffix(".md")
    if name not in found:
        raise UserError(
            f"no page named {name!r} among {len(found)}; near: {near(name, found)}; "
            "`xtl docs` lists them"
        )
    if args.json:
        print(json.dumps({"page": name, "markdown": found[name]}))
    elif sys.stdout.isatty():
        from rich.markdown import Markdown

        from xtl_jax.cli.screen import Console

        Console().print(Markdown(found[name]))
    else:
        print(found[name], end="")
    return 0


def _title(text: str) -> str:
    """The first heading of a page."""
    for line in text.splitlines():
        if line.startswith("#"):
            return line.lstrip("#").strip()
    return ""
