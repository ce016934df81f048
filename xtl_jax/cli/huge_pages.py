"""Large arrays on large pages of memory.

A step on a CPU asks for gigabytes of temporary memory and gives them back. The C
library fetches each 4 KiB page of them anew from the kernel, which takes a tenth of an
encoder's step and more; on pages of 2 MiB it takes next to nothing. The GNU C library
has a setting for this (`glibc.malloc.hugetlb`) and reads it when a program starts, so a
command that computes starts itself again with the setting, before it has imported
anything large. The process number stays. Where the setting means nothing (another C
library, another system, pages of 2 MiB always or never given) or the user has set it,
nothing is done.
"""

from __future__ import annotations

import os
import pathlib
import platform
import sys
from collections.abc import Mapping, Sequence

COMMANDS = ("quickstart", "train", "predict", "run", "study", "bench")  # that compute
_VARIABLE = "GLIBC_TUNABLES"
_SETTING = "glibc.malloc.hugetlb"
_FIRST = (2, 35)  # version of the C library that has the setting
_PAGES = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with(command: str | None) -> None:
    """Start this program again with the setting, where that helps `command`."""
    changed = environment(
        command, os.environ, library=platform.libc_ver(), pages=_read(_PAGES)
    )
    if changed is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, sys.orig_argv, changed)


def environment(
    command: str | None,
    variables: Mapping[str, str],
    *,
    library: Sequence[str],
    pages: str,
) -> dict[str, str] | None:
    """The environment to start again with; None: as it is, all is well.

    Args:
        command: of `xtl`.
        variables: the environment.
        library: name and version of the C library.
        pages: what the kernel says of large pages; its choice stands in brackets.

    Example:
        >>> asked = "always [madvise] never"
        >>> environment("train", {}, library=("glibc", "2.36"), pages=asked)
        {'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1'}
        >>> environment("tasks", {}, library=("glibc", "2.36"), pages=asked)
        >>> environment("train", {}, library=("", ""), pages=asked)
    """
    before = variables.get(_VARIABLE, "")
    name, version = library
    if (
        command not in COMMANDS
        or _SETTING in before
        or "[madvise]" not in pages
        or name != "glibc"
        or tuple(int(part) for part in version.split(".")[:2]) < _FIRST
    ):
        return None
    joined = ":".join(filter(None, (before, f"{_SETTING}=1")))
    return {**variables, _VARIABLE: joined}


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
