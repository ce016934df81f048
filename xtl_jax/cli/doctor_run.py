"""What is in a folder of ours, whether it is whole, and what can be gone on with.

A folder is a run directory, a study's, or one of token stores. Every file that somebody
reads again is read as they would, every checkpoint and store is held against its
checksums, logs are searched for steps that are missing or there twice. What is found is

    problem      something is damaged or missing; it says what to do
    note         worth knowing, nothing is wrong
    temporary    what a kill has left half-written

Only the last is ever removed, and only if that is safe: it has a name that nothing but
an unfinished write of ours has, nobody holds the folder, and it is an hour old.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, Literal, NamedTuple

from xtl_jax import storage
from xtl_jax.errors import UserError

Level = Literal["problem", "note", "temporary"]
OLD_SECONDS = 3600.0  # no write of ours takes as long without a change of its file
_UNFINISHED = re.compile(
    r"(\d+|state|position|checksums|metrics)\.orbax-checkpoint-tmp"
)
_UNFINISHED_STORE = re.compile(r"\.\w+-[0-9a-f]{16}\.partial-\w+")


class Finding(NamedTuple):
    """One thing that was found."""

    level: Level
    path: str
    says: str
    removable: bool = False  # a temporary one, now


class Seen(NamedTuple):
    """What a folder is and what was found in it."""

    kind: str
    resume: str  # what the same command again would do
    findings: list[Finding]


def examine(folder: str) -> Seen:
    """Look at everything in a folder; nothing is changed.

    Raises:
        UserError: it is not there, or in a bucket, or none of ours.
    """
    place = pathlib.Path(storage.on_disk(folder, what="RUN_DIR"))
    if not place.is_dir():
        raise UserError(f"{place}: no such folder; check the path")
    from xtl_jax.infer import records

    if (place / "study.json").exists():
        with records.understood(place / "study.json"):
            return _study(place)
    if (place / "run.json").exists() or (place / "checkpoints").is_dir():
        with records.understood(place / "run.json"):
            return _run(place)
    cards = sorted(place.glob("**/card.json"))
    if cards or any(_UNFINISHED_STORE.fullmatch(p.name) for p in place.rglob(".*")):
        return _stores(place, cards)
    raise UserError(
        f"{place} holds no run.json, study.json or card.json: give the folder of a "
        "run, of a study or of caches"
    )


def remove(findings: Sequence[Finding]) -> list[str]:
    """Remove what is temporary and may go; their paths."""
    gone = [each.path for each in findings if each.removable]
    for path in map(pathlib.Path, gone):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone


# --- runs -----------------------------------------------------------------------------


def _run(place: pathlib.Path) -> Seen:
    found: list[Finding] = []
    document = _read(place / "run.json", found)
    run = document.get("run", {})
    found += _versions(place, document)
    owner = _owner(place)
    if owner:
        found.append(Finding("note", str(place), owner))
    logged = _log(place / "log.jsonl", period=run.get("log_period"), found=found)
    whole = _checkpoints(place / "checkpoints", found, busy=bool(owner))
    found += _predictions(place)
    found += _temporary(place, busy=bool(owner))
    return Seen("run", _resume(run, logged, whole, owner=owner), found)


def _read(path: pathlib.Path, found: list[Finding]) -> dict[str, Any]:
    from xtl_jax.infer import records

    try:
        return records.read_document(path)
    except FileNotFoundError:
        found.append(Finding("problem", str(path), "is missing"))
    except (UserError, OSError) as error:
        found.append(Finding("problem", str(path), str(error)))
    return {}


def _versions(place: pathlib.Path, document: Mapping[str, Any]) -> Iterator[Finding]:
    """Packages that are others now than when the run began."""
    import xtl_jax

    environment = document.get("environment", {})
    before = {"xtl_jax": environment.get("xtl_jax"), **environment.get("packages", {})}
    for name, version in before.items():
        try:
            now = xtl_jax.__version__ if name == "xtl_jax" else metadata.version(name)
        except metadata.PackageNotFoundError:
            now = "not installed"
        if version not in (None, now):
            says = f"begun with {name} {version}; here it is {now}"
            yield Finding("note", str(place / "run.json"), says)


def _owner(place: pathlib.Path) -> str:
    """Who works in a folder now; "" where nobody does."""
    from xtl_jax.studies import claims

    held = claims.read(place)
    if held is None or held.free or claims.is_gone(held.holder):
        return ""
    who = f"process {held.holder['pid']} on {held.holder['host']}"
    ago = max(0.0, time.time() - held.at)
    return f"{who} works here; its last sign of life was {ago:.0f} s ago"


def _log(path: pathlib.Path, *, period: int | None, found: list[Finding]) -> list[int]:
    """Steps in a run's log, in their order."""
    steps: list[int] = []
    lines = path.read_bytes().splitlines(True) if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if row["kind"] == "train":
                steps.append(int(row["step"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            last = number == len(lines) and not line.endswith(b"\n")
            says = "cut by a kill; it is dropped when the run goes on"
            level: Level = "note" if last else "problem"
            says = f"line {number} is {says if last else 'no JSON of ours'}"
            found.append(Finding(level, str(path), says))
    twice = sorted(step for step, times in Counter(steps).items() if times > 1)
    if twice:
        found.append(Finding("problem", str(path), f"steps twice: {_few(twice)}"))
    if period and steps:
        wanted = range(period, max(steps) + 1, period)
        if missing := sorted(set(wanted) - set(steps)):
            found.append(Finding("problem", str(path), f"no steps {_few(missing)}"))
    return steps


def _few(numbers: Sequence[int]) -> str:
    more = f", … ({len(numbers)})" if len(numbers) > 5 else ""
    return ", ".join(map(str, numbers[:5])) + more


def _checkpoints(
    folder: pathlib.Path, found: list[Finding], *, busy: bool
) -> list[int]:
    """Steps whose checkpoint is whole; damaged ones are found."""
    from etils import epath

    from xtl_jax.checkpoint import checksums

    whole = []
    names = [each for each in sorted(folder.glob("*")) if each.is_dir()]
    for place in names:
        if place.name.startswith("damaged-"):
            says = "was damaged and set aside; it may be deleted"
            found.append(Finding("note", str(place), says))
        if not place.name.isdecimal():
            continue
        try:
            known = checksums.check(epath.Path(place))
        except ValueError as error:
            says = f"{error}; the run goes on from the one before"
            found.append(Finding("problem", str(place), says.replace("\n", " ")[:300]))
            continue
        whole.append(int(place.name))
        if not known:
            says = "has no checksums (an older version or a conversion wrote it)"
            found.append(Finding("note", str(place), says))
    for place in names:
        if _UNFINISHED.match(place.name):
            found.append(_left(place, busy=busy))
    return sorted(whole)


def _resume(
    run: Mapping[str, Any], logged: Sequence[int], whole: Sequence[int], *, owner: str
) -> str:
    steps = run.get("steps")
    if owner:
        return "nothing, while another process works here"
    if not run:
        return "nothing: there is no run.json to go on with"
    if not steps:
        return "nothing: it trains nothing"
    if whole and whole[-1] == steps:
        return f"nothing: all {steps} steps are made"
    if not whole:
        return f"begins anew: of {steps} steps no whole checkpoint is there"
    again = sum(step > whole[-1] for step in logged)
    more = f"; {again} logged steps are made again" if again else ""
    return f"goes on after step {whole[-1]} of {steps}{more}"


def _predictions(place: pathlib.Path) -> Iterator[Finding]:
    from xtl_jax.infer import records

    for path in sorted(place.glob("predictions/*.jsonl")):
        try:
            records.read(path)
        except UserError as error:
            yield Finding("problem", str(path), str(error))
    for folder in ("scores", "robustness", "items"):
        for path in sorted(place.glob(f"{folder}/*.json")):
            wrong: list[Finding] = []
            _read(path, wrong)
            yield from wrong


# --- studies and caches ---------------------------------------------------------------


def _study(place: pathlib.Path) -> Seen:
    from xtl_jax.studies import directory

    found: list[Finding] = []
    document = _read(place / directory.STUDY, found)
    stages = document.get("stages", [])
    states = []
    for stage in stages:
        folder = place / directory.STAGES / stage["id"]
        states.append(_stage(folder, found))
    known = {stage["id"] for stage in stages}
    for folder in sorted(place.glob(f"{directory.STAGES}/*")):
        if folder.name not in known:
            says = "is no stage of this study; another version of it may have made it"
            found.append(Finding("note", str(folder), says))
    found += _temporary(place, busy=any(state == "held" for state in states), deep=0)
    left = len(states) - states.count("done")
    done = f"{states.count('done')} of {len(states)} stages are done"
    return Seen("study", f"{done}; {left} would be done or gone on with", found)


def _stage(folder: pathlib.Path, found: list[Finding]) -> str:
    """Examine a stage: "done", "held" or "left"."""
    from xtl_jax.studies import directory

    if not folder.is_dir():
        return "left"
    done, owner = (folder / directory.DONE).is_file(), _owner(folder)
    if (folder / directory.FAILED).is_file():
        why = _read(folder / directory.FAILED, found).get("error", "")
        found.append(Finding("note", str(folder), f"failed: {why}"))
    if done:
        _read(folder / directory.DONE, found)
    if (folder / "run.json").exists():
        found += _run(folder).findings
    else:
        found += [*_predictions(folder), *_temporary(folder, busy=bool(owner))]
        if done:
            _read(folder / directory.STAGE, found)
    return "done" if done else "held" if owner else "left"


def _stores(place: pathlib.Path, cards: Sequence[pathlib.Path]) -> Seen:
    from xtl_jax.data import store

    found: list[Finding] = []
    for path in cards:
        try:
            store.check(path.parent, store.read_card(path.parent), contents=True)
        except UserError as error:
            found.append(Finding("problem", str(path.parent), str(error)))
    for path in sorted(place.rglob(".*.partial-*")):
        if _UNFINISHED_STORE.fullmatch(path.name):
            found.append(_left(path, busy=_is_locked(path)))
    found += _temporary(place, busy=False)
    bad = sum(each.level == "problem" for each in found)
    return Seen("caches", f"{len(cards) - bad} of {len(cards)} stores are whole", found)


def _is_locked(partial: pathlib.Path) -> bool:
    """Whether a process is writing the store of an unfinished copy."""
    import fcntl

    name = partial.name.partition(".partial-")[0]
    try:
        with (partial.parent / f"{name}.lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


# --- what a kill leaves ---------------------------------------------------------------


def _temporary(place: pathlib.Path, *, busy: bool, deep: int = 1) -> Iterator[Finding]:
    """Half-written files of a folder, and of the folders in it where `deep`."""
    for path in sorted((*place.glob(".*"), *(place.glob("*/.*") if deep else ()))):
        if path.is_file() and storage.is_temporary(path.name):
            yield _left(path, busy=busy)


def _left(path: pathlib.Path, *, busy: bool) -> Finding:
    newest = max((p.stat().st_mtime for p in (path, *path.rglob("*"))), default=0.0)
    old = time.time() - newest > OLD_SECONDS
    says = "a kill left it half-written; nothing reads it"
    if busy or not old:
        says = "half-written; somebody may be at it"
    return Finding("temporary", str(path), says, removable=old and not busy)
