"""Archives made by these tests, good and bad."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile

import pytest

from xtl_jax.data import unpack
from xtl_jax.errors import UserError


def _zip(path, files):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files:
            file.writestr(name, content)
    return path


def _tar(path, members):
    """Members are (name, content) or ready TarInfos."""
    with tarfile.open(path, "w:gz") as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
                continue
            entry = tarfile.TarInfo(member[0])
            entry.size = len(member[1])
            file.addfile(entry, io.BytesIO(member[1]))
    return path


def _link(name, target, *, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def _content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("make", [_zip, _tar])
def test_the_files_that_are_wanted_become_the_folder(tmp_path, make):
    suffix = "zip" if make is _zip else "tgz"
    archive = make(
        tmp_path / f"release.{suffix}",
        [
            ("release/R1/train.jsonl", b"one"),
            ("release/R2/train.jsonl", b"two"),
            ("release/README.md", b"read me"),
            ("__MACOSX/release/._train.jsonl", b"litter"),
            ("release/R1/._x.jsonl", b"litter"),
            ("other/train.jsonl", b"elsewhere"),
        ],
    )
    to = tmp_path / "data" / "mine"
    made = unpack.unpack(archive, to, inside="release", keep=("*.jsonl",))
    wanted = {"R1/train.jsonl": b"one", "R2/train.jsonl": b"two"}
    assert _content(to) == wanted
    assert made == [to / name for name in wanted]
    assert os.listdir(to.parent) == ["mine"]  # nothing temporary is left


def test_files_of_any_folder_can_lose_theirs(tmp_path):
    archive = _zip(tmp_path / "a.zip", [("x/y/de.txt", b"d"), ("en.txt", b"e")])
    unpack.unpack(archive, tmp_path / "to", inside="*", keep=("??.txt",))
    assert _content(tmp_path / "to") == {"de.txt": b"d", "en.txt": b"e"}


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "\\evil", "a\\..\\..\\evil", "C:/evil", ".."],
)
@pytest.mark.parametrize("make", [_zip, _tar])
def test_a_name_that_leads_out_refuses_the_whole_archive(tmp_path, make, name):
    archive = make(tmp_path / "a", [("good", b"1"), (name, b"2")])
    with pytest.raises(UserError, match=r"leads out of the folder .*refused"):
        unpack.unpack(archive, tmp_path / "in" / "to", keep=("good",))
    assert not (tmp_path / "evil").exists()
    assert os.listdir(tmp_path / "in") == []


@pytest.mark.parametrize(
    "member",
    [
        _link("x", "/etc/passwd"),
        _link("x", "../../outside"),
        _link("x", "good", kind=tarfile.LNKTYPE),
        _link("x", "", kind=tarfile.FIFOTYPE),
        _link("x", "", kind=tarfile.CHRTYPE),
    ],
)
def test_links_and_devices_are_refused_if_wanted_and_else_left_out(tmp_path, member):
    archive = _tar(tmp_path / "a.tgz", [("good", b"1"), member])
    with pytest.raises(UserError, match="'x' is a link or a device; it is refused"):
        unpack.unpack(archive, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    unpack.unpack(archive, tmp_path / "to", keep=("good",))
    assert _content(tmp_path / "to") == {"good": b"1"}


def test_links_in_a_zip_are_refused(tmp_path):
    entry = zipfile.ZipInfo("x")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(entry, "/etc/passwd")
    with pytest.raises(UserError, match="is a link or a device"):
        unpack.unpack(tmp_path / "a.zip", tmp_path / "to")


def test_a_link_as_parent_folder_does_not_lead_out(tmp_path):
    (tmp_path / "outside").mkdir()
    archive = _tar(
        tmp_path / "a.tgz", [_link("sub", str(tmp_path / "outside")), ("sub/x", b"1")]
    )
    with pytest.raises(UserError, match="link"):
        unpack.unpack(archive, tmp_path / "to")
    unpack.unpack(archive, tmp_path / "to", keep=("sub/x",))
    assert _content(tmp_path / "to") == {"sub/x": b"1"}
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.parametrize("make", [_zip, _tar])
def test_what_grows_beyond_its_bound_is_refused(tmp_path, make):
    archive = make(tmp_path / "a", [("x", bytes(600)), ("y", bytes(600))])
    with pytest.raises(UserError, match="holds more than it should"):
        unpack.unpack(archive, tmp_path / "to", most_bytes=1000)
    assert not (tmp_path / "to").exists()
    unpack.unpack(archive, tmp_path / "to", most_bytes=1200)


@pytest.mark.parametrize("make", [_zip, _tar])
def test_an_archive_of_too_many_files_is_refused(tmp_path, monkeypatch, make):
    monkeypatch.setattr(unpack, "MOST_FILES", 2)
    archive = make(tmp_path / "many", [(name, b"1") for name in "abc"])
    with pytest.raises(UserError, match="many: has more than 2 files; it is refused"):
        unpack.unpack(archive, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    unpack.unpack(archive, tmp_path / "to", keep=("a", "c"))


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path):
    path = _zip(tmp_path / "a.zip", [("x", b"123456789")])
    raw = path.read_bytes()
    path.write_bytes(raw.replace((9).to_bytes(4, "little"), (3).to_bytes(4, "little")))
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack.unpack(path, tmp_path / "to")


@pytest.mark.parametrize("make", [_zip, _tar])
def test_a_damaged_archive_is_named(tmp_path, make):
    path = make(tmp_path / "a", [("x", os.urandom(5000)), ("y", os.urandom(5000))])
    whole = path.read_bytes()
    for spoilt in (whole[:3000], whole[:20], b"no archive", b"\0" * 600):
        path.write_bytes(spoilt)
        with pytest.raises(UserError, match=r"cannot be unpacked|has no"):
            unpack.unpack(path, tmp_path / "to")
    bits = bytearray(whole)
    bits[3000] ^= 255
    path.write_bytes(bytes(bits))
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack.unpack(path, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_an_encrypted_member_and_a_name_given_twice_are_refused(tmp_path):
    path = _zip(tmp_path / "a.zip", [("x", b"1")])
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # flag of the local header
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # and of the directory
    path.write_bytes(bytes(raw))
    with pytest.raises(UserError, match="'x' is encrypted"):
        unpack.unpack(path, tmp_path / "to")
    twice = _tar(tmp_path / "b.tgz", [("x", b"1"), ("./x", b"2")])
    with pytest.raises(UserError, match=r"two files './x'"):
        unpack.unpack(twice, tmp_path / "to")
    below = _tar(tmp_path / "c.tgz", [("x", b"1"), ("x/y", b"2")])
    with pytest.raises(UserError, match="two files 'x/y'"):
        unpack.unpack(below, tmp_path / "to")


def test_another_layout_is_said_with_what_there_is(tmp_path):
    archive = _zip(tmp_path / "a.zip", [("v2/train.json", b"1")])
    with pytest.raises(UserError, match=r"has no \*\.tsv in v1; it has v2/train\.json"):
        unpack.unpack(archive, tmp_path / "to", inside="v1", keep=("*.tsv",))


def test_a_file_in_the_way_is_kept_unless_it_is_the_same(tmp_path):
    archive = _zip(tmp_path / "a.zip", [("x", b"new"), ("y", b"y")])
    (tmp_path / "to").mkdir()
    (tmp_path / "to/x").write_bytes(b"old")
    with pytest.raises(UserError, match="is there already and is not the file of a"):
        unpack.unpack(archive, tmp_path / "to")
    assert (tmp_path / "to/x").read_bytes() == b"old"
    (tmp_path / "to/x").write_bytes(b"new")
    unpack.unpack(archive, tmp_path / "to")
    assert _content(tmp_path / "to") == {"x": b"new", "y": b"y"}


def test_a_full_disk_is_told_and_nothing_is_left(tmp_path, monkeypatch):
    archive = _zip(tmp_path / "a.zip", [("x", b"1")])

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpack, "_write", full)
    with pytest.raises(UserError, match=r"No space left on device \([\d,]+ MB free\)"):
        unpack.unpack(archive, tmp_path / "in" / "to")
    assert os.listdir(tmp_path / "in") == []
