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
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from xtl_jax.cli import config as configs
from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import Lines, bar, tell
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_jax.data.pipeline import Feed
    from xtl_jax.data.store import Store
    from xtl_jax.data.vocabulary import Vocabulary

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


class Inputs(NamedTuple):
    """What a config names, found and checked, before anything is computed."""

    config: Config  # vocabulary rows filled in
    vocabulary: Vocabulary
    feed: Feed
    dev: Dev | None


class Dev(NamedTuple):
    """English validation data: the only scores that may choose a checkpoint."""

    task: str
    store: Store


def find_inputs(config: Config) -> Inputs:
    """Vocabulary, caches (made if need be), feed and dev set of a run.

    Raises:
        UserError: whatever is missing or does not fit.
    """
    from xtl_jax.cli import caching
    from xtl_jax.data import vocabulary as vocabularies
    from xtl_jax.data.features import Lengths
    from xtl_jax.data.pipeline import Feed

    run = config.run
    vocabulary = vocabularies.load(run.vocabulary, extra_ids=run.extra_ids)
    model = config.model.with_vocabulary(vocabulary.size)
    if run.lengths["targets"] % model.loss_chunks:
        raise UserError(
            f"ModelConfig.loss_chunks={model.loss_chunks} does not divide the target "
            f"length {run.lengths['targets']}"
        )
    rates = training_rates(run.task)
    dev_task = _dev_task(config)
    wanted = [(task, "train") for task in rates]
    stores = caching.ensure_cached(wanted, run=run, vocabulary=vocabulary)
    dev = None
    if dev_task is not None:
        try:
            found = caching.ensure_cached(
                [(dev_task, "validation")], run=run, vocabulary=vocabulary
            )
            dev = Dev(dev_task, found[dev_task, "validation"])
        except UserError as error:
            if run.dev_task:
                raise
            tell(f"no English dev evaluation: {error}")
    feed = Feed(
        {task: stores[task, "train"] for task in rates},
        rates=rates,
        lengths=Lengths(**run.lengths),
        batch_size=run.batch_size,
        seed=run.seed,
        pack=run.pack,
        shard=_shard(),
    )
    return Inputs(config._replace(model=model), vocabulary, feed, dev)


def _shard() -> tuple[int, int]:
    import jax

    return jax.process_index(), jax.process_count()


def training_rates(name: str) -> dict[str, float]:
    """Tasks of a task or mixture, each with its rate.

    Raises:
        UserError: there is neither a task nor a mixture of that name.
    """
    from xtl_tasks import catalog, mixtures

    for mixture in mixtures.MIXTURES:
        if mixture.name == name:
            return dict(mixture.rates)
    known = [mixture.name for mixture in mixtures.MIXTURES] + catalog.task_names()
    try:
        family, language = catalog.find(name)
    except UserError as error:
        if name.partition(".")[0] in {family.name for family in catalog.FAMILIES}:
            raise
        raise UserError(
            f"no task or mixture named {name!r}; near: {near(name, known)}; see "
            "`xtl tasks`"
        ) from error
    return {family.task_name(language): 1.0}


def _dev_task(config: Config) -> str | None:
    """Whose English validation split is watched; None: nothing is."""
    from xtl_tasks import catalog, mixtures

    name = config.run.dev_task or config.run.task
    is_mixture = name in {mixture.name for mixture in mixtures.MIXTURES}
    if name == "none" or (is_mixture and not config.run.dev_task):
        return None
    family, language = catalog.find(name)
    if language != "en" and family.kind != "text":
        raise UserError(
            f"RunConfig.dev_task={name!r} is not English: zero-shot means that no "
            "label of a scored language chooses a checkpoint; give an English task or "
            "'none'"
        )
    if not config.run.dev_task and "validation" not in family.splits_of(language):
        return None
    family.check_split("validation", language=language)
    return family.task_name(language)


