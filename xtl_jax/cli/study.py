"""`xtl study`: declared studies, from their graph of stages to their results.

A study compares arms: what is trained between the initial checkpoint and the targets.
`xtl docs studies` explains the words and lists the studies that ship.
"""

from __future__ import annotations

import argparse
from typing import Any

from xtl_jax.cli import (
    study_report,
    study_run,
    study_show,
    study_similarity,
    study_status,
)


def add_parser(commands: Any) -> None:
    """Register `xtl study`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "study",
        help="declared studies: show, run, watch",
        description=__doc__,
        epilog="example:\n  xtl study show task_order --scale world",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own = parser.add_subparsers(dest="study_command", metavar="COMMAND", required=True)
    study_show.add_parser(own)
    study_run.add_parser(own)
    study_status.add_parser(own)
    study_report.add_parser(own)
    study_similarity.add_parser(own)
