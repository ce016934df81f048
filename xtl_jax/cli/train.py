"""`xtl train`: one stage, from one checkpoint to another."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import config as configs
from xtl_jax.cli import overlaps, train_dev, train_inputs, train_observer
from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.data.pipeline import Feed

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
    """A document for programs or a table for people, on stdout."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

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

    inputs = train_inputs.find_inputs(config)
    run, model = inputs.config.run, inputs.config.model
    with devices.on_mesh(config.mesh) as mesh:
        sharding.check(
            mesh, model, batch_size=run.batch_size, microbatches=run.microbatches
        )
        if inputs.dev:
            sharding.check_rows(
                mesh, run.predict_batch_size, name="RunConfig.predict_batch_size"
            )
        shapes, batch = _shapes(inputs.config, inputs.feed)
        compiled = _compiled_step(inputs.config, mesh, shapes, batch)
        memory = compiled.memory_analysis()
    if run.initial_checkpoint:
        _initial_params(inputs.config)
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
        "state_bytes": state_bytes,
        "step_temporary_bytes": int(memory.temp_size_in_bytes),
        "step_argument_bytes": int(memory.argument_size_in_bytes),
        "useful_flops_per_step": run.batch_size * model.train_flops(**run.lengths),
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
    from xtl_jax.train import loop, sharding, state, throughput
    from xtl_jax.train import optimizer as optimizers

    inputs = train_inputs.find_inputs(config)
    run, model = inputs.config.run, inputs.config.model
    document = run_files.document(
        inputs.config, vocabulary=inputs.vocabulary, feed=inputs.feed.describe()
    )
    if overlap := _overlap(inputs):
        document["overlap"] = overlap
    with devices.on_mesh(config.mesh) as mesh, _sigterm() as stopping:
        sharding.check(
            mesh, model, batch_size=run.batch_size, microbatches=run.microbatches
        )
        if inputs.dev:
            sharding.check_rows(
                mesh, run.predict_batch_size, name="RunConfig.predict_batch_size"
            )
        shapes, batch = _shapes(inputs.config, inputs.feed)
        run_files.check_space(
            run.run_dir,
            needed=_disk_needed(inputs.config, _state_bytes(shapes)),
            what=f"{run.keep + 2} checkpoints",
        )
        initial = _initial_params(inputs.config)
        run_files.claim(run.run_dir, document)
        current, _ = state.create(
            *(model, optimizers.build(run)), mesh=mesh, seed=run.seed, params=initial
        )
        if run.restore_optimizer:
            current = _with_moments(current, inputs.config)
        checkpoints = Checkpoints(run.run_dir, keep=run.keep)
        position: Any = inputs.feed.position(0)._asdict()
        restored = checkpoints.restore_latest(current, tell=tell)
        if restored is not None:
            current, position = restored
            tell(f"{run.run_dir}: going on after step {int(current.step)}")
        began = int(current.step)
        update = _compiled_step(inputs.config, mesh, shapes, batch)
        observer = train_observer.Observer(
            inputs.config, began, throughput.peak_flops(time.perf_counter)
        )
        evaluate = train_dev.evaluation(inputs, mesh) if inputs.dev else None
        with contextlib.ExitStack() as stack:
            stack.callback(checkpoints.close)
            stack.enter_context(observer)
            fed = stack.enter_context(
                inputs.feed.batches(step=began, position=position)
            )
            pairs = ((item.batch, item.next_position._asdict()) for item in fed)
            current, outcome = loop.train(
                current,
                run=run,
                update=update,
                work=loop.to_device(pairs, mesh),
                position=position,
                store=checkpoints,
                observer=observer,
                evaluate=evaluate,
                stopping=stopping,
            )
    return {
        "outcome": outcome,
        "step": int(current.step),
        "steps": run.steps,
        "run_dir": run.run_dir,
        **observer.last,
    }


def _each_task(inputs: train_inputs.Inputs, field: str) -> dict[str, Any]:
    """One number of every task of the mixture."""
    return {name: task[field] for name, task in inputs.reading["tasks"].items()}


