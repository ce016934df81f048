"""Files by release path: suffixes, settings, damage named by place."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from xtl_jax import storage
from xtl_jax.data import sources
from xtl_jax.errors import UserError

TEXT = "Grüße\nنعم\n"
PACK = {"": bytes, ".xz": lzma.compress, ".gz": gzip.compress, ".bz2": bz2.compress}


@pytest.mark.parametrize("suffix", PACK)
def test_a_file_is_found_and_read_under_each_suffix(tmp_path, suffix):
    (tmp_path / f"a.de.txt{suffix}").write_bytes(PACK[suffix](TEXT.encode()))
    (path,) = sources.locate(("a.{language}.txt",), data_dir=tmp_path, language="de")
    assert path == str(tmp_path / f"a.de.txt{suffix}")
    assert sources.read_text(path) == TEXT
    assert list(sources.read_lines(path)) == [(1, "Grüße"), (2, "نعم")]


@pytest.mark.parametrize("suffix", [".xz", ".gz", ".bz2"])
def test_a_file_cut_short_is_named(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACK[suffix](TEXT.encode() * 999)[:-9])
    with pytest.raises(UserError, match=r"a\.txt.*cut short or damaged"):
        sources.read_text(path)


def test_a_file_that_is_not_what_its_suffix_says_is_named(tmp_path):
    path = tmp_path / "a.json.xz"
    path.write_bytes(b"{}")
    with pytest.raises(UserError, match=r"a\.json\.xz: cannot be decompressed as \.xz"):
        sources.read_text(path)


def test_missing_empty_and_folders_are_told_apart(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        sources.read_text(tmp_path / "none.txt")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match="empty \\(0 bytes\\)"):
        sources.read_text(tmp_path / "empty.txt")
    (tmp_path / "empty.txt.xz").write_bytes(lzma.compress(b""))
    with pytest.raises(UserError, match="holds nothing once decompressed"):
        sources.read_text(tmp_path / "empty.txt.xz")
    with pytest.raises(UserError, match="is a folder"):
        sources.read_text(tmp_path)


def test_a_zero_byte_is_named_by_offset_and_line(tmp_path):
    path = tmp_path / "holes.txt"
    path.write_bytes(b"ok\nGr\0n\n")
    with pytest.raises(UserError, match=r"byte 5 \(line 2\) is 0x00, which is no text"):
        sources.read_text(path)


def test_a_byte_that_is_not_utf8_is_named_by_offset_and_line(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"ok\nGr" + "ü".encode("latin-1") + b"n")
    with pytest.raises(UserError, match=r"byte 5 \(line 2\) is 0xfc"):
        sources.read_text(path)
    path.write_bytes("text".encode("utf-16"))
    with pytest.raises(UserError, match="UTF-16"):
        sources.read_text(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "bom.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert sources.read_text(path) == TEXT


def test_lines_end_at_newlines_only(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes("a\u2028b\x85c\r\nd\x0be".encode())
    assert list(sources.read_lines(path)) == [(1, "a\u2028b\x85c"), (2, "d\x0be")]


def test_candidates_are_tried_in_order_and_patterns_are_sorted(tmp_path):
    for name in ("b.txt", "c2.txt.xz", "c1.txt.xz"):
        (tmp_path / name).write_bytes(b"x")
    names = ("a.txt", "c*.txt", "b.txt")
    found = sources.locate(names, data_dir=tmp_path, language="en")
    assert found == [str(tmp_path / "c1.txt.xz"), str(tmp_path / "c2.txt.xz")]
    assert sources.locate(("a.txt",), data_dir=tmp_path, language="en") == []
    assert sources.locate(("b.txt",), data_dir=None, language="en") == []
    absolute = str(tmp_path / "b.txt")
    assert sources.locate((absolute,), data_dir=None, language="en") == [absolute]


def test_file_flags():
    with pytest.raises(UserError, match="must be FAMILY/SPLIT=PATH"):
        sources.parse_file_settings(["squad_v1/train"])
    with pytest.raises(UserError, match="given twice"):
        sources.parse_file_settings(["a/train=x", "a/train=y"])
    assert sources.parse_file_settings(["a/test=x=y"]) == {"a/test": "x=y"}


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "closed.txt"
    path.write_text("text")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    # Taking the right away would not stop root, as whom tests run in containers.
    monkeypatch.setattr(type(storage.at(path)), "read_bytes", refuse)
    with pytest.raises(UserError, match=r"closed\.txt: may not be read; check its"):
        sources.read_text(path)
