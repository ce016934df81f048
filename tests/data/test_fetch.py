"""Fetching from a server of this process: interrupted, changed, cut, refused."""

from __future__ import annotations

import hashlib
import http.client
import http.server
import io
import json
import os
import pathlib
import re
import threading
import types
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from xtl_jax.data import fetch, transfer
from xtl_jax.data.fetch import Download
from xtl_jax.errors import UserError

CONTENT = bytes(range(256)) * 4000  # about 1 MB


class Server:
    """What the handler serves, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.validator = 'ETag: "1"'
        self.says_length = True
        self.drop_after: list[int] = []  # bytes of each next answer
        self.answers: list[int] = []  # statuses of the next answers, before any file
        self.asked: list[dict[str, str]] = []
        self.url = ""


def _handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            server.asked.append(dict(self.headers.items()))
            if server.answers:
                self.send_error(server.answers.pop(0))
                return
            content = server.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            name, _, value = server.validator.partition(": ")
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            first = 0
            if asked and server.ranges and self.headers.get("If-Range") == value:
                first = int(asked[1])
            if first and first >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if first else 200)
            if first:
                end = len(content) - 1
                self.send_header("Content-Range", f"bytes {first}-{end}/{end + 1}")
            if name:
                self.send_header(name, value)
            if server.says_length:
                self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            body = content[first:]
            if server.drop_after:
                body = body[: server.drop_after.pop(0)]
            self.wfile.write(body)

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    state = Server()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(state)) as real:
        thread = threading.Thread(
            target=real.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        state.url = f"http://127.0.0.1:{real.server_address[1]}"
        state.files["set/train.json"] = CONTENT
        yield state
        real.shutdown()
        thread.join()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _known(server: Server, **changes: Any) -> Download:
    values: dict[str, Any] = {
        "url": f"{server.url}/set/train.json",
        "to": "set/train.json",
        "size": len(CONTENT),
        "sha256": _sha(CONTENT),
        "known_from": "a list",
    }
    return Download(**values | changes)


def _unknown(server: Server) -> Download:
    return _known(server, size=None, sha256=None, known_from="")


def _fetch(download: Download, folder: pathlib.Path) -> fetch.Fetched:
    return fetch.fetch(download, data_dir=folder, pause=lambda seconds: None)


def _names(folder: pathlib.Path) -> list[str]:
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    )


WHOLE = ["set/train.json", "set/train.json.receipt.json"]


def test_a_file_comes_with_its_receipt_and_is_not_fetched_again(server, tmp_path):
    seen = []
    found = fetch.fetch(
        _known(server),
        data_dir=tmp_path,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found == fetch.Fetched("fetched", len(CONTENT), _sha(CONTENT), "a list")
    assert (tmp_path / "set/train.json").read_bytes() == CONTENT
    assert _names(tmp_path) == WHOLE
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    receipt = json.loads((tmp_path / WHOLE[1]).read_text())
    assert receipt["url"] == f"{server.url}/set/train.json"
    assert receipt["sha256"] == _sha(CONTENT)
    assert receipt["bytes"] == len(CONTENT)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", receipt["date"])
    assert receipt["files"] == {"train.json": _sha(CONTENT)}
    assert _fetch(_known(server), tmp_path).status == "here"
    assert len(server.asked) == 1


@pytest.mark.parametrize("validator", ['ETag: "1"', "Last-Modified: Mon, 01 Jan 2024"])
def test_an_interrupted_transfer_goes_on_where_it_stopped(server, tmp_path, validator):
    server.validator = validator
    server.drop_after = [300_000, 200_000]
    assert _fetch(_known(server), tmp_path).status == "fetched"
    assert (tmp_path / "set/train.json").read_bytes() == CONTENT
    asked = [headers.get("Range") for headers in server.asked]
    assert asked == [None, "bytes=300000-", "bytes=500000-"]
    assert _names(tmp_path) == WHOLE


def test_a_later_command_goes_on_too(server, tmp_path):
    server.drop_after = [300_000] + [0] * (transfer.ATTEMPTS - 1)
    with pytest.raises(UserError, match=r"\(300,000 bytes are here, it goes on from"):
        _fetch(_known(server), tmp_path)
    assert _names(tmp_path) == ["set/train.json.part", "set/train.json.part.json"]
    server.asked.clear()
    _fetch(_known(server), tmp_path)
    assert [headers.get("Range") for headers in server.asked] == ["bytes=300000-"]
    assert _names(tmp_path) == WHOLE


@pytest.mark.parametrize(
    ("ranges", "validator"), [(False, 'ETag: "1"'), (True, ""), (True, 'ETag: W/"1"')]
)
def test_where_no_range_can_be_had_it_begins_again(server, tmp_path, ranges, validator):
    server.ranges, server.validator = ranges, validator
    server.drop_after = [300_000]
    _fetch(_known(server), tmp_path)
    assert (tmp_path / "set/train.json").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_begun_again(server, tmp_path):
    new = CONTENT[::-1]
    server.drop_after = [300_000] + [0] * (transfer.ATTEMPTS - 1)
    with pytest.raises(UserError):
        _fetch(_unknown(server), tmp_path)
    server.files["set/train.json"], server.validator = new, 'ETag: "2"'
    assert _fetch(_unknown(server), tmp_path).sha256 == _sha(new)
    assert (tmp_path / "set/train.json").read_bytes() == new


def test_two_halves_of_different_files_are_fetched_whole_once_more(server, tmp_path):
    # A server that changes a file and not its ETag.
    server.files["set/train.json"] = CONTENT[::-1]
    server.drop_after = [300_000] + [0] * (transfer.ATTEMPTS - 1)
    with pytest.raises(UserError):
        _fetch(_known(server), tmp_path)
    server.files["set/train.json"] = CONTENT
    _fetch(_known(server), tmp_path)
    assert (tmp_path / "set/train.json").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_only_checked(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train.json.part").write_bytes(CONTENT)
    state = {"url": _known(server).url, "validator": '"1"', "total": len(CONTENT)}
    (tmp_path / "set/train.json.part.json").write_text(json.dumps(state))
    _fetch(_known(server), tmp_path)
    assert not server.asked
    assert _names(tmp_path) == WHOLE


@pytest.mark.parametrize("state", ["", "[]", "{", '{"url": 1}', '{"a": 1}'])
def test_a_spoilt_note_beside_a_part_is_no_harm(server, tmp_path, state):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train.json.part").write_bytes(b"something else")
    (tmp_path / "set/train.json.part.json").write_text(state)
    _fetch(_known(server), tmp_path)
    assert (tmp_path / "set/train.json").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_begun_again(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train.json.part").write_bytes(CONTENT + b"more")
    state = {"url": _known(server).url, "validator": '"1"', "total": None}
    (tmp_path / "set/train.json.part.json").write_text(json.dumps(state))
    _fetch(_known(server), tmp_path)  # the server says 416
    assert (tmp_path / "set/train.json").read_bytes() == CONTENT


# --- what is not as expected --------------------------------------------------------


def test_a_wrong_checksum_is_kept_aside_and_both_are_named(server, tmp_path):
    other = b"x" * len(CONTENT)
    server.files["set/train.json"] = other
    with pytest.raises(UserError) as error:
        _fetch(_known(server), tmp_path)
    for text in (_sha(other), _sha(CONTENT), "by a list", "has changed"):
        assert text in str(error.value)
    (name,) = _names(tmp_path)
    assert name == f"set/train.json.unexpected-{_sha(other)[:8]}"
    assert name in str(error.value)


def test_a_wrong_size_is_not_even_fetched(server, tmp_path):
    server.files["set/train.json"] = CONTENT + b"1"
    with pytest.raises(UserError, match=r"has changed: 1,024,001 bytes, expected are"):
        _fetch(_known(server), tmp_path)
    assert "set/train.json" not in _names(tmp_path)


def test_without_a_known_checksum_the_first_is_trusted_and_a_change_refused(
    server, tmp_path
):
    found = _fetch(_unknown(server), tmp_path)
    assert (found.status, found.checked) == ("fetched", "")
    receipt = json.loads((tmp_path / WHOLE[1]).read_text())
    assert receipt["checked_with"].startswith("nothing")
    (tmp_path / "set/train.json").unlink()  # the receipt stays
    server.files["set/train.json"] = CONTENT[::-1]
    with pytest.raises(UserError, match=r"has changed: .*receipt\.json"):
        _fetch(_unknown(server), tmp_path)
    server.files["set/train.json"] = CONTENT
    found = _fetch(_unknown(server), tmp_path)
    assert found.status == "fetched"
    assert found.checked.endswith("receipt.json")


def test_a_file_changed_here_is_refused(server, tmp_path):
    _fetch(_known(server), tmp_path)
    (tmp_path / "set/train.json").write_bytes(CONTENT + b"\n")
    with pytest.raises(UserError, match="was changed after it was fetched"):
        _fetch(_known(server), tmp_path)


def test_what_an_older_list_did_not_know_is_held_to_the_new_one(server, tmp_path):
    server.files["set/train.json"] = CONTENT[::-1]
    _fetch(_unknown(server), tmp_path)
    with pytest.raises(UserError, match="is of a file with SHA-256"):
        _fetch(_known(server), tmp_path)


def test_a_file_that_its_user_brought_is_checked_and_never_overwritten(
    server, tmp_path
):
    (tmp_path / "set").mkdir()
    path = tmp_path / "set/train.json"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match=r"is there already, with SHA-256 .* Move it"):
        _fetch(_known(server), tmp_path)
    assert path.read_bytes() == b"mine"
    path.write_bytes(CONTENT)
    assert _fetch(_known(server), tmp_path).status == "here"
    assert not server.asked
    assert _names(tmp_path) == WHOLE


@pytest.mark.parametrize("text", ["", "[]", '{"url": "u"}', '{"files": []}', "\xff"])
def test_a_spoilt_receipt_is_named(server, tmp_path, text):
    (tmp_path / "set").mkdir()
    (tmp_path / WHOLE[1]).write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="is no receipt; delete it"):
        _fetch(_known(server), tmp_path)


# --- what cannot be had -------------------------------------------------------------


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_told_at_once(server, tmp_path, code):
    server.answers = [code] * 9
    with pytest.raises(UserError, match=rf"the server says {code} .*get the file"):
        _fetch(_known(server), tmp_path)
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(server, tmp_path, code):
    server.answers = [code] * (transfer.ATTEMPTS - 1)
    pauses: list[float] = []
    fetch.fetch(_known(server), data_dir=tmp_path, pause=pauses.append)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    server.answers = [code] * 99
    with pytest.raises(UserError, match=f"the server says {code}"):
        _fetch(_known(server, to="other.json"), tmp_path)


def test_no_network_and_no_server_are_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    pauses: list[float] = []
    for url in ("http://127.0.0.1:1/x", "https://no-such-host.invalid/x"):
        download = Download(url=url, to="x")
        with pytest.raises(UserError, match="cannot be fetched"):
            fetch.fetch(download, data_dir=tmp_path, pause=pauses.append)
    assert not pauses


def test_an_empty_answer_is_no_file(server, tmp_path):
    server.files["set/train.json"] = b""
    with pytest.raises(UserError, match="the connection ended after 0 of"):
        _fetch(_unknown(server), tmp_path)
    assert "set/train.json" not in _names(tmp_path)


def test_a_server_that_does_not_say_how_much_is_bounded(server, tmp_path, monkeypatch):
    server.says_length = False
    _fetch(_unknown(server), tmp_path)
    monkeypatch.setattr(transfer, "_MOST_BYTES", 100_000)
    with pytest.raises(UserError, match="sends more than 100,000 bytes"):
        _fetch(_known(server, to="y.json", size=None), tmp_path)


def test_a_full_disk_is_told_before_and_while_writing(server, tmp_path, monkeypatch):
    usage = types.SimpleNamespace(free=1_000_000)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match=r"1 MB free and train\.json needs 1 MB more"):
        _fetch(_known(server), tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(transfer, "_receive", _full)
    with pytest.raises(UserError, match="No space left on device"):
        _fetch(_known(server), tmp_path)


def _full(*_: Any, **__: Any) -> int:
    raise OSError(28, "No space left on device")


def test_a_folder_in_the_way_is_told(server, tmp_path):
    (tmp_path / "set/train.json").mkdir(parents=True)
    with pytest.raises(UserError, match="is a folder"):
        _fetch(_known(server), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        _fetch(_known(server, to="file/train.json"), tmp_path)


def test_a_way_that_anybody_can_change_is_not_taken(server, tmp_path, monkeypatch):
    class Response(io.BytesIO):
        status, url, headers = 200, "http://elsewhere/x", http.client.HTTPMessage()

    monkeypatch.setattr(
        transfer.urllib.request, "urlopen", lambda *_, **__: Response(b"x")
    )
    download = _known(server, url="https://publisher.example/train.json")
    with pytest.raises(UserError, match="which anybody on the way can change"):
        _fetch(download, tmp_path)


@pytest.mark.parametrize("way", ["http://example.org", "ftp://example.org", "file://"])
def test_what_is_not_https_is_not_asked_for(tmp_path, monkeypatch, way):
    monkeypatch.setattr(transfer.urllib.request, "urlopen", pytest.fail)
    download = Download(url=f"{way}/x.json", to="x.json")
    with pytest.raises(UserError, match=r"is not https.*put it at .*x\.json"):
        fetch.fetch(download, data_dir=tmp_path)
    assert not list(tmp_path.rglob("x.json*"))


# --- archives, and what only its user can get ---------------------------------------


def _zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return stream.getvalue()


def _archive(server: Server, content: bytes, **changes: Any) -> Download:
    server.files["release.zip"] = content
    values = {
        "url": f"{server.url}/release.zip",
        "to": "sets/mine",
        "inside": "release",
    }
    return Download(**values | changes)


def test_an_archive_is_unpacked_and_deleted(server, tmp_path):
    content = _zipped({"release/a.txt": b"a", "release/b/c.txt": b"c"})
    download = _archive(server, content)
    found = _fetch(download, tmp_path)
    assert found == fetch.Fetched("fetched", len(content), _sha(content), "")
    assert _names(tmp_path) == [
        "sets/mine/a.txt",
        "sets/mine/b/c.txt",
        "sets/release.zip.receipt.json",
    ]
    receipt = json.loads((tmp_path / "sets/release.zip.receipt.json").read_text())
    assert receipt["files"] == {"mine/a.txt": _sha(b"a"), "mine/b/c.txt": _sha(b"c")}
    assert _fetch(download, tmp_path).status == "here"
    (tmp_path / "sets/mine/a.txt").write_bytes(b"changed")
    with pytest.raises(UserError, match=r"a\.txt was changed after"):
        _fetch(download, tmp_path)
    (tmp_path / "sets/mine/a.txt").unlink()
    assert _fetch(download, tmp_path).status == "fetched"  # and unpacked again
    assert (tmp_path / "sets/mine/a.txt").read_bytes() == b"a"


def test_an_archive_that_leads_out_leaves_nothing_behind(server, tmp_path):
    content = _zipped({"release/a.txt": b"a", "release/../../evil": b"e"})
    with pytest.raises(UserError, match="leads out of the folder"):
        _fetch(_archive(server, content), tmp_path / "data")
    assert _names(tmp_path) == ["data/sets/release.zip"]


def test_an_archive_put_there_by_hand_is_unpacked_without_the_network(server, tmp_path):
    content = _zipped({"release/a.txt": b"a"})
    download = _archive(server, content, sha256=_sha(content), known_from="a list")
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/release.zip").write_bytes(content)
    assert _fetch(download, tmp_path).status == "here"
    assert not server.asked
    assert (tmp_path / "sets/mine/a.txt").read_bytes() == b"a"


def test_what_only_its_user_can_get_is_asked_for_and_then_unpacked(server, tmp_path):
    inner = {name: _zipped({"train": name.encode()}) for name in ("de", "en")}
    content = _zipped(
        {f"photos/{name}.zip": inside for name, inside in inner.items()}
        | {"photos/xx.zip": b"not wanted"}
    )
    download = _archive(
        server,
        content,
        inside="*",
        keep=("de.zip", "en.zip"),
        within=("train",),
        by_hand="its page needs a browser",
    )
    with pytest.raises(fetch.ByHandError) as error:
        _fetch(download, tmp_path)
    assert "release.zip must be put at" in str(error.value)
    assert "its page needs a browser" in str(error.value)
    assert not server.asked
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/release.zip").write_bytes(content)
    assert _fetch(download, tmp_path).status == "here"
    assert (tmp_path / "sets/mine/de/train").read_bytes() == b"de"
    assert (tmp_path / "sets/mine/en/train").read_bytes() == b"en"
    assert sorted(os.listdir(tmp_path / "sets/mine")) == ["de", "en"]
    assert _fetch(download, tmp_path).status == "here"


def test_a_folder_made_by_hand_is_taken_as_it_is(tmp_path):
    download = Download(url="https://page.example/LDC1", to="bank", by_hand="a licence")
    with pytest.raises(fetch.ByHandError, match="LDC1 must be put at"):
        _fetch(download, tmp_path)
    (tmp_path / "bank").mkdir()
    assert _fetch(download, tmp_path).status == "here"
    assert _names(tmp_path) == []
