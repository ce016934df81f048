"""What computes in a run: its inputs, its step and its dev evaluation, by family.

An mT5 learns texts from rows that several examples share; an encoder learns labels, and
each of its batches belongs to one head. All that differs between the two while training
is chosen here.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from xtl_jax.cli import train_dev, train_dev_labels, train_inputs, train_labels
from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import tell
from xtl_jax.cli.train_inputs import Inputs
from xtl_jax.report import doubts
from xtl_jax.train.config import MUTABLE

# What a run reads and when it looks up from its work; its update depends on the rest.
_NOT_OF_STEP = (MUTABLE - {"steps"}) | {"task", "dev_task"}
_STEPS_KEPT = 8  # compiled steps of a process, the newest ones
_steps: dict[Any, Any] = {}


def is_encoder(config: Config) -> bool:
    """Whether the model of a run is an encoder."""
    from xtl_jax.model.encoder_sizes import EncoderConfig

    return isinstance(config.model, EncoderConfig)


def find_inputs(config: Config) -> Inputs:
    """All that a run reads, found and checked; what speaks against it is told."""
    find = train_labels if is_encoder(config) else train_inputs
    found = find.find_inputs(config)
    for doubt in doubts.of_reading(found.reading):
        tell(doubt)
    return found


def shapes(config: Config) -> Any:
    """Shape and dtype of each leaf of the state, with nothing computed."""
    from xtl_jax.train import optimizer as optimizers
    from xtl_jax.train import state

    run = config.run
    return state.shapes(config.model, optimizers.build(run), lora=run.lora)


def step(config: Config, mesh: Any, shapes: Any) -> Any:
    """The step of a run on this mesh: see `train/program.py`.

    Runs of one process that differ in nothing that the step depends on have the same
    one, so that it is compiled once for many stages of a study.
    """
    from xtl_jax.train import program

    run, free = config.run, _NOT_OF_STEP
    if run.schedule != "linear" and not run.warmup_share:
        free |= {"steps"}
    if not (is_encoder(config) or config.model.dropout_rate or run.perturbed):
        free |= {"seed"}  # an mT5 that draws nothing
    decides = {
        field: value
        for field, value in dataclasses.asdict(run).items()
        if field not in free
    }
    key = (config.model, mesh, json.dumps(decides, sort_keys=True))
    if key not in _steps:
        while len(_steps) >= _STEPS_KEPT:
            del _steps[next(iter(_steps))]
        _steps[key] = program.step(config.model, config.run, mesh=mesh, shapes=shapes)
    return _steps[key]


def compiled(inputs: Inputs, mesh: Any, shapes: Any) -> list[Any]:
    """The step, compiled for the widest batch of each of its kinds."""
    from xtl_jax.model import lora as loras
    from xtl_jax.train import state

    config = inputs.config
    frozen = None
    if config.run.lora is not None:
        frozen = loras.frozen(state.params_shapes(config.model))
    run = step(config, mesh, shapes)
    return [run.lower(shapes, batch, frozen).compile() for batch in _widest(inputs)]


def _widest(inputs: Inputs) -> Iterator[Any]:
    """Shapes of global batches that no other of their kind exceeds."""
    import jax

    rows = inputs.config.run.batch_size
    if is_encoder(inputs.config):
        yield from train_labels.widest(inputs)
        return
    yield {
        name: jax.ShapeDtypeStruct((rows, *array.shape[1:]), array.dtype)
        for name, array in inputs.feed.batch(0).items()
    }


def batches(config: Config, fed: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """What a feed gives, as the step takes it, and the position after it."""
    if is_encoder(config):
        return train_labels.batches(fed)
    return ((item.batch, item.next_position._asdict()) for item in fed)


def real_tokens(config: Config) -> Callable[[Any], int]:
    """A function from a batch of this host to its tokens that are no padding."""
    if is_encoder(config):
        model: Any = config.model
        return lambda batch: int((batch.tokens != model.pad_id).sum())

    def texts(batch: Mapping[str, Any]) -> int:
        inputs = (batch["encoder_input_tokens"] > 0).sum()
        return int(inputs + (batch["decoder_target_tokens"] > 0).sum())

    return texts


def useful_flops(config: Config) -> float:
    """Of a step of the run."""
    from xtl_jax.train import throughput

    run = config.run
    return throughput.useful_flops(
        config.model,
        rows=run.batch_size,
        lengths=run.lengths,
        frozen=run.lora is not None,
    )


def evaluation(
    inputs: Inputs, mesh: Any, frozen: Any
) -> Callable[[Any], Mapping[str, float]]:
    """Dev scores of a state: of the whole model, where it holds factors of LoRA."""
    import jax

    from xtl_jax.model import lora as loras

    find = train_dev.evaluation
    if is_encoder(inputs.config):
        find = train_dev_labels.labelled_evaluation
    evaluate, lora = find(inputs, mesh), inputs.config.run.lora
    if lora is None:
        return evaluate
    merge = jax.jit(functools.partial(loras.merge, scale=lora.scale))
    return lambda state: evaluate(state._replace(params=merge(frozen, state.params)))
