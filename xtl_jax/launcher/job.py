"""What is to be run, and on what: plain values, checked."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from typing import Any, Literal, get_args

from xtl_jax.errors import UserError, near
from xtl_jax.hardware import slices as slice_table
from xtl_jax.hardware.prices import Capacity
from xtl_jax.hardware.slices import Slice

Backend = Literal["queued-resources", "tpu-vm", "xpk", "local"]
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,37}[a-z0-9])?")
_DELETE_SECONDS = 180  # a slice is paid for until its deletion begins


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One job in the cloud.

    Attributes:
        name: of the TPU, and of everything else the job makes.
        backend: how the TPU is obtained.
        tpu: one slice, by either of its names.
        slices: how many, joined over the data centre's network.
        capacity: on whose account: on-demand, spot, reserved, flex-start.
        zone: where.
        project: "" for the one that gcloud is set to.
        reservation: its name; "" for any reservation that fits.
        bucket: `gs://…`: code goes there, logs and exit codes come from there.
        command: words behind `xtl`, the same on every host.
        max_cost: US dollars, over all attempts; the TPU is deleted before.
        max_retries: attempts after the first.
        usd_per_chip_hour: what a chip costs.
        code: SHA-256 of the archive of code, 16 digits of it.
        lock: the same of the list of pinned packages.
        script: the same of the script that runs on the hosts.
        python: version for the hosts, such as 3.12.
        runtime: software version of the machines; "" for the generation's own.
        cluster: of GKE, for xpk.
        docker_image: for xpk; has bash, curl, gcloud.
        create_flags: more flags for the command that creates the TPU.
        queue_hours: how long a queued request may wait.
        poll_seconds: between two looks.
        stop_seconds: how long a host may take to save when it is told to stop.
        settle_seconds: how long the other hosts may take to end once one has.
        keep: leave the TPU running at the end.
        created: tells two jobs of one name apart; Unix seconds, "" if it is not real.
    """

    name: str
    backend: Backend
    tpu: str
    slices: int = 1
    capacity: Capacity = "on-demand"
    zone: str
    project: str = ""
    reservation: str = ""
    bucket: str
    command: tuple[str, ...]
    max_cost: float
    max_retries: int = 5
    usd_per_chip_hour: float
    code: str
    lock: str
    script: str
    python: str
    runtime: str = ""
    cluster: str = ""
    docker_image: str = ""
    create_flags: tuple[str, ...] = ()
    queue_hours: int = 24
    poll_seconds: float = 30.0
    stop_seconds: int = 300
    settle_seconds: float = 60.0
    keep: bool = False
    created: str = ""

    def __post_init__(self) -> None:
        _choice("backend", self.backend, get_args(Backend))
        _choice("capacity", self.capacity, get_args(Capacity))
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"--name={self.name!r} must begin with a small letter and go on with "
                "small letters, digits and -, 39 characters at most"
            )
        if self.slices < 1:
            raise UserError(f"--slices={self.slices} must be at least 1")
        if self.max_retries < 0:
            raise UserError(f"--max_retries={self.max_retries} must not be negative")
        if not re.fullmatch(r"gs://[a-z0-9][-_.a-z0-9]+(/[^ ]*)?", self.bucket):
            raise UserError(f"--bucket={self.bucket!r} must be gs://NAME or a folder")
        if not self.zone:
            raise UserError(
                f"--zone is missing; {self.slice.generation.name} was offered in "
                f"{', '.join(self.slice.generation.zones) or 'no zone that we know'}"
            )
        self._check_backend()
        if self.usd_per_chip_hour <= 0:
            raise UserError(
                f"--usd_per_chip_hour={self.usd_per_chip_hour} must be positive"
            )
        if self.max_cost <= self.reserve_usd:
            raise UserError(
                f"--max_cost={self.max_cost:g} dollars would be spent before anything "
                f"ran: {self.chips} chips cost {self.usd_per_hour:,.2f} an hour, and "
                f"{self.reserve_usd:,.2f} are kept back for saving and deleting"
            )

    def _check_backend(self) -> None:
        generation = self.slice.generation
        if self.backend == "xpk":
            if not self.cluster:
                raise UserError("--backend=xpk needs --cluster, a GKE cluster of xpk")
        elif not generation.runtime:
            raise UserError(
                f"--tpu={self.tpu}: {generation.name} comes through GKE only: "
                "--backend=xpk --cluster=NAME"
            )
        if self.backend == "tpu-vm" and self.slices > 1:
            raise UserError(
                f"--slices={self.slices}: tpu-vm makes single slices; several that "
                "work together come from --backend=queued-resources or xpk"
            )
        if self.backend == "tpu-vm" and self.capacity == "flex-start":
            raise UserError(
                "--flex_start: the provider gives flex-start to queued requests only: "
                "--backend=queued-resources or xpk"
            )
        if self.backend == "xpk" and self.capacity == "reserved":
            if not self.reservation:
                raise UserError("--reserved with xpk needs --reservation=NAME")
        elif self.reservation and self.capacity != "reserved":
            raise UserError("--reservation needs --reserved")

    @functools.cached_property
    def slice(self) -> Slice:
        """What `tpu` names."""
        return slice_table.find(self.tpu)

    @property
    def chips(self) -> int:
        """Over all slices."""
        return self.slices * self.slice.chips

    @property
    def hosts(self) -> int:
        """Over all slices; each runs the command once."""
        return self.slices * self.slice.hosts

    @property
    def usd_per_hour(self) -> float:
        """While the TPU is up."""
        return self.chips * self.usd_per_chip_hour

    @property
    def reserve_usd(self) -> float:
        """Kept back: it is spent between the decision to stop and the deletion."""
        seconds = self.poll_seconds + self.stop_seconds + _DELETE_SECONDS
        return self.usd_per_hour * seconds / 3600

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the slices."""
        if self.slices == 1:
            return (self.name,)
        return tuple(f"{self.name}-{index}" for index in range(self.slices))

    @functools.cached_property
    def identity(self) -> str:
        """Twelve hex digits, in the labels of what the job makes."""
        return hashlib.sha256(f"{self.name} {self.created}".encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the record of the launch."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Job:
        """The job that `to_json` wrote."""
        lists = {
            key: tuple(value)
            for key, value in values.items()
            if isinstance(value, list)
        }
        return cls(**{**values, **lists})


def warnings(job: Job) -> list[str]:
    """What may be meant, and mostly is not."""
    found = []
    generation = job.slice.generation
    zones = (
        generation.flex_start_zones
        if job.capacity == "flex-start"
        else generation.zones
    )
    if job.backend != "xpk" and job.zone not in zones:
        found.append(
            f"{generation.name} as {job.capacity} was not offered in {job.zone} when "
            f"the table was made; it was in: {', '.join(zones) or 'no zone'}"
        )
    words = job.command[1:]  # none, if the TPU is only made
    if words and not any("gs://" in word for word in words):
        found.append(
            "no gs:// path in the command: a run directory on the TPU's own disk is "
            "lost with it. Give --run_dir=gs://…"
        )
    if job.slices > 1 and words and "MeshConfig.slices" not in " ".join(words):
        found.append(
            f"--slices={job.slices} and no --gin.MeshConfig.slices={job.slices} in the "
            "command: unless a gin file sets it, the mesh does not know of the slices"
        )
    return found


def _choice(flag: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(
            f"--{flag}={value!r} must be one of {', '.join(allowed)}; near: "
            f"{near(value, allowed)}"
        )
