"""How much memory a step takes on one chip, guessed from shapes alone.

The compiler knows it (`xtl plan`); this is for where there is no compiler, and to leave
out what needs no compiling to be seen not to fit. Bytes of one device, where `parts` is
fsdp times model, `rows` those of one microbatch on one device, `width` the bytes of
`ModelConfig.dtype`:

* parameters: 4 each over `parts`; gradients as much, twice where microbatches add them
  up, and none of what LoRA keeps frozen; AdamW's moments twice as much, Adafactor's
  next to nothing;
* a layer's parameters in `width`, gathered over fsdp, of this layer and of the next,
  and one gradient;
* what is kept for the backward pass, of every token and layer: with remat "full" the
  residual stream, with "minimal" the results of its matrix products too, with "none"
  those twice, and attention weights unless they are computed in pieces, or on the chip
  by a kernel (`model/flash.py`), which stores none;
* the larger of two moments: one layer backwards (six residual streams of all positions,
  four times its wide arrays, attention weights and their gradients) or the logits of
  one piece of the target length in float32 with the tables in `width`.

Against the compiler's figures for the packaged meshes it errs by some 15 %, more often
above than below (`tests/hardware/test_memory.py`).
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from xtl_jax.hardware.programs import OPTIONS, Job, decode_length, ranks, with_head
from xtl_jax.model import flash
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.network import AnyConfig
from xtl_jax.model.pieces import query_pieces
from xtl_jax.model.sizes import ModelConfig

_FLOAT32 = 4
_ADAMW_MOMENTS = 2
_STREAMS = 6  # residual streams that live while a layer goes backwards
_WIDE = 4  # copies of what is as wide as heads or feed-forward
# Attention weights: float32 logits, the weights, and the gradients of both.
_WEIGHTS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guess:
    """Bytes of one device.

    Attributes:
        parameters: of the model.
        gradients: of what is trained, and their sum over microbatches.
        moments: of the optimiser.
        kept: for the backward pass, or the caches of decoding.
        working: the most that one layer or the head takes beside it.
    """

    parameters: float
    gradients: float
    moments: float
    kept: float
    working: float

    @property
    def total(self) -> float:
        """All at once: the peak."""
        return sum(dataclasses.astuple(self))


class _Stack(NamedTuple):
    """Layers of one kind, and the tokens that pass through them."""

    layers: int
    attentions: int  # of each layer
    length: int
    keys: int  # positions that a query sees
    wide: int  # feed-forward matrices that lead into its width


def guess(job: Job) -> Guess:
    """Memory of a job on each device of its mesh, whose sizes must all be set."""
    return _training(job) if job.program == "train" else _predicting(job)


def _training(job: Job) -> Guess:
    model, run, mesh = with_head(job.model), job.run, job.mesh
    parts, copies = _parts(job)
    rows = run.batch_size / (copies * run.microbatches)
    parameters = _FLOAT32 * model.parameters / parts
    trained = 0.0 if run.lora is not None else parameters
    stacks = _stacks(
        model, inputs=run.lengths["inputs"], targets=run.lengths["targets"]
    )
    kept = sum(
        rows * stack.layers * _kept_of_layer(model, stack, axis=mesh.model)
        for stack in stacks
    )
    working = max(
        *(_backwards(model, stack, rows=rows, axis=mesh.model) for stack in stacks),
        _head(
            model,
            tokens=rows * run.lengths["targets"] / _chunks(model),
            axis=mesh.model,
            parts=parts,
        ),
    )
    return Guess(
        parameters=parameters,
        gradients=trained * (2 if run.microbatches > 1 else 1),
        moments=trained * _ADAMW_MOMENTS if run.optimizer == "adamw" else 0.0,
        kept=kept,
        working=working,
    )


def _predicting(job: Job) -> Guess:
    model, run, mesh = with_head(job.model), job.run, job.mesh
    parts, copies = _parts(job)
    rows, width = run.predict_batch_size / copies, _width(model)
    inputs, targets = run.lengths["inputs"], decode_length(run)
    stacks = _stacks(model, inputs=inputs, targets=targets)
    kept = rows * inputs * model.embed * width
    tokens = rows * targets
    if isinstance(model, ModelConfig) and not ranks(job):
        # Keys and values of what was written, by beam, and of the input.
        positions = run.beams * targets + inputs
        each = 2 * model.decoder_layers * model.joined_kv / mesh.model
        kept += rows * positions * each * width
        tokens = rows * run.beams  # one position at a time
        stacks = stacks[:1]
    elif ranks(job):
        tokens = rows * min(targets, 8) * OPTIONS
    working = max(
        *(_forwards(model, each, rows=rows, axis=mesh.model) for each in stacks),
        _head(model, tokens=tokens, axis=mesh.model, parts=parts),
    )
    return Guess(
        parameters=_FLOAT32 * model.parameters / parts,
        gradients=0.0,
        moments=0.0,
        # All parameters in `width`: nothing is changed, so they are made once.
        kept=kept + (width * model.parameters / parts if width < _FLOAT32 else 0.0),
        working=working,
    )


def _parts(job: Job) -> tuple[int, int]:
    """Parts of a parameter, and parts of the batch."""
    mesh = job.mesh
    return mesh.fsdp * mesh.model, mesh.slices * mesh.data * mesh.fsdp


def _width(model: AnyConfig) -> int:
    return 2 if model.dtype == "bfloat16" else _FLOAT32


def _chunks(model: AnyConfig) -> int:
    return model.loss_chunks if isinstance(model, ModelConfig) else 1


def _stacks(model: AnyConfig, *, inputs: int, targets: int) -> list[_Stack]:
    if isinstance(model, EncoderConfig):
        return [_Stack(model.layers, 1, inputs, inputs, 1)]
    return [
        _Stack(model.encoder_layers, 1, inputs, inputs, 2),
        _Stack(model.decoder_layers, 2, targets, max(inputs, targets), 2),
    ]


def _kept_of_layer(model: AnyConfig, stack: _Stack, *, axis: int) -> float:
    """Of one layer and row, for the backward pass; all of it is split over `axis`."""
    numbers = stack.length * model.embed
    if model.remat != "full":
        joined = model.joined_kv
        products = stack.attentions * (2 * joined + model.embed)  # query, value, out
        products += joined + stack.wide * model.mlp + model.embed
        numbers += products * stack.length * (2 if model.remat == "none" else 1)
        if stack.attentions > 1:  # keys and values of the input
            numbers += 2 * joined * (stack.keys - stack.length)
    kept = numbers * _width(model)
    if model.remat == "none" and _pieces(model, stack.length) == 1:
        weights = _weights(model, stack, axis=axis)
        kept += (_FLOAT32 + _width(model)) * stack.attentions * weights
    return kept / axis


def _backwards(model: AnyConfig, stack: _Stack, *, rows: float, axis: int) -> float:
    """While one layer goes backwards."""
    weights = _WEIGHTS * rows * _weights(model, stack, axis=axis) / axis
    return (
        3 * _layer(model, stack, axis=axis)
        + weights
        + _states(model, stack, rows=rows, axis=axis)
    )


def _forwards(model: AnyConfig, stack: _Stack, *, rows: float, axis: int) -> float:
    """While one layer goes forwards: half as much."""
    weights = _WEIGHTS / 2 * rows * _weights(model, stack, axis=axis) / axis
    states = _states(model, stack, rows=rows, axis=axis) / 2
    return 2 * _layer(model, stack, axis=axis) + weights + states


def _states(model: AnyConfig, stack: _Stack, *, rows: float, axis: int) -> float:
    wide = max(model.mlp, 2 * model.joined_kv) / axis
    numbers = stack.length * (_STREAMS * model.embed + _WIDE * wide)
    return rows * numbers * _width(model)


def _layer(model: AnyConfig, stack: _Stack, *, axis: int) -> float:
    """Parameters of one layer, gathered."""
    attention = 4 * model.embed * model.joined_kv * stack.attentions
    mlp = (stack.wide + 1) * model.embed * model.mlp
    return _width(model) * (attention + mlp) / axis


def _weights(model: AnyConfig, stack: _Stack, *, axis: int) -> float:
    """Attention weights of one row that exist at one time, of all heads."""
    if isinstance(model, ModelConfig) and flash.takes(
        model, queries=stack.length, keys=stack.keys, parts=axis
    ):
        return 0.0
    queries = stack.length / _pieces(model, stack.length)
    return model.heads * queries * stack.keys


def _pieces(model: AnyConfig, length: int) -> int:
    most = model.attention_queries if isinstance(model, ModelConfig) else 0
    return query_pieces(length, most=most)


def _head(model: AnyConfig, *, tokens: float, axis: int, parts: int) -> float:
    """While the head computes the logits of some tokens of a device."""
    tables = 2 * _width(model) * model.vocab * model.embed / parts
    if isinstance(model, EncoderConfig) and not any(
        head.kind == "masked_lm" for head in model.task_heads
    ):
        return 0.0
    return tables + _FLOAT32 * tokens * model.vocab / axis
