"""`xtl bench plan`: what training steps need of TPUs, compiled without one.

xtl bench plan
xtl bench plan --only small
xtl bench plan --json

Three steps are compiled by the TPU's own compiler, which takes minutes each; a plan
that was made before, of the same program, is read again. Each has a limit of memory,
and of what it computes twice.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import config as configs
from xtl_jax.cli.progress import tell

if TYPE_CHECKING:
    from xtl_jax.hardware.programs import Job

_XXL = ("models/mt5_xxl.gin", "meshes/mt5_xxl-v4-4x4x4.gin")
# By name, as in `bench/aims.py`: packaged files, bindings after them, slice.
STEPS: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "small": (
        ("models/mt5_small.gin",),
        {
            "RunConfig.lengths": {"inputs": 512, "targets": 128},
            "RunConfig.batch_size": 8 * 128,
            "MeshConfig.data": 1,
            "MeshConfig.fsdp": 8,
            "ModelConfig.dtype": "bfloat16",
            "ModelConfig.remat": "full",
            "ModelConfig.loss_chunks": 16,
            "ModelConfig.attention_queries": 128,
        },
        "v5e:2x4",
    ),
    "xxl, little memory": (_XXL, {}, "v4:4x4x4"),
    "xxl, little twice": (
        _XXL,
        {"ModelConfig.remat": "minimal", "RunConfig.microbatches": 2},
        "v4:4x4x4",
    ),
}


def add_parser(names: Any) -> None:
    """Add it to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "plan",
        help="what training steps need of TPUs, compiled without one",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=tuple(STEPS), help="one of them")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compile and print what came out."""
    found = measure((args.only,) if args.only else STEPS)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    if "why" in found:
        print(f"not measured: {found['why']}")
        return 1
    for name, plan in found.items():
        if not plan["fits"]:
            print(f"{name}: does not fit: {plan['why']}")
            continue
        print(
            f"{name}: {plan['peak'] / 2**30:.2f} GiB of {plan['usable'] / 2**30:.2f}, "
            f"executed/useful {plan['executed_flops'] / plan['useful_flops']:.2f}"
        )
    return 0


def measure(names: Iterable[str] = tuple(STEPS)) -> dict[str, Any]:
    """Plans by name, as one JSON document; `why` there are none.

    Args:
        names: of the steps.
    """
    from xtl_jax.hardware import compiler, plan

    if not compiler.installed():
        return {"why": "libtpu is not installed"}
    found = {}
    for name in names:
        planned = job(name)
        tell(f"plan: {name} on {planned.topology}")
        made = plan.make(planned, cache=pathlib.Path(planned.run.cache_dir) / "plans")
        found[name] = {
            field: getattr(made, field)
            for field in (
                *("fits", "why", "peak", "usable", "temporaries"),
                *("useful_flops", "executed_flops", "compile_seconds"),
            )
        }
    return found


def job(name: str) -> Job:
    """What is compiled under that name."""
    from xtl_jax.cli import plan

    files, values, topology = STEPS[name]
    given = [each for file in files for each in configs.parse_file(file)]
    for target, value in values.items():
        owner, _, field = target.partition(".")
        given.append(configs.Binding(owner, field, value, "xtl bench plan"))
    return plan.job(given, topology)
