"""Files in a bucket: whole objects, objects that grow, errors that say what to do."""

from __future__ import annotations

import pathlib
import time

import pytest
from etils.epath import backend, gpath

from xtl_jax import storage
from xtl_jax.errors import UserError


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Each test asks its bucket for the first time."""
    monkeypatch.setattr(storage, "_reached", set())


def _until(holds, *, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_path_is_of_a_disk_or_of_a_bucket(bucket):
    assert storage.at("runs/squad") == pathlib.Path("runs/squad")
    there = storage.at("gs://bucket/run") / "run.json"
    assert str(there) == "gs://bucket/run/run.json"
    assert not storage.is_remote("name=gs://bucket/run")  # an arm of a report
    assert str(storage.resolved(there)) == str(storage.absolute(there)) == str(there)


def test_put_replaces_an_object(bucket):
    for content in (b"first", b"second"):
        storage.put("gs://bucket/run/run.json", content)
        assert bucket.cat_file("gs://bucket/run/run.json") == content
    assert [*bucket.store] == ["/bucket/run/run.json"]


def test_what_grows_is_there_soon_and_whole_at_the_end(bucket):
    path = storage.at("gs://bucket/run/log.jsonl")
    growing = storage.Growing(path, seconds=0.05)
    growing.write(b"one\n")
    growing.flush()
    _until(lambda: path.exists() and path.read_bytes() == b"one\n")  # not closed yet
    growing.write(b"two\n")
    growing.close()
    growing.close()
    again = storage.Growing(path)
    again.write(b"three\n")
    again.close()
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_sending_that_failed_is_made_again(bucket, monkeypatch):
    put, failed = storage.put, []

    def fails_once(path, data):
        if not failed:
            failed.append(data)
            raise UserError("no network")
        put(path, data)

    monkeypatch.setattr(storage, "put", fails_once)
    growing = storage.Growing("gs://bucket/log", seconds=0.02)
    growing.write(b"line\n")
    _until(lambda: "/bucket/log" in bucket.store)
    growing.close()
    assert failed == [b"line\n"]
    assert bucket.cat_file("gs://bucket/log") == b"line\n"


def test_the_last_sending_must_succeed(bucket, monkeypatch):
    growing = storage.Growing("gs://bucket/log", seconds=60)
    growing.write(b"line\n")

    def refused(*arguments, **named):
        raise PermissionError("403 Forbidden\nlong text")

    monkeypatch.setattr(bucket, "_open", refused)
    with pytest.raises(UserError, match=r"gs://bucket/log: .*403 Forbidden\).*gcloud"):
        growing.close()


def test_a_missing_client_is_named_with_what_installs_it(monkeypatch):
    def missing(self, name):
        raise ImportError("Please install gcsfs")

    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
    monkeypatch.setattr(backend._FileSystemSpecBackend, "_get_filesystem", missing)
    with pytest.raises(UserError, match=r"pip install 'xtl_jax\[gcs\]'"):
        storage.at("gs://bucket/run")


def test_a_bucket_that_refuses_is_named(bucket, monkeypatch):
    def refused(path, **named):
        raise RuntimeError("no credentials")

    monkeypatch.setattr(bucket, "exists", refused)
    with pytest.raises(UserError, match=r"gs://bucket/run: .*RuntimeError: no cred"):
        storage.at("gs://bucket/run")


def test_a_cache_needs_a_disk():
    assert storage.on_disk("caches", what="cache_dir") == "caches"
    with pytest.raises(UserError, match=r"cache_dir gs://b/c .*give a local folder"):
        storage.on_disk("gs://b/c", what="cache_dir")
