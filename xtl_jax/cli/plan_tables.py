"""Plans for people and for files: a table, Markdown, one JSON document, gin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xtl_jax.hardware.estimate import Assumptions, Estimate
from xtl_jax.hardware.plan import GIB, Plan
from xtl_jax.hardware.programs import OPTIONS, Job, decode_length, ranks
from xtl_jax.model.encoder_sizes import EncoderConfig

_COLUMNS = (
    *("model", "slice", "mesh", "batch", "remat", "arguments GiB", "temporaries GiB"),
    *("peak GiB", "of GiB", "fits", "PFLOP useful", "executed", "sent GiB"),
    *("s/step", "at best", "tokens/s", "MFU ceiling", "hours", "USD"),
)


def describe(job: Job) -> str:
    """A job in one line: mesh, remat, microbatches."""
    mesh, run = job.mesh, job.run
    slices = f"slices={mesh.slices} " if mesh.slices > 1 else ""
    return (
        f"{job.topology} {slices}data={mesh.data} fsdp={mesh.fsdp} model={mesh.model} "
        f"remat={job.model.remat} microbatches={run.microbatches}"
    )


def name(plan: Plan) -> str:
    """A plan by its size of model and its slice."""
    return f"{_model(plan.job)} on {plan.job.topology}"


def document(plans: Sequence[Plan], assumptions: Assumptions) -> dict[str, Any]:
    """For programs."""
    found = []
    for plan in plans:
        row = plan.to_json()
        if plan.fits:
            row["estimate"] = plan.estimate(assumptions).to_json()
        found.append(row)
    return {"plans": found, "assumptions": assumptions.sentences()}


def markdown(plans: Sequence[Plan], assumptions: Assumptions) -> str:
    """A Markdown table with its assumptions below."""
    lines = [
        "| " + " | ".join(_COLUMNS) + " |",
        "| " + " | ".join("---" for _ in _COLUMNS) + " |",
    ]
    lines += ["| " + " | ".join(_cells(plan, assumptions)) + " |" for plan in plans]
    return "\n".join([*lines, "", *_notes(plans, assumptions)])


def show(plans: Sequence[Plan], assumptions: Assumptions) -> None:
    """For people, on stdout."""
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    console = Console()
    for plan in plans:
        table = Table(title=f"{name(plan)}: {describe(plan.job)}", show_header=False)
        for key, value in _rows(plan, assumptions):
            table.add_row(key, value.replace("[", r"\["))
        console.print(table)
    for note in _notes(plans, assumptions):
        console.print(note, highlight=False, markup=False)


def gin(plan: Plan) -> str:
    """A plan's layout as a gin file for training."""
    job = plan.job
    owner = type(job.model).__name__
    lines = [
        f"# {name(plan)}: {plan.peak / GIB:.1f} GiB of {plan.usable / GIB:.1f} at the "
        f"peak{_doubt(plan)}, by `xtl plan`.",
        *(f"MeshConfig.{key} = {getattr(job.mesh, key)}" for key in _MESH),
        f'{owner}.dtype = "{job.model.dtype}"',
        f'{owner}.remat = "{job.model.remat}"',
    ]
    if not isinstance(job.model, EncoderConfig):
        lines += [
            f"{owner}.loss_chunks = {job.model.loss_chunks}",
            f"{owner}.attention_queries = {job.model.attention_queries}",
        ]
    lines += [
        f"RunConfig.batch_size = {job.run.batch_size}",
        f"RunConfig.microbatches = {job.run.microbatches}",
    ]
    return "\n".join(lines) + "\n"


_MESH = ("data", "fsdp", "model", "slices")


def _doubt(plan: Plan) -> str:
    """What must be told of a peak."""
    return " (a lower bound: --quick)" if plan.effort == "quick" else ""


def _model(job: Job) -> str:
    return f"{job.model.parameters / 1e6:,.0f} M parameters"


