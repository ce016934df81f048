"""`xtl train`: one stage, from one checkpoint to another."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import (
    auto_mesh,
    hosts,
    overlaps,
    run_lock,
    train_initial,
    train_observer,
    train_program,
)
from xtl_jax.cli import config as configs
from xtl_jax.cli.config import Config
from xtl_jax.hosts import group

if TYPE_CHECKING:
    from xtl_jax.cli.train_inputs import Inputs
    from xtl_jax.train.config import MeshConfig

EXAMPLE = """example:
  xtl train --gin_file=models/tiny.gin --gin_file=runs/squad_to_qa.gin \\
      --data_dir=DATA --run_dir=runs/squad --gin.TRAIN_STEPS=200

The same command again in the same directory goes on where the run was stopped.
"""


def add_parser(commands: Any) -> None:
    """Register `xtl train`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train one stage; again in the same directory continues it",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    configs.add_arguments(parser)
    add_flags(parser)
    parser.set_defaults(run=run)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that training has beyond its configuration."""
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="resolve and check everything (files, tasks, lengths, mesh, memory, "
        "disk), train nothing",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Train, or only check with --dry_run."""
    config = configs.from_arguments(arguments)
    if arguments.dry_run:
        show(dry_run(config), as_json=arguments.json)
        return 0
    result = train(config)
    show(result, as_json=arguments.json)
    return 143 if result["outcome"] == "stopped" else 0


def show(values: Mapping[str, Any], *, as_json: bool) -> None:
    """A document for programs or a table for people, on stdout of the first host."""
    if not group.is_first():
        return
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    table = Table(show_header=False, box=None)
    for key, value in values.items():
        if isinstance(value, float):
            value = f"{value:,.4g}"
        elif isinstance(value, Mapping):
            value = "\n".join(f"{name}: {item}" for name, item in value.items())
        table.add_row(key.replace("_", " "), str(value).replace("[", r"\["))
    Console().print(table)


def dry_run(config: Config) -> dict[str, Any]:
    """Everything that can be known without training."""
    import jax

    from xtl_jax.cli import devices, run_files
    from xtl_jax.train import sharding

    inputs = train_program.find_inputs(config)
    run, model = inputs.config.run, inputs.config.model
    with devices.on_mesh(_mesh(inputs)) as mesh:
        sharding.check(
            mesh, model, batch_size=run.batch_size, microbatches=run.microbatches
        )
        if inputs.dev:
            sharding.check_rows(
                mesh, run.predict_batch_size, name="RunConfig.predict_batch_size"
            )
        shapes = train_program.shapes(inputs.config)
        memory = [
            step.memory_analysis()
            for step in train_program.compiled(inputs, mesh, shapes)
        ]
    train_initial.load(inputs.config)
    state_bytes = _state_bytes(shapes)
    run_files.check_space(
        run.run_dir, needed=_disk_needed(inputs.config, state_bytes), what="checkpoints"
    )
    tasks = inputs.feed.describe()["tasks"]
    overlap = _overlap(inputs)
    return {
        "outcome": "would train",
        "task": run.task,
        "examples": {name: task["examples"] for name, task in tasks.items()},
        "shares_percent": _each_task(inputs, "share_percent"),
        "epochs": _each_task(inputs, "epochs"),
        "dev_task": inputs.dev.task if inputs.dev else None,
        "overlap": overlap.get("found", {}),
        "parameters": model.parameters,
        "parameters_trained": _size(shapes.params),
        "state_bytes": state_bytes,
        "step_temporary_bytes": max(m.temp_size_in_bytes for m in memory),
        "step_argument_bytes": max(m.argument_size_in_bytes for m in memory),
        "useful_flops_per_step": train_program.useful_flops(inputs.config),
        "mesh": dict(mesh.shape),
        "devices": len(jax.devices()),
        "steps": run.steps,
        "batch_size": run.batch_size,
        "lengths": dict(run.lengths),
        "run_dir": run.run_dir,
    }


