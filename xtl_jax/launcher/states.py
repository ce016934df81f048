"""Providers' words for a TPU's state and for what went wrong, in ours."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

State = Literal[
    "absent",  # there is nothing
    "waiting",  # asked for; nothing is paid yet
    "ready",  # up, and paid for
    "leaving",  # on its way out
    "lost",  # preempted or stopped: to be deleted and asked for again
    "failed",  # the request came to nothing
    "ended",  # the job on it has ended, well or not
    "unknown",  # it could not be seen this time
]

# https://cloud.google.com/tpu/docs/reference/rest/v2/projects.locations.queuedResources
QUEUED: Mapping[str, State] = {
    "STATE_UNSPECIFIED": "waiting",
    "CREATING": "waiting",
    "ACCEPTED": "waiting",  # the older name of the next
    "WAITING_FOR_RESOURCES": "waiting",
    "PROVISIONING": "waiting",
    "ACTIVE": "ready",
    "SUSPENDING": "leaving",
    "DELETING": "leaving",
    "SUSPENDED": "lost",
    "FAILED": "failed",
}
# https://cloud.google.com/tpu/docs/reference/rest/v2/projects.locations.nodes
NODE: Mapping[str, State] = {
    "STATE_UNSPECIFIED": "waiting",
    "CREATING": "waiting",
    "READY": "ready",
    "RESTARTING": "ready",  # these are paid for
    "REIMAGING": "ready",
    "REPAIRING": "ready",
    "STARTING": "waiting",
    "STOPPING": "leaving",
    "DELETING": "leaving",
    "HIDING": "leaving",
    "STOPPED": "lost",
    "PREEMPTED": "lost",
    "TERMINATED": "lost",
    "HIDDEN": "lost",
    "UNHIDING": "waiting",
    "UNKNOWN": "unknown",
}

Trouble = Literal[
    "missing", "exists", "quota", "denied", "invalid", "capacity", "other"
]
_TROUBLE: tuple[tuple[Trouble, str], ...] = (
    ("missing", r"NOT_FOUND|was not found|does not exist|notfound"),
    ("exists", r"ALREADY_EXISTS|already exists"),
    ("quota", r"quota"),
    (
        "denied",
        r"PERMISSION_DENIED|UNAUTHENTICATED|does not have permission|gcloud auth login"
        r"|reauthentication|forbidden",
    ),
    (
        "capacity",
        r"capacity|stockout|not enough resources|RESOURCE_EXHAUSTED|UNAVAILABLE"
        r"|ZONE_RESOURCE_POOL_EXHAUSTED",
    ),
    ("invalid", r"INVALID_ARGUMENT|unrecognized arguments|invalid choice"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """A TPU as its provider describes it.

    Attributes:
        state: in our words.
        word: the provider's.
        detail: what it says of a failure.
        identity: of the job that made it; "" if no launch of ours did.
    """

    state: State
    word: str = ""
    detail: str = ""
    identity: str = ""


ABSENT = Resource(state="absent")


def trouble(text: str) -> Trouble:
    """What kind of trouble a message tells of.

    Example:
        >>> trouble("Quota 'TPUV4sPreemptible…' exhausted. Limit 32 in us-central2")
        'quota'
        >>> trouble("There is no more capacity in the zone")
        'capacity'
    """
    for kind, pattern in _TROUBLE:
        if re.search(pattern, text, re.IGNORECASE):
            return kind
    return "other"


def queued(text: str) -> Resource:
    """What `queued-resources describe --format=json` printed."""
    document = _document(text)
    state = document.get("state", {})
    word = state.get("state", "STATE_UNSPECIFIED")
    details = {key: value for key, value in state.items() if key != "state"}
    nodes = document.get("tpu", {}).get("nodeSpec", [])
    owners = {_identity(each.get("node", {})) for each in nodes}
    return Resource(
        state=QUEUED.get(word, "unknown"),
        word=word,
        detail=json.dumps(details) if details else "",
        identity=owners.pop() if len(owners) == 1 else "",
    )


def node(text: str) -> Resource:
    """What `tpu-vm describe --format=json` printed."""
    document = _document(text)
    word = document.get("state", "STATE_UNSPECIFIED")
    return Resource(
        state=NODE.get(word, "unknown"),
        word=word,
        detail=document.get("healthDescription", ""),
        identity=_identity(document),
    )


def jobset(text: str) -> Resource:
    """What `kubectl get jobset --ignore-not-found --output=json` printed."""
    if not text.strip():
        return ABSENT
    document = _document(text)
    status = document.get("status", {})
    # xpk sets no labels: the job's identity stands in the hosts' command.
    found = re.search(r"XTL_JOB=[-a-z0-9]+-([0-9a-f]{12})\b", text)
    identity = found[1] if found else ""
    last = status.get("terminalState", "")
    if last:
        return Resource(state="ended", word=last, identity=identity)
    rows = status.get("replicatedJobsStatus", [])
    up = any(row.get("ready", 0) or row.get("succeeded", 0) for row in rows)
    word = "SUSPENDED" if document.get("spec", {}).get("suspend") else "RUNNING"
    if not up:
        return Resource(state="waiting", word=f"{word}, no host", identity=identity)
    return Resource(state="ready", word=word, identity=identity)


def _document(text: str) -> dict[str, Any]:
    """The JSON object in an answer.

    Raises:
        ValueError: there is none.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError(f"no JSON object: {text[:80]!r}")
    return document


def _identity(described: Mapping[str, Any]) -> str:
    return described.get("labels", {}).get("xtl-launch", "")
