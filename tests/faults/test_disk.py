"""Every write of ours with every one of its calls failing, one after the other.

Whatever fails: our error names the place, or the command line tells the disk's own;
what was there before is there, whole, or what shall be is; nothing half-written is
left; and the same again succeeds.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest

from xtl_jax import storage
from xtl_jax.cli import main
from xtl_jax.data import cache, store
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.studies import claims, directory

from .layer import Disk

OLD, NEW = '{"version": "old"}\n', '{"version": "new"}\n'


@dataclasses.dataclass(frozen=True)
class Write:
    """Something that is written, and how to see what is there of it.

    `seen` gives "old", "new", or another text for what must never be seen.
    """

    do: Callable[[pathlib.Path], object]
    seen: Callable[[pathlib.Path], str]
    before: Callable[[pathlib.Path], object] = lambda place: None


def _text(place):
    path = place / "run.json"
    text = path.read_text() if path.exists() else OLD
    return {OLD: "old", NEW: "new"}.get(text, text)


def _rows():
    for number in range(5):
        yield {
            "inputs": [number + 2, 1],
            "targets": [3, 1],
            "meta": {"id": str(number)},
        }


def _store(place):
    try:
        opened = store.Store(place / "store")
    except UserError:
        return "damaged" if (place / "store").exists() else "old"
    tokens = [opened.tokens("inputs", n).tolist() for n in range(opened.num_examples)]
    return "new" if tokens == [[n + 2, 1] for n in range(5)] else str(tokens)


def _source(place):
    (place / "rows.txt").write_text("rows")
    (place / "cache").mkdir()


def _memo(place):
    path = place / "cache" / "file_digests.json"
    if not path.exists():
        return "old"
    return "new" if len(json.loads(path.read_text())) == 1 else path.read_text()


WORKER = claims.Worker(name="w", host="elsewhere", pid=1, machine="m", begun="1")


def _claimed(place):
    mine = claims.Claims(WORKER, every=3600.0, patience=0.0)
    # One that fell silent is taken over at the second look.
    claim = mine.take(place / "stage") or mine.take(place / "stage")
    assert claim is not None
    claim.free()


def _claim(place):
    held = claims.read(place / "stage")
    return "old" if held is None or not held.free else "new"


def _study(place):
    return directory.Directory(place).write_study({"study": {"name": "s"}})


def _study_seen(place):
    path = place / directory.STUDY
    if not path.exists():
        return "old"
    return "new" if json.loads(path.read_text())["study"] == {"name": "s"} else "?"


def _arrays(place):
    from etils import epath

    from xtl_jax.checkpoint import safetensors

    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    one = safetensors.Tensor(name="a", shape=(3, 4), read=lambda: array)
    safetensors.write(epath.Path(place), [one])


def _arrays_seen(place):
    path = place / "model.safetensors"
    if not path.exists():
        return "old"
    values = np.frombuffer(path.read_bytes()[-48:], "<f4")
    return "new" if values.tolist() == [*range(12)] else "half"


WRITES = {
    "a file is replaced": Write(
        lambda place: records.replace(place / "run.json", NEW),
        _text,
        lambda place: (place / "run.json").write_text(OLD),
    ),
    "a file is created": Write(
        lambda place: storage.create(place / "run.json", NEW.encode()), _text
    ),
    "a token store": Write(
        lambda place: store.write(place / "store", _rows(), {"task": "t"}), _store
    ),
    "checksums of files": Write(
        lambda place: cache.digests([place / "rows.txt"], cache_dir=place / "cache"),
        _memo,
        _source,
    ),
    "a claim": Write(_claimed, _claim),
    "what a study is": Write(_study, _study_seen),
    "arrays for transformers": Write(_arrays, _arrays_seen),
}
LEFT = {  # what may be left: a claim's own file, and what the next attempt overwrites
    "a claim": {"stage", "claim-1.json"},
    "arrays for transformers": {"model.safetensors.partial"},
}


def _names(place):
    return {path.name for path in place.rglob("*")}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("what", WRITES)
def test_whichever_call_fails_nothing_is_half_there(what, error, tmp_path, monkeypatch):
    write = WRITES[what]
    disk = Disk(monkeypatch, tmp_path)
    for number in itertools.count(1):
        disk.heal()
        place = tmp_path / str(number)
        place.mkdir()
        write.before(place)
        before = _names(place)
        disk.fail(number, error)
        raised = _raised(write, place)
        assert raised is None or str(place) in str(raised), disk.calls
        if not isinstance(raised, UserError | None):  # the command line tells these
            assert raised.errno in main._OF_DISKS, disk.calls
        if not disk.failed:
            break
        calls = disk.calls
        assert write.seen(place) in ("old", "new"), calls
        left = _names(place) - before - LEFT.get(what, set())
        if write.seen(place) == "old":  # an empty folder tells nobody anything
            assert not [n for n in left if not _is_empty_folder(place, n)], calls
        disk.heal()
        write.do(place)
        assert write.seen(place) == "new", calls
    assert number > 3  # calls did fail
    assert write.seen(place) == "new"


def _raised(write, place):
    try:
        write.do(place)
    except (UserError, OSError) as error:
        return error
    return None


def _is_empty_folder(place, name):
    (path,) = place.rglob(name)
    return path.is_dir() and not any(path.iterdir())


@pytest.mark.parametrize("what", WRITES)
def test_a_slow_disk_changes_nothing(what, tmp_path, monkeypatch):
    write = WRITES[what]
    write.before(tmp_path)
    disk = Disk(monkeypatch, tmp_path)
    disk.heal(slow=0.01)
    write.do(tmp_path)
    assert len(disk.calls) > 2
    assert write.seen(tmp_path) == "new"


READS = {
    "run.json": lambda path: records.read_document(path),
    "claim-1.json": lambda path: claims.read(path.parent),
    "card.json": lambda path: store.Store(path.parent),
    "targets.tokens.bin": lambda path: store.Store(path.parent),
    "meta.offsets.npy": lambda path: store.Store(path.parent),
}


@pytest.fixture
def written(tmp_path):
    place = store.write(tmp_path / "store", _rows(), {"task": "t"})
    (place / "run.json").write_text(NEW)
    claim = claims.Claims(WORKER, every=3600.0).take(place)
    assert claim is not None
    claim.free()
    return place


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_ends_early_is_named(written, name, share):
    path = written / name
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content.rstrip()))])
    with pytest.raises(UserError) as raised:
        READS[name](path)
    assert name in str(raised.value)


@pytest.mark.parametrize(
    "name", ["targets.tokens.bin", "inputs.offsets.npy", "meta.jsonl"]
)
def test_a_bit_that_changed_in_a_store_is_seen(written, name):
    path = written / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged cache"):
        store.Store(written)


def test_the_command_line_tells_of_a_full_disk(monkeypatch, capsys):
    def full(name):
        raise OSError(errno.ENOSPC, "No space left on device", "/disk/log.jsonl")

    monkeypatch.setattr("xtl_jax.cli.docs.run", full)
    assert main.main(["docs"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("xtl docs: /disk/log.jsonl: No space left on device; mend")
