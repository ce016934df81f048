"""A program and a TPU that is not there in, the TPU compiler's verdict out.

The compiler is `libtpu` (`pip install 'xtl_jax[plan]'`). It runs in a process of its
own: it may take gigabytes, it prints what it likes, and where it fails it may take its
process with it. What comes back is what it knows of one device:

* whether the program fits. That alone is its promise; sizes are what it reports;
* the most memory in use at one time, in bytes;
* the program text after all optimisation, which `hlo.py` counts.

One JSON document goes in on stdin and one comes out, in the last line of stdout.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from xtl_jax.errors import UserError

# Without them the compiler looks for a TPU, or for another process that has one.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v4-8",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_NOT_ENOUGH = "RESOURCE_EXHAUSTED"


def installed() -> bool:
    """Whether the compiler is here."""
    return importlib.util.find_spec("libtpu") is not None


def compile_apart(
    request: Mapping[str, Any], *, seconds: float, effort: str = "full"
) -> dict[str, Any]:
    """Compile in a process of its own.

    Args:
        request: of `plan.to_request`.
        seconds: at most; then the process is stopped.
        effort: "full", as a real run compiles; "quick" is several times as fast, and
            understates memory by up to a quarter.

    Returns:
        What `_compiled` returns; `{"same": True}` if the program is the one whose
        hash the request names as known; or `{"fits": False, "why": …}`.

    Raises:
        UserError: the compiler is not installed, or refuses the job as such.
    """
    if not installed():
        raise UserError(
            "planning needs the TPU compiler, libtpu, which is not installed: "
            "pip install 'xtl_jax[plan]'"
        )
    environment = {**os.environ, **ENVIRONMENT}
    environment.pop("XLA_FLAGS", None)
    environment.pop("JAX_NUM_CPU_DEVICES", None)
    if effort == "quick":
        environment["JAX_OPTIMIZATION_LEVEL"] = "O0"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "xtl_jax.hardware.compiler"],
            input=json.dumps(request),
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"fits": False, "why": f"not compiled within {seconds:.0f} s"}
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode == 0 and last.startswith("{"):
        answer = json.loads(last)
        if "refused" in answer:
            raise UserError(answer["refused"])
        return answer
    tail = " ".join(done.stderr.strip().splitlines()[-1:])[:300]
    ended = f"signal {-done.returncode}" if done.returncode < 0 else tail
    return {"fits": False, "why": f"the compiler itself failed: {ended}"}


def devices(topology: str, *, slices: int = 1) -> list[Any]:
    """Descriptions of a topology's devices, in the form that meshes are made of.

    Args:
        topology: such as "v4:4x4x4".
        slices: how many such slices.

    Raises:
        UserError: the compiler does not know it.
    """
    from jax.experimental import topologies

    options: dict[str, Any] = {}
    if topology.startswith(("v4:", "v5p:")):
        options["chip_config_name"] = "megacore"  # one device per chip, as they are run
    if topology in ("v5e:1x1", "v6e:1x1"):
        options["chips_per_host_bounds"] = (1, 1, 1)
    if slices > 1:
        options["num_slices"] = slices
    try:
        found = topologies.get_topology_desc(
            platform="tpu", topology_name=topology, **options
        )
    except Exception as error:
        text = str(error).splitlines()[0]
        raise UserError(
            f"the TPU compiler does not know the topology {topology!r}: {text}"
        ) from None
    return list(found.devices)


def write_text(path: str, text: str) -> None:
    """A program's text into a file, compressed where its name ends in .gz."""
    data = text.encode()
    pathlib.Path(path).write_bytes(
        gzip.compress(data) if path.endswith(".gz") else data
    )


def read_text(path: str) -> str:
    """What `write_text` wrote."""
    data = pathlib.Path(path).read_bytes()
    return (gzip.decompress(data) if path.endswith(".gz") else data).decode()


def _compiled(request: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes in bytes of one device, and what the program does."""
    from xtl_jax.hardware import hlo, plan, programs
    from xtl_jax.train import sharding

    job = plan.from_request(request)
    found = devices(job.topology, slices=job.mesh.slices)
    mesh = sharding.mesh(job.mesh, found)
    program = programs.lower(job, mesh)
    identity = hashlib.sha256(program.lowered.as_text().encode()).hexdigest()
    if identity == request.get("known_program"):
        return {"same": True}
    began = time.monotonic()
    try:
        executable = program.lowered.compile()
    except Exception as error:
        text = str(error)
        if _NOT_ENOUGH not in text:
            raise
        why = text.partition("\n")[0][:400]
        return {"fits": False, "why": why, "program": identity}
    seconds = time.monotonic() - began
    memory = executable.memory_analysis()
    text = executable.as_text()
    if request.get("program_text"):
        write_text(request["program_text"], text)
    return {
        "fits": True,
        "why": "",
        "program": identity,
        "devices": len(found),
        "mesh": dict(mesh.shape),
        "parameters": program.parameter_bytes,
        "optimizer": program.optimizer_bytes,
        "arguments": memory.argument_size_in_bytes,
        "outputs": memory.output_size_in_bytes,
        "reused": memory.alias_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "peak": memory.peak_memory_in_bytes,
        "counts": hlo.count(text).to_json(),
        "compile_seconds": seconds,
        "compile_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _main() -> None:
    request = json.load(sys.stdin)
    try:
        answer = _compiled(request)
    except UserError as error:
        answer = {"refused": str(error)}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main()