def dry_run(config: Config) -> dict[str, Any]:
    """Everything that can be known without training."""
    import jax

    from xtl_jax.cli import devices, run_files
    from xtl_jax.train import sharding

    inputs = find_inputs(config)
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
    return {
        "outcome": "would train",
        "task": run.task,
        "examples": {name: task["examples"] for name, task in tasks.items()},
        "dev_task": inputs.dev.task if inputs.dev else None,
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

    inputs = find_inputs(config)
    run, model = inputs.config.run, inputs.config.model
    document = run_files.document(
        inputs.config, vocabulary=inputs.vocabulary, feed=inputs.feed.describe()
    )
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
        checkpoints = Checkpoints(run.run_dir, keep=run.keep)
        position: Any = inputs.feed.position(0)._asdict()
        restored = checkpoints.restore_latest(current, tell=tell)
        if restored is not None:
            current, position = restored
            tell(f"{run.run_dir}: going on after step {int(current.step)}")
        began = int(current.step)
        update = _compiled_step(inputs.config, mesh, shapes, batch)
        observer = _Observer(
            inputs.config, began, throughput.peak_flops(time.perf_counter)
        )
        evaluate = _evaluation(inputs, mesh) if inputs.dev else None
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


def _evaluation(inputs: Inputs, mesh: Any) -> Callable[[Any], dict[str, float]]:
    """A function from a state to its English dev scores; `score` is the one to rank."""
    from xtl_tasks import catalog

    assert inputs.dev is not None
    family, _ = catalog.find(inputs.dev.task)
    if family.metric is None:
        return _text_evaluation(inputs, mesh)
    from xtl_jax.cli import devices
    from xtl_jax.cli.predict import processed
    from xtl_jax.data.features import Lengths
    from xtl_jax.infer.predict import predict
    from xtl_jax.metrics.metric import add

    metric = family.metric
    run, dev = inputs.config.run, inputs.dev

    def evaluate(state: Any) -> dict[str, float]:
        predictions = predict(
            *(inputs.config.model, state.params, dev.store),
            vocabulary=inputs.vocabulary,
            lengths=Lengths(**run.lengths),
            decode_length=run.decode_length or run.lengths["targets"],
            batch_size=run.predict_batch_size,
            first=run.eval_examples,
            put=devices.put_batch(mesh),
        )
        metas = map(dev.store.meta, range(len(predictions)))
        counts = (
            metric.counts(
                processed(family, prediction.text, meta),
                references=meta["references"],
                language="en",
            )
            for prediction, meta in zip(predictions, metas, strict=True)
        )
        values = metric.combine(add(counts))
        return {"score": values[metric.primary], **values}

    return evaluate


def _text_evaluation(inputs: Inputs, mesh: Any) -> Callable[[Any], dict[str, float]]:
    """Loss per token on held-out text, its holes drawn once and for all."""
    import jax

    from xtl_jax.cli import devices
    from xtl_jax.data.features import Lengths
    from xtl_jax.data.pipeline import Feed
    from xtl_jax.train.step import batch_loss

    run, dev = inputs.config.run, inputs.dev
    assert dev is not None
    feed = Feed(
        {dev.task: dev.store},
        rates={dev.task: 1.0},
        lengths=Lengths(**run.lengths),
        batch_size=run.batch_size,
        seed=0,  # the same text for every run that is compared
        pack=run.pack,
        shard=_shard(),
    )
    put = devices.put_batch(mesh)
    batches = max(1, run.eval_examples // run.batch_size)

    @jax.jit
    def sums(params: Any, batch: Any) -> Any:
        return batch_loss(
            *(inputs.config.model, params, batch),
            key=None,
            z_loss=0.0,
            label_smoothing=0.0,
        )

    def evaluate(state: Any) -> dict[str, float]:
        found = [
            sums(state.params, {k: put(v) for k, v in feed.batch(step).items()})
            for step in range(batches)
        ]
        tokens = sum(float(each.tokens) for each in found)
        loss = sum(float(each.loss) for each in found) / tokens
        hits = sum(float(each.correct) for each in found)
        return {
            "score": -loss,
            "loss": loss,
            "accuracy_percent": 100.0 * hits / tokens,
        }

    return evaluate


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


class _Observer(contextlib.AbstractContextManager):
    """Screen, `log.jsonl` and TensorBoard."""

    def __init__(self, config: Config, began: int, peak: float) -> None:
        run, model = config.run, config.model
        self.last: dict[str, float] = {}
        self._run = run
        self._flops = run.batch_size * model.train_flops(**run.lengths)
        self._peak = peak
        self._began = began

    def __enter__(self) -> _Observer:
        from xtl_jax.cli import run_files
        from xtl_jax.train import optimizer

        self._schedule = optimizer.schedule(self._run)
        self._log = run_files.Log(self._run.run_dir, step=self._began)
        self._board = _tensorboard(self._run.run_dir)
        self._display = bar()
        self._display.start()
        self._task = self._display.add_task(
            f"train {self._run.task}",
            total=self._run.steps,
            completed=self._began,
            note="compiling",
        )
        self._lines = Lines(total=self._run.steps, done=self._began)
        self._clock = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> Literal[False]:
        self._display.stop()
        self._log.close()
        if self._board is not None:
            self._board.close()
        return False

    def stepped(self, step: int) -> None:
        self._display.update(self._task, completed=step)

    def logged(self, step: int, values: Mapping[str, float]) -> None:
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        steps = values["steps"]
        line = {
            **values,
            "learning_rate": float(self._schedule(step - 1)),
            "tokens_per_second": values["real_tokens"] / seconds,
            "steps_per_second": steps / seconds,
            "mfu_percent": 100.0 * self._flops * steps / seconds / self._peak,
            "seconds": seconds,
        }
        self.last = {key: line[key] for key in ("loss", "accuracy_percent")}
        self._write(step, "train", line)
        note = (
            f"loss {line['loss']:.3f}  {line['tokens_per_second']:,.0f} tokens/s  "
            f"MFU {line['mfu_percent']:.1f}%"
        )
        self._display.update(self._task, note=note)
        self._lines.say(f"train {self._run.task}, {note}, step", done=step)

    def evaluated(self, step: int, values: Mapping[str, float]) -> None:
        self._write(
            step, "eval", {"task": self._run.dev_task or self._run.task, **values}
        )
        shown = ", ".join(f"{k} {v:.2f}" for k, v in values.items() if k != "score")
        tell(f"step {step}: English dev {shown}")
        self._clock = time.perf_counter()  # evaluating is no training time

    def saved(self, step: int) -> None:
        self._log.write(step, "event", {"event": "checkpoint"})

    def _write(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
        self._log.write(step, kind, values)
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{kind}/{name}", value, step)


def _tensorboard(run_dir: str) -> Any | None:
    """A writer of event files; where its package is not installed there are none."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        tell("no TensorBoard events: the package tensorboardX is not installed")
        return None
    return SummaryWriter(f"{run_dir}/tensorboard")
