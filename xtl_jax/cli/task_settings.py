"""Flags that say where a task's data and vocabulary are, shared by several commands."""

from __future__ import annotations

import argparse
import os
import pathlib
from typing import TYPE_CHECKING

from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data.vocabulary import Vocabulary

EXTRA_IDS = 100  # T5's number of sentinels


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--data_dir` and `--file`."""
    parser.add_argument(
        "--data_dir",
        default=os.environ.get("XTL_DATA_DIR"),
        help="folder of release files (default: $XTL_DATA_DIR)",
    )
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FAMILY/SPLIT=PATH",
        help="a file under another name than the release's; may be repeated",
    )


def default_cache_dir() -> str:
    """Where tokenised examples go if nothing else is said."""
    own = pathlib.Path.home() / ".cache" / "xtl_jax"
    return os.environ.get("XTL_CACHE_DIR") or str(own)


def add_vocabulary_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--vocabulary` and `--extra_ids`."""
    parser.add_argument(
        "--vocabulary",
        default=os.environ.get("XTL_VOCABULARY"),
        metavar="MODEL",
        help="SentencePiece model, or 'bytes' (default: $XTL_VOCABULARY)",
    )
    parser.add_argument(
        "--extra_ids",
        type=int,
        help=f"sentinels to add (default: {EXTRA_IDS} unless the model has its own)",
    )


def settings(args: argparse.Namespace) -> TaskSettings:
    """Settings from the flags; the vocabulary is loaded if one is named.

    Raises:
        UserError: no such data directory, or a flag of the wrong form.
    """
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data import sources

    if (
        args.data_dir
        and "://" not in args.data_dir
        and not os.path.isdir(args.data_dir)
    ):
        raise UserError(
            f"data directory {args.data_dir!r} does not exist; see --data_dir and "
            "XTL_DATA_DIR"
        )
    return TaskSettings(
        data_dir=args.data_dir or None,
        files=sources.parse_file_settings(args.file),
        vocabulary=_vocabulary(
            getattr(args, "vocabulary", None),
            extra_ids=getattr(args, "extra_ids", None),
        ),
    )


def _vocabulary(spec: str | None, *, extra_ids: int | None) -> Vocabulary | None:
    if not spec:
        return None
    from xtl_jax.data import vocabulary

    if extra_ids is not None:
        return vocabulary.load(spec, extra_ids=extra_ids)
    plain = vocabulary.load(spec)
    if plain.sentinel_ids:
        return plain
    return vocabulary.load(spec, extra_ids=EXTRA_IDS)
