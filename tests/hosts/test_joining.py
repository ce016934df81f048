"""What keeps several hosts from beginning, told before anything is computed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from xtl_jax.cli import hosts, run_files
from xtl_jax.errors import UserError
from xtl_jax.hosts import group


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The first host of two, whose address another program listens on."""
    monkeypatch.setattr(hosts, "_keep_stdout", lambda: None)  # of this whole process
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("XTL_COORDINATOR", address)
        monkeypatch.setenv("XTL_PROCESSES", "2")
        monkeypatch.setenv("XTL_PROCESS_ID", "0")
        yield address


def test_an_address_that_is_taken_is_told(taken):
    with (
        pytest.raises(UserError, match=f"XTL_COORDINATOR={taken} .*: give a free port"),
        hosts.joined("train"),
    ):
        pass


@pytest.mark.parametrize("text", ["soon", "0", "-1", "1.5"])
def test_seconds_to_wait_are_a_whole_number(taken, monkeypatch, text):
    monkeypatch.setenv("XTL_JOIN_SECONDS", text)
    with (
        pytest.raises(UserError, match=f"XTL_JOIN_SECONDS='{text}' must be .* 1 or"),
        hosts.joined("train"),
    ):
        pass


class Blind(group.Alone):
    """Of three hosts the first, which alone sees what it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 3

    def exchange(self, name, value=None, *, seconds=None):
        return [value] if name != "run.json is seen" else [value, False, False]


def test_a_run_directory_that_not_all_hosts_see_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(group, "_current", [Blind()])
    new = {"version": run_files.RUN_FORMAT, "run": {}, "model": {}, "feed": {}}
    with pytest.raises(UserError, match="what host 1, host 2 can see there") as refused:
        run_files.claim_once(tmp_path / "run", new, defaults={})
    assert str(tmp_path / "run") in str(refused.value)
    assert "such as one in a bucket" in str(refused.value)


class Silent:
    """A channel on which every host agrees."""

    def expect(self, name, *, seconds):
        pass

    def exchange(self, name, value=None, *, seconds=None):
        return [value]


def test_hosts_of_different_slices_are_told(monkeypatch):
    from jax.experimental import multihost_utils

    monkeypatch.setattr(multihost_utils, "process_allgather", lambda own: own + own)
    says = r"have 16 devices together and JAX sees 8: .* all hosts of one slice, or of"
    with pytest.raises(UserError, match=says):
        hosts._add_up(Silent())