def train(config: Config) -> dict[str, Any]:
    """Train a stage to its end, or until SIGTERM.

    Returns:
        What happened, as JSON values; `outcome` is "finished" or "stopped".
    """
    from xtl_jax.checkpoint.store import Store as Checkpoints
    from xtl_jax.cli import devices, run_files
    from xtl_jax.train import loop, sharding, throughput

    group.agree("configuration", config.to_json())
    inputs = train_program.find_inputs(config)
    run, model = inputs.config.run, inputs.config.model
    group.agree("data", inputs.feed.describe())
    document = run_files.document(
        inputs.config, vocabulary=inputs.vocabulary, feed=inputs.feed.describe()
    )
    document["reading"] = inputs.reading
    if overlap := _overlap(inputs):
        document["overlap"] = overlap
    with (
        devices.on_mesh(_mesh(inputs)) as mesh,
        _sigterm() as stopping,
        contextlib.ExitStack() as holding,
    ):
        sharding.check(
            mesh, model, batch_size=run.batch_size, microbatches=run.microbatches
        )
        if inputs.dev:
            sharding.check_rows(
                mesh, run.predict_batch_size, name="RunConfig.predict_batch_size"
            )
        shapes = train_program.shapes(inputs.config)
        run_files.check_space(
            run.run_dir,
            needed=_disk_needed(inputs.config, _state_bytes(shapes)),
            what=f"{run.keep + 2} checkpoints",
        )
        initial = train_initial.load(inputs.config)
        document |= train_initial.identity(inputs.config, initial)
        finish = holding.enter_context(run_lock.held(run.run_dir))
        run_files.claim_once(run.run_dir, document, defaults=inputs.config.defaults())
        checkpoints = Checkpoints(run.run_dir, keep=run.keep)
        begun = train_initial.begin(
            inputs.config,
            mesh=mesh,
            shapes=shapes,
            checkpoints=checkpoints,
            initial=initial,
        )
        del initial  # what is trained lies on the devices now
        current, frozen = begun.state, begun.frozen
        inputs.feed.shard = sharding.host_shard(mesh)
        position: Any = begun.position or inputs.feed.position(0)._asdict()
        began = int(current.step)
        step = train_program.step(inputs.config, mesh, shapes)
        observer = train_observer.observer(
            inputs.config, began, throughput.peak_flops(time.perf_counter)
        )
        evaluate = None
        if inputs.dev:
            evaluate = train_program.evaluation(inputs, mesh, frozen)
        with contextlib.ExitStack() as stack:
            stack.callback(checkpoints.close)
            stack.enter_context(observer)
            fed = stack.enter_context(
                inputs.feed.batches(step=began, position=position)
            )
            pairs = train_program.batches(inputs.config, fed)
            count = train_program.real_tokens(inputs.config)
            group.current().begin(began)
            group.current().exchange("ready to train")
            stack.enter_context(hosts.ending_all("train"))
            current, outcome = loop.train(
                current,
                run=run,
                update=lambda state, rows: step(state, rows, frozen),
                work=loop.to_device(pairs, mesh, count=count, shard=inputs.feed.shard),
                position=position,
                store=checkpoints,
                observer=observer,
                evaluate=evaluate,
                stopping=stopping,
            )
        if outcome == "finished":
            finish()
    return {
        "outcome": outcome,
        "step": int(current.step),
        "steps": run.steps,
        "run_dir": run.run_dir,
        **observer.last,
    }


def _mesh(inputs: Inputs) -> MeshConfig:
    """The mesh of a run, chosen where that is asked for."""
    config = inputs.config
    return auto_mesh.chosen(
        config.mesh,
        program="train",
        model=config.model,
        run=config.run,
        predicts=bool(inputs.dev),
    )


def _each_task(inputs: Inputs, field: str) -> dict[str, Any]:
    """One number of every task of the mixture."""
    return {name: task[field] for name, task in inputs.reading["tasks"].items()}


def _overlap(inputs: Inputs) -> dict[str, Any]:
    """Evaluation texts in what the run learns from; the user is told."""
    from xtl_jax.cli import caching

    run = inputs.config.run
    return overlaps.of_run(
        run,
        tasks=inputs.feed.describe()["tasks"],
        dev_task=inputs.dev.task if inputs.dev else None,
        settings=caching.task_settings(run, vocabulary=inputs.vocabulary),
    )


def _size(shapes: Any) -> int:
    import jax

    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def _state_bytes(shapes: Any) -> int:
    import jax

    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def _disk_needed(config: Config, state_bytes: int) -> int:
    # The kept ones, the best one, and the one being written.
    return (config.run.keep + 2) * state_bytes


@contextlib.contextmanager
def _sigterm() -> Iterator[Callable[[int], bool]]:
    """SIGTERM asks the loop to save and leave, on all hosts, instead of killing."""
    everyone = group.current()
    if everyone.count == 1:
        group.become(everyone := group.Alone())  # that nobody has asked to stop yet
    if threading.current_thread() is not threading.main_thread():
        yield everyone.reached
        return
    before = signal.signal(signal.SIGTERM, lambda *_: everyone.ask())
    try:
        yield everyone.reached
    finally:
        signal.signal(signal.SIGTERM, before)
