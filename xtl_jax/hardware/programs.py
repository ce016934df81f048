"""The programs that are planned: the real train step and the real predict step.

They are what `xtl train` and `xtl predict` compile, on a mesh of devices that need not
exist: shapes stand in for arrays, and nothing is computed. Predicting is decoding, or
with `RunConfig.classify = "rank"` the likelihood of some given texts of each row.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh

from xtl_jax.data.features import MODEL_FEATURES, PACKED_FEATURES
from xtl_jax.errors import UserError
from xtl_jax.infer import encoder, rank
from xtl_jax.infer import model as models
from xtl_jax.model import lora as loras
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.network import AnyConfig
from xtl_jax.train import labels, program, sharding, state, throughput
from xtl_jax.train import optimizer as optimizers
from xtl_jax.train.config import MeshConfig, RunConfig

Program = Literal["train", "predict"]

# The head of an encoder whose config has none: three classes, as of XNLI.
_PLANNED_HEAD = Head(name="planned", kind="classification", labels=("0", "1", "2"))
# Texts that an input's answer is chosen from, where answers are ranked: as many.
OPTIONS = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What is compiled, and for which chips.

    Attributes:
        program: "train" is one optimiser update, "predict" the answers of one batch.
        model: shape.
        run: what decides the step: optimiser, batch, lengths, microbatches.
        mesh: how the chips are laid out.
        topology: the slice, such as "v4:4x4x4".
    """

    program: Program
    model: AnyConfig
    run: RunConfig
    mesh: MeshConfig
    topology: str


class Lowered:
    """A program before the compiler has seen it.

    Attributes:
        lowered: of `jax.jit(…).lower(…)`.
        parameter_bytes: on one device.
        optimizer_bytes: on one device.
    """

    def __init__(self, lowered: Any, *, parameter_bytes: int, optimizer_bytes: int):
        self.lowered = lowered
        self.parameter_bytes = parameter_bytes
        self.optimizer_bytes = optimizer_bytes


def lower(job: Job, mesh: Mesh) -> Lowered:
    """The program of a job on a mesh.

    Raises:
        UserError: batch or model do not divide over the mesh.
    """
    make = _train if job.program == "train" else _predict
    with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
        return make(job, mesh)


def with_head(model: AnyConfig) -> AnyConfig:
    """An encoder without a head gets one, so that there is something to train."""
    if isinstance(model, EncoderConfig) and not model.task_heads:
        return model.with_heads((_PLANNED_HEAD,))
    return model


def useful_flops(job: Job) -> float:
    """FLOPs of one step that no way of computing it could do without.

    Training: `ModelConfig.train_flops`. Predicting: a third of it, as nothing goes
    backwards, at the full `decode_length`. Where answers are ranked, each input is read
    once and each of its options has a pass of the decoder.
    """
    model, run = with_head(job.model), job.run
    if job.program == "train":
        return throughput.useful_flops(
            model,
            rows=run.batch_size,
            lengths=run.lengths,
            frozen=run.lora is not None,
        )

    def forwards(targets: int) -> float:
        lengths = {"inputs": run.lengths["inputs"], "targets": targets}
        rows = run.predict_batch_size
        found = throughput.useful_flops(model, rows=rows, lengths=lengths, frozen=False)
        return found / 3

    once = forwards(decode_length(run))
    return once + (once - forwards(0)) * (OPTIONS - 1) if ranks(job) else once


def tokens(job: Job) -> int:
    """Tokens of one step at the full length of its rows, inputs and targets."""
    run = job.run
    encoder = isinstance(job.model, EncoderConfig)
    if job.program == "train":
        targets = 0 if encoder else run.lengths["targets"]
        return run.batch_size * (run.lengths["inputs"] + targets)
    targets = 0 if encoder else decode_length(run) * (OPTIONS if ranks(job) else 1)
    return run.predict_batch_size * (run.lengths["inputs"] + targets)


def decode_length(run: RunConfig) -> int:
    """Ids that a prediction, or an option that is ranked, has at most."""
    return run.decode_length or run.lengths["targets"]


def ranks(job: Job) -> bool:
    """Whether answers are given texts that are ranked by their likelihood."""
    mt5 = not isinstance(job.model, EncoderConfig)
    return job.program == "predict" and mt5 and job.run.classify == "rank"


