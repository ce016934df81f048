"""`xtl data`: look at a task's rows, and tokenise them once."""

from __future__ import annotations

import argparse
from typing import Any

from xtl_jax.cli import data_cache, data_show


def add_parser(commands: Any) -> None:
    """Register `xtl data show` and `xtl data cache`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "data", help="look at a task's examples; tokenise them once"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    data_show.add_parser(actions)
    data_cache.add_parser(actions)
