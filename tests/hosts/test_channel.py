"""What hosts say to each other: with real connections, the hosts being threads."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import threading
import time

import pytest

from xtl_jax.errors import UserError
from xtl_jax.hosts import group, messages
from xtl_jax.hosts.channel import Channel
from xtl_jax.hosts.hub import Hub

PATIENCE = 20.0


class Ends:
    """Why the hosts of a test ended, by number: a code and a reason each."""

    def __init__(self):
        self.reasons = {}
        self._changed = threading.Condition()

    def of(self, host):
        def end(code, why):
            with self._changed:
                self.reasons[host] = (code, why)
                self._changed.notify_all()

        return end

    def wait(self, *hosts):
        with self._changed:
            assert self._changed.wait_for(
                lambda: set(hosts) <= self.reasons.keys(), timeout=PATIENCE
            ), self.reasons
        return [self.reasons[host] for host in hosts]


def _port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def start():
    """Starts a hub and the hosts that come; `silence` seconds make one gone."""
    with contextlib.ExitStack() as stack:

        def hosts(count, *, coming=None, told=None, join=PATIENCE, silence=PATIENCE):
            address = f"127.0.0.1:{_port()}"
            hub = Hub(address, hosts=count, join_seconds=join, silence_seconds=silence)
            stack.callback(hub.close)
            ends = Ends()

            def join_one(host):
                return Channel(
                    address,
                    host=host,
                    hosts=(told or {}).get(host, count),
                    name=f"machine-{host}",
                    join_seconds=join,
                    end=ends.of(host),
                    silence_seconds=silence,
                )

            pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor())
            found = list(pool.map(join_one, coming or range(count)))
            return found, ends, pool

        yield hosts


def test_values_come_in_the_order_of_hosts_whoever_speaks_first(start):
    channels, ends, pool = start(3)
    assert channels[2].names == ["machine-0", "machine-1", "machine-2"]

    def speak(channel):
        time.sleep(0.05 * (2 - channel.index))
        first = channel.exchange("squares", channel.index**2)
        return first, channel.exchange("lists", [channel.index])

    said = list(pool.map(speak, channels))
    assert said == [([0, 1, 4], [[0], [1], [2]])] * 3
    list(pool.map(Channel.leave, channels))
    assert ends.reasons == {}


def test_hosts_that_do_not_come_are_named(start):
    _, ends, _ = start(4, coming=[0, 2], join=1.0)
    for code, why in ends.wait(0, 2):
        assert code == 1
        assert why.startswith("host 1 and host 3 of 4 did not come within 1 seconds")


def test_a_first_host_that_cannot_be_reached_is_named():
    ends, address = Ends(), f"127.0.0.1:{_port()}"
    Channel(address, host=1, hosts=2, name="b", join_seconds=0.5, end=ends.of(1))
    ((code, why),) = ends.wait(1)
    assert code == 1
    assert f"host 0 of 2 cannot be reached at {address}" in why


def test_a_host_that_dies_is_named_to_all_others(start):
    channels, ends, _ = start(3)
    channels[1]._line.close()  # what the kernel does for a killed process
    for code, why in ends.wait(0, 2):
        assert code == 1
        assert why.startswith("host 1 (machine-1) of 3 is gone")


def test_a_silent_host_is_gone_though_its_connection_stands(start):
    channels, ends, _ = start(3, silence=2.0)
    began = time.monotonic()
    channels[2]._over = True  # it beats no more
    ((_, why),) = ends.wait(0)
    assert "host 2 (machine-2) of 3 is gone: silent for 2 seconds" in why
    assert 1.5 < time.monotonic() - began < 10


def test_the_first_host_gone_is_named_by_the_others(start):
    channels, ends, _ = start(2, silence=2.0)
    hub_side = channels[1]._line._connection
    hub_side.shutdown(socket.SHUT_RD)  # nothing is heard of host 0 any more
    ((code, why),) = ends.wait(1)
    assert code == 1
    assert why.startswith("host 0 (machine-0) of 2 is gone")


def test_why_one_fails_is_what_the_others_say(start):
    channels, ends, _ = start(3)
    channels[2].fail(2, "UserError: no file squad.json")
    for code, why in ends.wait(0, 1):
        assert code == 2
        assert why == "host 2 (machine-2) of 3 failed: UserError: no file squad.json"
    assert 2 not in ends.reasons  # it says so itself


def test_whoever_does_not_do_its_part_in_time_is_named(start):
    channels, ends, pool = start(3)
    for channel in channels:
        pool.submit(channel.expect, "the sum", seconds=1.0).result()
    pool.submit(channels[0].exchange, "the sum", 1)
    pool.submit(channels[2].exchange, "the sum", 1)
    for _, why in ends.wait(0, 1, 2):
        assert why == (
            "host 1 (machine-1) of 3 did not do its part in 1 seconds: the sum"
        )


def test_hosts_that_part_ways_are_found_out(start):
    channels, ends, pool = start(2)
    pool.submit(channels[0].exchange, "train", 1)
    ends_early = pool.submit(channels[1].exchange, "predict", 1)
    for _, why in ends.wait(0, 1):
        assert "does something else than others" in why
    assert ends_early.result(timeout=PATIENCE) == []


@pytest.mark.parametrize(
    ("told", "coming", "words"),
    [
        ({1: 3}, [0, 1], "was told of 3 hosts, host 0 of 2"),
        ({}, [0, 0], "is there twice, as machine-0 and as machine-0"),
    ],
)
def test_wrong_numbers_are_refused(start, told, coming, words):
    _, ends, _ = start(2, told=told, coming=coming)
    assert any(words in why and code == 2 for code, why in ends.wait(coming[-1]))


def test_all_stop_after_one_step_that_none_has_passed(start):
    channels, _, pool = start(3)
    pace = [0.001, 0.004, 0.002]  # they do not run alike
    for channel in channels:
        channel.begin(10)

    def train(channel):
        for step in range(11, 3000):
            time.sleep(pace[channel.index])
            if step == 40 and channel.index == 1:
                channel.ask()
            if channel.reached(step):
                return step
        return None

    stopped = list(pool.map(train, channels))
    assert len(set(stopped)) == 1
    assert stopped[0] > 40


def test_a_host_that_has_made_its_last_step_holds_nobody_up(start):
    channels, _, pool = start(2)
    for channel in channels:
        channel.begin(0)
    for step in (1, 2, 3):
        assert not channels[0].reached(step)  # the last of three
    assert not channels[1].reached(1)
    channels[1].ask()
    time.sleep(0.5)

    def go_on(channel):
        return [channel.reached(step) for step in (2, 3)]

    assert pool.submit(go_on, channels[1]).result(timeout=PATIENCE) == [False, False]


@pytest.fixture
def as_group():
    """Makes a channel the group of this process, for a while."""
    before = group.current()
    yield group.become
    group.become(before)


def test_hosts_that_differ_are_told_who_and_in_what(start, as_group):
    channels, _, pool = start(2)
    theirs = {"run": {"seed": 7, "task": "mnli.en"}, "model": {"embed": 8}}
    mine = {"run": {"seed": 0, "task": "mnli.en"}, "model": {"embed": 8}}

    def other():
        flat = group._flat(theirs)
        channels[1].exchange("configuration, its hash", "another")
        return channels[1].exchange("configuration", flat)

    future = pool.submit(other)
    as_group(channels[0])
    with pytest.raises(UserError, match=r"host 1 \(machine-1\): run.seed is 7 and not"):
        group.agree("configuration", mine)
    assert future.result(timeout=PATIENCE)[1] == group._flat(theirs)


def test_one_process_alone_agrees_with_itself():
    assert group.current().exchange("anything", 5) == [5]
    assert group.all_of("anything", False) is False
    assert group.once("write", lambda: "written") == "written"
    group.agree("configuration", {"seed": 1})


@pytest.mark.parametrize(
    "address", ["", "host", "host:", ":80", "host:x", "host:99999"]
)
def test_no_address(address):
    with pytest.raises(ValueError, match="MACHINE:PORT"):
        messages.split(address)


def test_what_is_no_host_is_not_listened_to(start):
    address = f"127.0.0.1:{_port()}"
    hub = Hub(address, hosts=1, join_seconds=PATIENCE)
    with socket.create_connection(messages.split(address)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(100) == b""
    hub.close()
