"""A plan: what a step needs of one chip, what it costs, and whether it fits.

A plan is not made twice: it is kept under a name that is a hash of the job and of the
versions that trace and compile it. Where the code has changed since, the program is
traced again, and compiled only if it is another one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from xtl_jax.hardware import compiler, estimate, hlo, slices
from xtl_jax.hardware.estimate import Assumptions, Estimate
from xtl_jax.hardware.programs import Job, tokens, useful_flops
from xtl_jax.model import network
from xtl_jax.train.config import MUTABLE, MeshConfig, RunConfig

GIB = 2**30
# What a plan depends on beside the job: the packages that trace and compile it.
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "libtpu")
# The folders of this package whose code is in a planned program.
_SOURCES = ("model", "train", "infer", "hardware")
# Fields of a run that plan a program although a run may change them.
_PLANNED = frozenset(
    {
        *("steps", "predict_batch_size", "decode_length", "classify"),
        *("beams", "length_penalty", "beam_rule"),
        *("temperature", "top_k", "top_p"),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What was found out about a job; sizes are bytes of one device.

    Attributes:
        job: what was planned.
        fits: whether the compiler made a program that runs on these chips.
        why: why not, in the compiler's words; "" if it fits.
        devices: JAX devices, of all slices.
        mesh: devices along each axis.
        usable: memory that a program may use.
        parameters: of the model.
        optimizer: moments.
        arguments: state, batch: what the step is given.
        temporaries: the most that it needs beside them, as the compiler reports it.
        peak: the most in use at one time.
        useful_flops: of all devices, without anything computed twice.
        executed_flops: of all devices, as the program has them.
        memory_bytes: to and from a device's memory.
        sent_bytes: that a device sends to others of its slice.
        slice_bytes: that a device sends to other slices.
        collectives: times and bytes by kind.
        largest_collectives: the ten with the most bytes.
        compile_seconds: of the compiler.
        compile_memory: of its process.
        effort: "full", or "quick" where memory is a lower bound.
    """

    job: Job
    fits: bool
    why: str
    effort: str
    devices: int = 0
    mesh: Mapping[str, int] = dataclasses.field(default_factory=dict)
    usable: int = 0
    parameters: int = 0
    optimizer: int = 0
    arguments: int = 0
    temporaries: int = 0
    peak: int = 0
    useful_flops: float = 0.0
    executed_flops: float = 0.0
    memory_bytes: float = 0.0
    sent_bytes: float = 0.0
    slice_bytes: float = 0.0
    collectives: Mapping[str, Mapping[str, float]] = dataclasses.field(
        default_factory=dict
    )
    largest_collectives: tuple[Mapping[str, Any], ...] = ()
    compile_seconds: float = 0.0
    compile_memory: int = 0

    def estimate(self, assumptions: Assumptions) -> Estimate:
        """Time and money, for a plan that fits."""
        return estimate.estimate(
            slice_=slices.find(self.job.topology),
            slices=self.job.mesh.slices,
            steps=self.job.run.steps,
            tokens=tokens(self.job),
            useful_flops=self.useful_flops,
            executed_flops=self.executed_flops,
            memory_bytes=self.memory_bytes,
            sent_bytes=self.sent_bytes,
            slice_bytes=self.slice_bytes,
            devices=self.devices,
            assumptions=assumptions,
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "job"
        }
        return {"job": to_request(self.job), **fields}