def _rows(plan: Plan, assumptions: Assumptions) -> list[tuple[str, str]]:
    job = plan.job
    lengths = f"{job.run.lengths['inputs']} tokens"
    rows = job.run.batch_size if job.program == "train" else job.run.predict_batch_size
    if not isinstance(job.model, EncoderConfig):
        targets = (
            job.run.lengths["targets"]
            if job.program == "train"
            else decode_length(job.run)
        )
        options = f", {OPTIONS} options ranked" if ranks(job) else ""
        lengths += f" in, {targets} out{options}"
    found = [
        ("program", f"{job.program}, {rows} rows of {lengths}"),
        ("fits", "yes" if plan.fits else f"no: {plan.why}"),
    ]
    if not plan.fits:
        return found
    guess = plan.estimate(assumptions)
    found += [
        (
            "memory of a device",
            f"{plan.peak / GIB:.2f} GiB at the peak of {plan.usable / GIB:.2f}"
            f"{_doubt(plan)}",
        ),
        (
            "",
            f"parameters {plan.parameters / GIB:.2f}, moments "
            f"{plan.optimizer / GIB:.2f}, arguments {plan.arguments / GIB:.2f}, "
            f"temporaries {plan.temporaries / GIB:.2f}",
        ),
        (
            "FLOPs of a step",
            f"{plan.useful_flops:.3e} useful, {plan.executed_flops:.3e} executed",
        ),
        ("memory traffic", f"{plan.memory_bytes / 1e9:,.0f} GB a device and step"),
    ]
    for kind, row in plan.collectives.items():
        found.append(
            (kind, f"{row['times']:,.0f} times, {row['bytes_sent'] / 1e9:,.2f} GB sent")
        )
    network = f", network {guess.slice_seconds:.3g} s" if job.mesh.slices > 1 else ""
    found += [
        (
            "step",
            f"{guess.seconds:.3g} s expected; {guess.bound_seconds:.3g} s at best, "
            f"bound by {guess.bound} (operations {guess.compute_seconds:.3g} s, memory "
            f"{guess.memory_seconds:.3g} s, links {guess.link_seconds:.3g} s"
            f"{network})",
        ),
        (
            "tokens a second",
            f"{guess.tokens_per_second:,.0f}, MFU {guess.mfu:.0%}, ceiling "
            f"{guess.mfu_ceiling:.0%}",
        ),
        (
            f"{job.run.steps:,} steps",
            f"{guess.hours:,.2f} hours, {_money(guess)}",
        ),
        (
            "compiled in",
            f"{plan.compile_seconds:.0f} s, {plan.compile_memory / GIB:.1f} GiB here",
        ),
    ]
    return found


def _money(guess: Estimate) -> str:
    if guess.price is None or guess.usd is None:
        return "no price known: give --usd_per_chip_hour"
    return f"${guess.usd:,.2f} at ${guess.price.usd_per_chip_hour} a chip and hour"


def _cells(plan: Plan, assumptions: Assumptions) -> list[str]:
    job, mesh = plan.job, plan.job.mesh
    slices = f"{mesh.slices} x " if mesh.slices > 1 else ""
    rows = job.run.batch_size if job.program == "train" else job.run.predict_batch_size
    parts = f" in {job.run.microbatches}" if job.run.microbatches > 1 else ""
    cells = [
        _model(job).removesuffix(" parameters"),
        f"{slices}{job.topology}",
        f"{mesh.data} x {mesh.fsdp} x {mesh.model}",
        f"{rows}{parts}",
        job.model.remat,
    ]
    if not plan.fits:
        return [*cells, *("" for _ in range(4)), "no", *("" for _ in range(9))]
    guess = plan.estimate(assumptions)
    return [
        *cells,
        f"{plan.arguments / GIB:.2f}",
        f"{plan.temporaries / GIB:.2f}",
        f"{plan.peak / GIB:.2f}",
        f"{plan.usable / GIB:.2f}",
        "yes" if plan.effort == "full" else "yes (quick)",
        f"{plan.useful_flops / 1e15:,.2f}",
        f"{plan.executed_flops / 1e15:,.2f}",
        f"{plan.sent_bytes / GIB:,.1f}",
        f"{guess.seconds:.2f}",
        f"{guess.bound_seconds:.2f}",
        f"{guess.tokens_per_second:,.0f}",
        f"{guess.mfu_ceiling:.0%}",
        f"{guess.hours:,.2f}",
        "" if guess.usd is None else f"{guess.usd:,.2f}",
    ]


def _notes(plans: Sequence[Plan], assumptions: Assumptions) -> list[str]:
    notes = [f"Assumed: {'; '.join(assumptions.sentences())}."]
    found = (plan.estimate(assumptions).price for plan in plans if plan.fits)
    prices = {price for price in found if price is not None}
    for price in sorted(prices, key=lambda each: each.usd_per_chip_hour):
        note = f" ({price.note})" if price.note else ""
        notes.append(
            f"Price: ${price.usd_per_chip_hour} a chip and hour, {price.source}, "
            f"{price.date}{note}."
        )
    return notes
