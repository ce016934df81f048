"""`xtl plan`: memory, time and cost of a step on a TPU that is not there."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import config as configs
from xtl_jax.cli import pages
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.hardware.estimate import Assumptions
    from xtl_jax.hardware.plan import Plan
    from xtl_jax.hardware.programs import Job, Program

EXAMPLE = """example:
  xtl plan --gin_file=models/mt5_xxl.gin --gin_file=meshes/mt5_xxl-v4-4x4x4.gin \\
      --topology v4:4x4x4
  xtl plan --gin_file=models/mt5_large.gin --topology v5e:4x4 --search \\
      --gin_out=mesh.gin
  xtl plan --presets --markdown

With --gin.MeshConfig.auto=True it takes the mesh of fewest parts that fits.

The step that `xtl train` runs (with --predict, the one that `xtl predict` runs) is
compiled for the chips; nothing is computed, and no TPU is needed. A compilation takes
minutes; a plan that was made before is read again. The compiler is an extra:
pip install 'xtl_jax[plan]'
"""
# What a plan needs of a run, where the command line says nothing.
_DEFAULTS = (
    ("task", "squad_v1"),
    ("steps", 1000),
    ("lengths", {"inputs": 1024, "targets": 256}),
    ("run_dir", "."),
    ("vocabulary", "bytes"),
)


def add_parser(commands: Any) -> None:
    """Register `xtl plan`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="memory, time and cost on a TPU slice, compiled without one",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    configs.add_arguments(parser)
    what = parser.add_argument_group("what is planned")
    what.add_argument(
        "--topology",
        action="append",
        default=[],
        metavar="NAME",
        help="slice, such as v4:4x4x4 or v5litepod-64; repeatable. Several slices are "
        "--gin.MeshConfig.slices=N",
    )
    what.add_argument(
        "--predict", action="store_true", help="the predict step, not the train step"
    )
    what.add_argument(
        "--presets",
        action="store_true",
        help="every packaged file of meshes/, each with its model on its topology",
    )
    what.add_argument(
        "--search",
        action="store_true",
        help="try meshes, remat policies and microbatches, and rank what fits",
    )
    what.add_argument(
        "--tries", type=int, default=6, help="variants that --search compiles (6)"
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--quick",
        action="store_true",
        help="let the compiler try less: several times as fast, and memory is a lower "
        "bound, up to a quarter too low",
    )
    how.add_argument(
        "--minutes", type=float, default=30.0, help="that one compilation may take (30)"
    )
    how.add_argument(
        "--capacity",
        choices=("on-demand", "spot", "reserved", "flex-start"),
        default="on-demand",
        help="how the chips are obtained, for the price",
    )
    how.add_argument(
        "--usd_per_chip_hour", type=float, help="what you pay, not the list price"
    )
    how.add_argument(
        "--matrix_share",
        type=float,
        default=0.7,
        help="of the peak that matrix products reach (0.7)",
    )
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="print one JSON document")
    out.add_argument("--markdown", action="store_true", help="print a Markdown table")
    pages.add_option(out)
    out.add_argument("--picture", metavar="FILE", help="memory as an SVG picture")
    out.add_argument(
        "--gin_out",
        metavar="FILE",
        help="write the mesh, remat and microbatches of the first plan that fits, as a "
        "--gin_file for training",
    )
    out.add_argument(
        "--program_out", metavar="FILE", help="write the compiled program's text"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Plan; 0 if something fits, 1 if nothing does."""
    from xtl_jax.cli import plan_tables
    from xtl_jax.hardware import compiler
    from xtl_jax.hardware.estimate import Assumptions

    assumptions = Assumptions(
        capacity=arguments.capacity,
        usd_per_chip_hour=arguments.usd_per_chip_hour,
        matrix_share=arguments.matrix_share,
    )
    page = pages.Page(arguments.markdown_into, mark="plans")
    jobs = _preset_jobs(arguments) if arguments.presets else _jobs(arguments)
    if not compiler.installed():
        print(
            "xtl plan: libtpu is not installed (pip install 'xtl_jax[plan]'); only "
            "plans made before can be shown",
            file=sys.stderr,
        )
    plans = []
    for job in jobs:
        if arguments.search:
            plans += _search(arguments, job, assumptions)
        else:
            plans.append(_make(arguments, job))
    names = [plan_tables.name(plan) for plan in plans]
    if arguments.json:
        print(json.dumps(plan_tables.document(plans, assumptions)))
    elif arguments.markdown:
        print(plan_tables.markdown(plans, assumptions))
    else:
        plan_tables.show(plans, assumptions)
    if arguments.markdown_into:
        page.write(plan_tables.markdown(plans, assumptions))
    _write(arguments, plans, names)
    return 0 if any(plan.fits for plan in plans) else 1


def _write(
    arguments: argparse.Namespace,
    plans: Sequence[Plan],
    names: Sequence[str],
) -> None:
    from xtl_jax.cli import plan_tables
    from xtl_jax.hardware import picture

    fitting = [
        (plan, name) for plan, name in zip(plans, names, strict=True) if plan.fits
    ]
    if not (arguments.picture or arguments.gin_out):
        return
    if not fitting:
        raise UserError("nothing fits, so there is nothing to write or draw")
    if arguments.picture:
        text = picture.svg([plan for plan, _ in fitting], [name for _, name in fitting])
        pathlib.Path(arguments.picture).write_text(text, encoding="utf-8")
    if arguments.gin_out:
        text = plan_tables.gin(fitting[0][0])
        pathlib.Path(arguments.gin_out).write_text(text, encoding="utf-8")


def _jobs(arguments: argparse.Namespace) -> list[Job]:
    """One for each topology that was named."""
    if not arguments.topology:
        raise UserError(
            "name a slice with --topology, such as --topology v4:4x4x4, or plan the "
            "packaged ones with --presets"
        )
    given = configs.bindings(arguments)
    return [_job(arguments, given, name) for name in arguments.topology]


def _preset_jobs(arguments: argparse.Namespace) -> list[Job]:
    """One for each file of meshes/; its name is `MODEL-GENERATION-SHAPE.gin`."""
    if arguments.topology:
        raise UserError("--presets has topologies of its own: leave out --topology")
    jobs = []
    for path in preset_files():
        model, generation, shape = path.stem.split("-")
        model_file = configs.folder() / "models" / f"{model}.gin"
        given = [
            binding
            for file in (model_file, path)
            for binding in configs.parse(
                file.read_text(encoding="utf-8"), source=str(file)
            )
        ]
        given += configs.bindings(arguments)
        jobs.append(_job(arguments, given, f"{generation}:{shape}"))
    return jobs


def preset_files() -> list[pathlib.Path]:
    """The packaged meshes, small models first."""
    sizes = ("small", "base", "large", "xl", "xxl")

    def order(path: pathlib.Path) -> tuple[int, str]:
        size = path.stem.partition("-")[0].rpartition("_")[2]
        return (sizes.index(size) if size in sizes else -1, path.stem)

    return sorted((configs.folder() / "meshes").glob("*-*-*.gin"), key=order)


def _job(arguments: argparse.Namespace, given: Sequence[Any], topology: str) -> Job:
    places = [
        configs.Binding("RunConfig", field, getattr(arguments, field), "flag")
        for field in ("run_dir", "data_dir", "cache_dir")
        if getattr(arguments, field)
    ]
    program = "predict" if arguments.predict else "train"
    return job([*given, *places], topology, program=program)


def job(given: Sequence[Any], topology: str, *, program: Program = "train") -> Job:
    """What is planned.

    Args:
        given: bindings of model, run and mesh; a run's missing fields are filled in.
        topology: the slice.
        program: whose step.
    """
    from xtl_jax.hardware import slices
    from xtl_jax.hardware.programs import Job

    defaults = [
        configs.Binding("RunConfig", field, value, "xtl plan")
        for field, value in _DEFAULTS
    ]
    if any(binding.owner == "EncoderConfig" for binding in given):
        short = {"inputs": 512, "targets": 2}  # as long as their positions go
        defaults.append(configs.Binding("RunConfig", "lengths", short, "xtl plan"))
    config = configs.resolve([*defaults, *given])
    return Job(
        program=program,
        model=config.model,
        run=config.run,
        mesh=config.mesh,
        topology=slices.find(topology).topology,
    )


def _make(arguments: argparse.Namespace, job: Job) -> Plan:
    from xtl_jax.hardware import meshes, plan, slices
    from xtl_jax.hardware.meshes import Devices

    if job.mesh.auto:
        known = slices.find(job.topology)
        devices = Devices(known.devices, known.device_memory)
        choice = meshes.choose(job, devices, make=lambda each: _make(arguments, each))
        assert choice.plan is not None, "the planner was asked"
        return choice.plan
    return plan.make(
        job,
        cache=pathlib.Path(job.run.cache_dir) / "plans",
        effort="quick" if arguments.quick else "full",
        seconds=60 * arguments.minutes,
        program_text=arguments.program_out or "",
    )


def _search(
    arguments: argparse.Namespace, job: Job, assumptions: Assumptions
) -> list[Plan]:
    from xtl_jax.cli import plan_tables
    from xtl_jax.hardware import search

    def tell(number: int, variant: Job) -> None:
        print(
            f"[{number + 1}/{arguments.tries}] {plan_tables.describe(variant)}",
            file=sys.stderr,
            flush=True,
        )

    return search.search(
        job,
        make=lambda variant: _make(arguments, variant),
        assumptions=assumptions,
        tries=arguments.tries,
        progress=tell,
    )
