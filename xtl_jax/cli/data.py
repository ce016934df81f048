"""`xtl data`: fetch a task's files, look at its rows, and tokenise them once."""

from __future__ import annotations

import argparse
from typing import Any

from xtl_jax.cli import data_cache, data_get, data_show


def add_parser(commands: Any) -> None:
    """Register `xtl data get`, `xtl data show` and `xtl data cache`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "data", help="fetch a task's files; look at its examples; tokenise them once"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    data_get.add_parser(actions)
    data_show.add_parser(actions)
    data_cache.add_parser(actions)