def make(
    job: Job,
    *,
    cache: pathlib.Path | None,
    effort: str = "full",
    seconds: float = 1800.0,
    program_text: str = "",
) -> Plan:
    """Plan a job, or take the plan from the cache.

    Args:
        job: what to plan.
        cache: folder of plans; None keeps none.
        effort: of `compiler.compile_apart`.
        seconds: that the compiler may take.
        program_text: path to which the compiled program is written, compressed where
            it ends in .gz; "" keeps it beside the plan.

    Raises:
        UserError: the job is impossible as such, or the compiler is not there.
    """
    known = slices.find(job.topology)
    job = dataclasses.replace(job, topology=known.topology)
    request = to_request(job)
    name = digest(request, effort=effort)
    file = cache / f"{name}.json" if cache else None
    answer = _kept(file) if file and not program_text else {}
    if answer.get("sources") != _sources():
        kept = program_text or (str(file.with_suffix(".hlo.gz")) if file else "")
        asked = {**request, "program_text": kept}
        asked["known_program"] = answer.get("program", "")
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
        found = compiler.compile_apart(asked, seconds=seconds, effort=effort)
        if found.get("same"):
            counted = hlo.count(compiler.read_text(kept)).to_json()
            found = {**answer, "counts": counted} if answer["fits"] else answer
        answer = {**found, "sources": _sources()}
        if file and "program" in answer:
            part = file.with_suffix(".part")
            part.write_text(json.dumps(answer, indent=1), encoding="utf-8")
            part.replace(file)
    return _plan(job, known, answer, effort)


def _kept(file: pathlib.Path) -> dict[str, Any]:
    """An answer that was kept; nothing where it is gone or damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plan(
    job: Job, known: slices.Slice, answer: Mapping[str, Any], effort: str
) -> Plan:
    if not answer["fits"]:
        return Plan(job=job, fits=False, why=answer["why"], effort=effort)
    per_chip = answer["devices"] / (known.chips * job.mesh.slices)
    usable = known.generation.usable_hbm_gib * GIB / per_chip
    counts = answer["counts"]
    return Plan(
        job=job,
        fits=True,
        why="",
        effort=effort,
        usable=int(usable),
        useful_flops=useful_flops(job),
        executed_flops=counts["flops"] * answer["devices"],
        memory_bytes=counts["memory_bytes"],
        sent_bytes=counts["sent_bytes"],
        slice_bytes=counts["slice_bytes"],
        collectives=counts["collectives"],
        largest_collectives=tuple(counts["largest_collectives"]),
        **{
            field: answer[field]
            for field in (
                *("devices", "mesh", "parameters", "optimizer", "arguments"),
                *("temporaries", "peak", "compile_seconds", "compile_memory"),
            )
        },
    )


def to_request(job: Job) -> dict[str, Any]:
    """A job as JSON values."""
    return json.loads(
        json.dumps(
            {
                "program": job.program,
                "topology": job.topology,
                "model": dataclasses.asdict(job.model),
                "run": dataclasses.asdict(job.run),
                "mesh": dataclasses.asdict(job.mesh),
            }
        )
    )


def from_request(request: Mapping[str, Any]) -> Job:
    """The job that `to_request` wrote."""
    run = dict(request["run"])
    for field, value in run.items():
        if isinstance(value, list):  # a tuple, as JSON has it
            run[field] = tuple(value)
    return Job(
        program=request["program"],
        topology=request["topology"],
        model=network.from_json(request["model"]),
        run=RunConfig(**run),
        mesh=MeshConfig(**request["mesh"]),
    )


def digest(request: Mapping[str, Any], *, effort: str) -> str:
    """Name of a job's plan: everything that decides it.

    Where a run's files lie, how long it trains and how it is scored decide nothing. A
    field at its default is as if it were not there, so that a field that is added later
    gives no plan another name.
    """
    run = {
        key: value
        for key, value in _set(request["run"], RunConfig).items()
        if key not in (MUTABLE | {"task", "seed"}) - _PLANNED
    }
    mesh = _set(request["mesh"], MeshConfig)
    versions = {name: _version(name) for name in _PACKAGES}
    named = {**request, "run": run, "mesh": mesh}
    text = json.dumps([named, effort, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _set(values: Mapping[str, Any], owner: type) -> dict[str, Any]:
    """Fields that have not the default of the dataclass they belong to."""
    defaults = {field.name: field.default for field in dataclasses.fields(owner)}
    return {key: value for key, value in values.items() if value != defaults[key]}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _sources() -> str:
    """Hash of the code that decides a program and what is counted of it."""
    package = pathlib.Path(__file__).resolve().parent.parent
    found = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((package / folder).glob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()