def _overlap(inputs: train_inputs.Inputs) -> dict[str, Any]:
    """Evaluation texts in what the run learns from; the user is told."""
    from xtl_jax.cli import caching

    run = inputs.config.run
    return overlaps.of_run(
        run,
        tasks=inputs.feed.describe()["tasks"],
        dev_task=inputs.dev.task if inputs.dev else None,
        settings=caching.task_settings(run, vocabulary=inputs.vocabulary),
    )


def _shapes(config: Config, feed: Feed) -> tuple[Any, Any]:
    """Shapes of state and global batch, without computing either."""
    import jax

    from xtl_jax.train import optimizer as optimizers
    from xtl_jax.train import state

    batch = {
        name: jax.ShapeDtypeStruct(
            (config.run.batch_size, *array.shape[1:]), array.dtype
        )
        for name, array in feed.batch(0).items()
    }
    return state.shapes(config.model, optimizers.build(config.run)), batch


def _compiled_step(config: Config, mesh: Any, shapes: Any, batch: Any) -> Any:
    """The step, compiled for these shapes on this mesh; state is updated in place."""
    import jax

    from xtl_jax.train import optimizer as optimizers
    from xtl_jax.train import sharding
    from xtl_jax.train.step import make_train_step

    places = sharding.state_sharding(
        mesh, sharding.params_sharding(mesh, config.model), shapes
    )
    rows = dict.fromkeys(batch, sharding.batch_sharding(mesh))
    step = make_train_step(config.model, config.run, optimizers.build(config.run))
    jitted = jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(places, rows),
        out_shardings=(places, None),
    )
    return jitted.lower(shapes, batch).compile()


def _state_bytes(shapes: Any) -> int:
    import jax

    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def _disk_needed(config: Config, state_bytes: int) -> int:
    # The kept ones, the best one, and the one being written.
    return (config.run.keep + 2) * state_bytes


def _initial_params(config: Config) -> Any | None:
    """Host parameters to start from, None for fresh ones."""
    from xtl_jax.infer import model as models

    path = config.run.initial_checkpoint
    if not path:
        return None
    loaded = models.load(path)
    ignored = ("dropout_rate", "dtype", "remat", "loss_chunks")
    differing = [
        f"{field.name}: checkpoint {getattr(loaded.config, field.name)}, config "
        f"{getattr(config.model, field.name)}"
        for field in dataclasses.fields(config.model)
        if field.name not in ignored
        and getattr(loaded.config, field.name) != getattr(config.model, field.name)
    ]
    if differing:
        raise UserError(
            f"{path} does not fit the model: {'; '.join(differing)}. Give the gin file "
            "of its size (models/…), and the vocabulary it was trained with"
        )
    return loaded.params


def _with_moments(current: Any, config: Config) -> Any:
    """The state with the optimiser's moments of the initial checkpoint."""
    from xtl_jax.checkpoint import find, t5x
    from xtl_jax.train import optimizer as optimizers

    run = config.run
    found = find.find(run.initial_checkpoint)
    if found.kind != "t5x":
        raise UserError(
            f"RunConfig.restore_optimizer: {run.initial_checkpoint} is no checkpoint "
            "of T5X; set it to False"
        )
    step, moments = t5x.optimizer_state(found.folder)
    factor = run.loss_normalizing_factor
    tell(
        f"optimiser state of {found.folder} restored, its decay goes on from step "
        f"{step:,}; the loss is divided by {factor or 'nothing'}: right if the "
        "checkpoint was trained so (the public mT5: 234496, "
        "RunConfig.loss_normalizing_factor)"
    )
    state = optimizers.with_moments(
        current.opt_state, config.model, moments=moments, step=step
    )
    return current._replace(opt_state=state)


@contextlib.contextmanager
def _sigterm() -> Iterator[Callable[[], bool]]:
    """SIGTERM asks the loop to save and leave, instead of killing."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
