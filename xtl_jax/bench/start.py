"""From the command to the first step: what somebody waits for who trains again.

`xtl train` itself is run, twice, on a small cached task: the first time makes the cache
of tokens and compiles the step, the second time finds both. What it has come to is seen
from outside: its run directory gets `run.json` when the data are found and checked,
`log.jsonl` when the state lies on the devices, and a first line in it after a step.
What JAX compiled, or found compiled, it says itself.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Callable

from xtl_jax.model.sizes import ModelConfig
from xtl_jax.world.generate import Sizes, WorldSizes, generate

_POLL = 0.01  # seconds
_PATIENCE = 600.0  # seconds that a run may take
_ROWS = Sizes(train=256, validation=8, test=8)
# What a command that trains imports, as far as that can be asked for alone.
_IMPORTS = (
    "import jax; from xtl_jax.cli import train, caching, devices, run_files; "
    "from xtl_jax.checkpoint import store; from xtl_jax.data import pipeline; "
    "from xtl_jax.train import loop, program; jax.devices()"
)
# Lines of JAX with `jax_log_compiles`, by what they time.
_COMPILING = {
    "lowered": re.compile(r"Finished jaxpr to MLIR .* in ([0-9.e-]+) sec"),
    "compiled or found": re.compile(r"Finished XLA compilation .* in ([0-9.e-]+) sec"),
}
_FOUND = "Persistent compilation cache hit"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        model: its shape.
        batch_size: rows.
        inputs: tokens of a row's inputs.
        targets: likewise.
    """

    model: ModelConfig
    batch_size: int = 16
    inputs: int = 256
    targets: int = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came out: seconds, of the second run where it does not say otherwise.

    Attributes:
        seconds: from the command to the end of its first step.
        cold_seconds: of the first run, which found nothing.
        imports: of a process that imports the same and does nothing.
        data: until data are found and checked, imports included.
        state: from there until the state lies on the devices.
        step: from there until a step was made: compiled, or found compiled, and run.
        compiling: of that and before, as JAX tells: lowering and compiling.
        found_compiled: programs that were found in the cache.
    """

    seconds: float
    cold_seconds: float
    imports: float
    data: float
    state: float
    step: float
    compiling: dict[str, float]
    found_compiled: int


def measure(
    setting: Setting, *, folder: pathlib.Path, clock: Callable[[], float]
) -> Result:
    """Run twice, and look.

    Args:
        setting: what is measured.
        folder: where data and runs are written.
        clock: seconds.
    """
    sizes = WorldSizes(**dict.fromkeys(_fields(WorldSizes), _ROWS))
    generate(folder / "data", seed=0, sizes=sizes)
    file = folder / "start.gin"
    file.write_text(gin(setting), encoding="utf-8")
    environment = {
        **os.environ,
        "JAX_LOG_COMPILES": "1",
        "XTL_CACHE_DIR": str(folder / "cache"),
    }
    cold = _run(folder, "cold", file, environment=environment, clock=clock)
    began = clock()
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True, capture_output=True)
    imports = clock() - began
    warm = _run(folder, "warm", file, environment=environment, clock=clock)
    text = (folder / "warm.stderr").read_text(encoding="utf-8")
    return Result(
        seconds=warm[-1],
        cold_seconds=cold[-1],
        imports=imports,
        data=warm[0],
        state=warm[1] - warm[0],
        step=warm[2] - warm[1],
        compiling={
            name: sum(map(float, pattern.findall(text)))
            for name, pattern in _COMPILING.items()
        },
        found_compiled=text.count(_FOUND),
    )


def _run(
    folder: pathlib.Path,
    name: str,
    file: pathlib.Path,
    *,
    environment: dict[str, str],
    clock: Callable[[], float],
) -> tuple[float, float, float]:
    """Seconds from the command to each of the three marks.

    Raises:
        RuntimeError: the run failed.
    """
    run_dir, errors = folder / name, folder / f"{name}.stderr"
    command = [
        *(sys.executable, "-m", "xtl_jax.cli.main", "train"),
        *(
            f"--gin_file={file}",
            f"--run_dir={run_dir}",
            f"--data_dir={folder / 'data'}",
        ),
    ]
    log = run_dir / "log.jsonl"
    marks: list[float] = []
    with errors.open("w") as stderr:
        began = clock()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=stderr, env=environment
        )
        for reached in (
            (run_dir / "run.json").is_file,
            log.is_file,
            lambda: log.is_file() and '"train"' in log.read_text(encoding="utf-8"),
        ):
            while not reached() and process.poll() is None:
                if clock() - began > _PATIENCE:
                    process.kill()
                time.sleep(_POLL)
            marks.append(clock() - began)
        code = process.wait()
    if code:
        last = errors.read_text(encoding="utf-8").strip().rpartition("\n")[2]
        raise RuntimeError(f"xtl train ended with {code}: {last}")
    first, second, third = marks
    return first, second, third


def gin(setting: Setting) -> str:
    """One step of the toy world's questions."""
    shape = dataclasses.asdict(setting.model)
    lines = [f"ModelConfig.{field} = {value!r}" for field, value in shape.items()]
    lengths = {"inputs": setting.inputs, "targets": setting.targets}
    run = {
        "task": "world_qa.en",
        "steps": 1,
        "lengths": lengths,
        "vocabulary": "bytes",
        "batch_size": setting.batch_size,
        "log_period": 1,
        "dev_task": "none",
    }
    lines += [f"RunConfig.{field} = {value!r}" for field, value in run.items()]
    return "\n".join(lines) + "\n"


def _fields(owner: type) -> list[str]:
    return [field.name for field in dataclasses.fields(owner)]
