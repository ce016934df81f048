"""Bytes over HTTP into a file, in as many attempts as it takes.

They go to `NAME.part`. A transfer that is cut short goes on where it stopped, if the
server can send a range and says that its file is still the same; else it begins again.
`NAME.part.json` keeps what the server said of the file.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import shutil
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import NamedTuple

import xtl_jax
from xtl_jax.errors import UserError

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all if known
ATTEMPTS = 5
_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 60.0
_MOST_BYTES = 4 << 30  # of a file whose size nobody tells
_HERE = ("127.0.0.1", "::1")  # nobody is on the way to this machine
_PASSING = (408, 429)  # answers after which it is worth while to ask again, beside 5xx


class _State(NamedTuple):
    """What is known of the file that a part is of."""

    url: str
    validator: str  # the server's ETag, or when the file was last changed
    total: int | None  # bytes


class _CutError(Exception):
    """The connection ended before the file did."""


def bring(
    url: str,
    part: pathlib.Path,
    *,
    size: int | None,
    fresh: bool,
    progress: Progress,
    pause: Callable[[float], None],
) -> bool:
    """Fills a part with all bytes of a file.

    Args:
        url: where the file is.
        part: a path that ends in `.part`; what is there is gone on with.
        size: bytes that the file must have; None if not known.
        fresh: begin again, whatever is there.
        progress: told of bytes while they come.
        pause: waits a number of seconds between attempts.

    Returns:
        Whether some of the bytes were there before.

    Raises:
        UserError: it cannot be had, or has another size.
        OSError: the part cannot be written.
    """
    if not _is_safe(url):
        raise UserError(
            f"{url} is not https, so anybody on the way can change it; it is not "
            f"fetched: get the file another way and put it at {part.with_suffix('')}"
        )
    if fresh:
        part.unlink(missing_ok=True)
    resumed = part.exists()
    why = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            pause(min(0.5 * 2**attempt, 8.0))
        try:
            _attempt(url, part, size, progress=progress)
            return resumed
        except urllib.error.HTTPError as error:
            error.close()
            why = f"the server says {error.code} {error.reason}"
            if error.code == 416:  # there is nothing after what is here: begin again
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in _PASSING:
                break
        except urllib.error.URLError as error:
            why = str(error.reason)
            if isinstance(error.reason, (socket.gaierror, ConnectionRefusedError)):
                break  # no network, or no such server
        except (http.client.HTTPException, _CutError, ssl.SSLError) as error:
            why = str(error) or type(error).__name__
        except (TimeoutError, ConnectionError) as error:
            why = str(error) or type(error).__name__
    have = part.stat().st_size if part.exists() else 0
    goes_on = f" ({have:,} bytes are here, it goes on from there)" if have else ""
    raise UserError(
        f"{url} cannot be fetched: {why}. Run the command again{goes_on}, or get the "
        f"file another way and put it at {part.with_suffix('')}: it is then checked as "
        "if it were fetched"
    )


def _is_safe(url: str) -> bool:
    """Whether what comes is what its server sent.

    Example:
        >>> [_is_safe(f"{way}/x") for way in ("https://a", "http://a", "file://")]
        [True, False, False]
    """
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in _HERE
    )


def forget(part: pathlib.Path) -> None:
    """Leave nothing beside a part that is whole."""
    _state_of(part).unlink(missing_ok=True)


def _state_of(part: pathlib.Path) -> pathlib.Path:
    return part.with_name(f"{part.name}.json")


def _attempt(
    url: str, part: pathlib.Path, size: int | None, *, progress: Progress
) -> None:
    have, state = _kept(url, part)
    if state is not None and have == state.total:
        return
    headers = {
        "User-Agent": f"xtl_jax/{xtl_jax.__version__}",
        "Accept-Encoding": "identity",
    }
    if have and state is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": state.validator}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        if not _is_safe(response.url):
            raise UserError(
                f"{url} leads to {response.url}, which anybody on the way can change; "
                "it is not fetched"
            )
        begin = _begin(response) if response.status == 206 else 0
        if begin not in (0, have):
            raise _CutError(f"it sent bytes from {begin}, not from {have}")
        total = _total(response, begin)
        if size is not None and total not in (None, size):
            raise UserError(
                f"{url} has changed: {total:,} bytes, expected are {size:,}; it is not "
                "fetched"
            )
        total = total or size
        state = _State(url, _validator(response), total)
        _state_of(part).write_text(json.dumps(state._asdict()), encoding="utf-8")
        _check_space(part, (total or 0) - begin)
        done = _receive(response, part, begin, total, progress=progress)
    if not done or (total is not None and done < total):
        raise _CutError(f"the connection ended after {done:,} of {total or '?'} bytes")


def _receive(
    response: http.client.HTTPResponse,
    part: pathlib.Path,
    begin: int,
    total: int | None,
    *,
    progress: Progress,
) -> int:
    """Bytes that the part has when the answer ends."""
    most = total or _MOST_BYTES
    done = begin
    with part.open("r+b" if begin else "wb") as file:
        file.seek(begin)
        while block := response.read(_CHUNK):
            done += len(block)
            if done > most:
                raise UserError(f"{response.url} sends more than {most:,} bytes")
            file.write(block)
            progress(done, total)
    return done


def _kept(url: str, part: pathlib.Path) -> tuple[int, _State | None]:
    """Bytes that need not be sent again, and what the server said of their file."""
    try:
        state = _State(**json.loads(_state_of(part).read_text(encoding="utf-8")))
        have = part.stat().st_size
    except (FileNotFoundError, ValueError, TypeError):
        return 0, None
    if state.url != url or not state.validator:
        return 0, None
    return have, state


def _validator(response: http.client.HTTPResponse) -> str:
    """What names this version of the file; a weak ETag does not promise equal bytes."""
    tag = response.headers["ETag"] or ""
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers["Last-Modified"] or ""


def _begin(response: http.client.HTTPResponse) -> int:
    """Offset of the first byte of a partial answer."""
    text = response.headers["Content-Range"] or ""
    first = text.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _total(response: http.client.HTTPResponse, begin: int) -> int | None:
    """Bytes of the whole file; None if the server does not say."""
    length = response.headers["Content-Length"] or ""
    return begin + int(length) if length.isdigit() else None


def _check_space(part: pathlib.Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise UserError(
            f"{part.parent} has {free / 1e6:,.0f} MB free and {part.stem} needs "
            f"{needed / 1e6:,.0f} MB more; free some space or give another --data_dir"
        )
