"""Starting again with large pages: when, and that it works."""

from __future__ import annotations

import pathlib
import platform
import subprocess
import sys

import pytest

from xtl_jax.cli import huge_pages

_ASKED = "always [madvise] never\n"
_LIBRARY = ("glibc", "2.36")


@pytest.mark.parametrize(
    ("library", "pages"),
    [
        (("glibc", "2.31"), _ASKED),
        (("", ""), _ASKED),
        (_LIBRARY, "[always] madvise never"),
        (_LIBRARY, "always madvise [never]"),
        (_LIBRARY, ""),
    ],
)
def test_stays_where_it_means_nothing(library: tuple[str, str], pages: str) -> None:
    assert huge_pages.environment("train", {}, library=library, pages=pages) is None


def test_what_the_user_has_set_stays() -> None:
    own = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}
    assert huge_pages.environment("run", own, library=_LIBRARY, pages=_ASKED) is None


def test_other_settings_are_kept() -> None:
    own = {"GLIBC_TUNABLES": "glibc.malloc.check=0", "HOME": "/"}
    changed = huge_pages.environment("run", own, library=_LIBRARY, pages=_ASKED)
    assert changed == {
        "GLIBC_TUNABLES": "glibc.malloc.check=0:glibc.malloc.hugetlb=1",
        "HOME": "/",
    }


def test_starts_again_once_with_the_same_arguments(tmp_path: pathlib.Path) -> None:
    pages = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if platform.libc_ver()[0] != "glibc" or "[madvise]" not in (
        pages.read_text() if pages.exists() else ""
    ):
        pytest.skip("this machine's memory has no pages to ask for")
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "from xtl_jax.cli import huge_pages\n"
        "print('began')\n"
        "huge_pages.restart_with('train')\n"
        "print(sys.argv[1:], os.environ['GLIBC_TUNABLES'])\n"
    )
    done = subprocess.run(
        [sys.executable, str(program), "two words", "--x"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin"},
    )
    told = "['two words', '--x'] glibc.malloc.hugetlb=1"
    assert done.stdout.splitlines() == ["began", "began", told]
