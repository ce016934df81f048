"""`xtl study`: what a declared study would do.

A study compares arms: what is trained between the initial checkpoint and the targets.
`xtl docs studies` explains the words and lists the studies that ship.
"""

from __future__ import annotations

import argparse
from typing import Any

from xtl_jax.cli import study_show


def add_parser(commands: Any) -> None:
    """Register `xtl study`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "study",
        help="declared studies: their arms, stages and cost",
        description=__doc__,
        epilog="example:\n  xtl study show task_order --scale world",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own = parser.add_subparsers(dest="study_command", metavar="COMMAND", required=True)
    study_show.add_parser(own)