def _train(job: Job, mesh: Mesh) -> Lowered:
    model, run = with_head(job.model), job.run
    sharding.check(
        mesh, model, batch_size=run.batch_size, microbatches=run.microbatches
    )
    of_state = state.shapes(model, optimizers.build(run), lora=run.lora)
    places = state.shardings(mesh, model, of_state)
    frozen = frozen_places = None
    if run.lora is not None:
        frozen = loras.frozen(state.params_shapes(model))
        frozen_places = loras.frozen(sharding.params_sharding(mesh, model))
    step = program.step(model, run, mesh=mesh, shapes=of_state)
    trained = _bytes_on_device(of_state.params, places.params)
    return Lowered(
        step.lower(of_state, _batch(model, run), frozen),
        parameter_bytes=trained + _bytes_on_device(frozen, frozen_places),
        optimizer_bytes=_bytes_on_device(of_state.opt_state, places.opt_state),
    )


def _batch(model: AnyConfig, run: RunConfig) -> Any:
    """Shapes of the widest batch that the step of a run meets."""
    rows, length = run.batch_size, run.lengths["inputs"]
    if not isinstance(model, EncoderConfig):
        return {
            name: _ids(rows, length if "encoder" in name else run.lengths["targets"])
            for name in (PACKED_FEATURES if run.pack else MODEL_FEATURES)
        }
    head = max(
        model.task_heads,
        key=lambda head: model.train_flops(length=length, head=head.name),
    )
    choices = (4,) if head.kind == "choice" else ()
    answers = {
        "span": (2,),
        "tagging": (length,),
        "masked_lm": (length,),
    }.get(head.kind, ())
    return labels.LabelBatch(
        tokens=_ids(rows, *choices, length), labels=_ids(rows, *answers), head=head.name
    )


def _predict(job: Job, mesh: Mesh) -> Lowered:
    model, run = with_head(job.model), job.run
    rows = run.predict_batch_size
    sharding.check_rows(mesh, rows, name="RunConfig.predict_batch_size")
    refused = sharding.misfits(
        model, fsdp=mesh.shape["fsdp"], model_axis=mesh.shape["model"]
    )
    if refused:
        raise UserError(refused)
    params = state.params_shapes(model)
    places = sharding.params_sharding(mesh, model)
    placed = sharding.batch_sharding(mesh)
    given: tuple[Any, ...] = (_ids(rows, run.lengths["inputs"]),)
    if ranks(job):
        length = rank.padded(decode_length(run))
        given = (*given, _ids(rows, OPTIONS, length))
        chunk = rank.positions_at_once(length, rows=rows, vocab=model.vocab)
        answer = functools.partial(rank.log_probabilities, model, chunk=chunk)
    else:
        answer = _answer(model, run)
    step = jax.jit(answer, in_shardings=(places, *(placed for _ in given)))
    return Lowered(
        step.lower(params, *given),
        parameter_bytes=_bytes_on_device(params, places),
        optimizer_bytes=0,
    )


def _answer(model: AnyConfig, run: RunConfig) -> Callable[[Any, Any], Any]:
    """What becomes of parameters and ids: a head's logits, or texts."""
    if isinstance(model, EncoderConfig):
        head = model.task_heads[0].name

        def logits(params: Any, tokens: Any) -> Any:
            mask = (tokens != model.pad_id).astype(jnp.int32)
            return encoder.head_logits(model, params, tokens, mask, None, head)

        return logits
    method = models.method(
        beams=run.beams,
        length_penalty=run.length_penalty,
        rule=run.beam_rule,
        temperature=run.temperature,
        top_k=run.top_k,
        top_p=run.top_p,
    )
    return functools.partial(
        models.generate,
        model,
        max_length=decode_length(run),
        vocabulary_size=model.vocab,
        method=method,
    )


def _ids(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.int32)


def _bytes_on_device(shapes: Any, places: Any) -> int:
    """Of a tree, the part that one device holds."""
    found = 0
    for leaf, place in zip(
        jax.tree.leaves(shapes), jax.tree.leaves(places), strict=True
    ):
        found += math.prod(place.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    return found
