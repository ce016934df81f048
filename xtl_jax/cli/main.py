"""`xtl`: one command per file of this folder."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence

import xtl_jax
from xtl_jax import storage
from xtl_jax.cli import config
from xtl_jax.errors import UserError
from xtl_jax.report.text import visible

# In the order of work. When one is asked for, its module alone is imported; nothing
# heavy is imported at the top of any of them.
COMMANDS = (
    *("quickstart", "doctor", "tasks", "data", "train", "predict", "score"),
    *("robustness", "layers", "report", "submit", "run", "study", "plan"),
    *("launch", "attacks", "convert", "bench", "docs"),
)

# What a disk may have: no space, no quota, a failure, no right to write.
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)
_HOSTS = ("XTL_COORDINATOR", "XTL_PROCESSES", "XTL_PROCESS_ID")


def parser(asked: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or as much as the command `asked` needs."""
    top = argparse.ArgumentParser(
        prog="xtl",
        description="Cross-lingual intermediate-task transfer with mT5: train on "
        "English tasks, fine-tune on a target's English data, score it zero-shot in "
        "all its languages.",
        epilog="Start with `xtl quickstart`: the whole path on an embedded toy world, "
        "offline, in minutes on a CPU. `xtl COMMAND --help` has an example for each.",
    )
    top.add_argument("--version", action="version", version=xtl_jax.__version__)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in (asked,) if asked in COMMANDS else COMMANDS:
        module = importlib.import_module(f"xtl_jax.cli.{name}")
        module.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done, 2 bad input (one message on stderr), 130 interrupted, 143 stopped by
        SIGTERM after saving.
    """
    own, words = _split_words(sys.argv[1:] if arguments is None else arguments)
    rest, bindings = config.split_gin_flags(own)
    if arguments is None:  # a program of its own, not a function that somebody calls
        from xtl_jax.cli import huge_pages

        huge_pages.restart_with(rest[0] if rest else None)
    parsed = parser(rest[0] if rest else None).parse_args(rest)
    parsed.gin, parsed.words = bindings, words
    if bindings and not hasattr(parsed, "gin_file"):
        print(
            f"xtl {parsed.command}: --gin.{bindings[0]} has no meaning here; it "
            "configures train, predict, run and study",
            file=sys.stderr,
        )
        return 2
    storage.prepare()
    # orbax logs through absl what is no concern of a user.
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        with _joined(parsed.command):
            return parsed.run(parsed) or 0
    except UserError as error:
        print(visible(f"xtl {parsed.command}: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"xtl {parsed.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # `xtl tasks | head` is no error
        return 0
    except OSError as error:
        if error.errno not in _OF_DISKS:
            raise  # a file that is not there, say, is told by who looked for it
        where = f"{error.filename}: " if error.filename else ""
        print(
            visible(f"xtl {parsed.command}: {where}{error.strerror}; mend that and ")
            + "give the same command again: what was whole before is as it was",
            file=sys.stderr,
        )
        return 2


def _joined(command: str) -> contextlib.AbstractContextManager[None]:
    """Among the hosts that the environment names; alone where it names none."""
    if not any(map(os.environ.get, _HOSTS)):
        return contextlib.nullcontext()
    from xtl_jax.cli import hosts

    return hosts.joined(command)


def _split_words(
    arguments: Sequence[str],
) -> tuple[Sequence[str], Sequence[str]]:
    """`launch` leaves what stands behind -- to the command that it starts."""
    if list(arguments[:1]) != ["launch"] or "--" not in arguments:
        return arguments, ()
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
