"""Attention with T5's relative bias as TPU kernels that keep weights on the chip.

Everything that is as large as queries times keys lives in the chip's fast memory, for
128 queries at a time. Heads lie side by side in 128 lanes, as the projections leave
them: 2 heads of 64. The lanes of the other heads are zeroed in one operand of a
product; the matrix unit works on 128 lanes at a time in any case.

The bias of a pair depends on the distance `key - query` alone. It comes as a line, one
number for each distance, and is skewed: row i is moved i places to the right.

    line     d-2 d-1 d0 d1 d2      (distances from -queries on)
    row 0    d-2 d-1 d0 d1 d2
    row 1    d1? d-2 d-1 d0 d1

Then the biases of 128 queries from `start` on are the columns from `queries - start`
on. The gradient of the line is summed in that skewed form over all rows of the batch,
skewed back once, and added up over the 128 queries: what leaves the kernel is a number
for each head and distance. Softmax sees all keys of a query at once, so it is the plain
one, in float32.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from xtl_jax.model.flash import LANES, LONGEST
from xtl_jax.model.layers import MASKED
from xtl_jax.typing import Array, Float, Int


class Operands(NamedTuple):
    """What both kernels read; all but the last have a leading batch axis.

    Attributes:
        queries: [batch, queries, joined_kv], heads side by side.
        keys: [batch, length, joined_kv].
        values: as keys.
        query_segments: [batch, 1, queries]; a query sees keys of its own segment.
        key_segments: [batch, 1, length], padding -1.
        line: [blocks, heads in a block, queries + length], bias of each distance from
            -queries on, float32; None: no bias.
    """

    queries: Any
    keys: Any
    values: Any
    query_segments: Any
    key_segments: Any
    line: Any


@functools.partial(jax.custom_vjp, nondiff_argnums=(6, 7))
def attention(
    queries: Float[Array, "batch queries joined_kv"],
    keys: Float[Array, "batch length joined_kv"],
    values: Float[Array, "batch length joined_kv"],
    query_segments: Int[Array, "batch queries"],
    key_segments: Int[Array, "batch length"],
    line: Float[Array, "heads distances"] | None,
    head_dim: int,
    causal: bool,
) -> Float[Array, "batch queries joined_kv"]:
    """Mixed values of each query.

    Args:
        queries: projected, heads side by side; lengths are multiples of 128.
        keys: projected.
        values: projected; what dropout takes from the weights of a key for all queries
            is taken from its values.
        query_segments: a query sees keys of its own segment, and of segment 0 none.
        key_segments: of keys.
        line: bias of each distance `key - query` from -queries to length - 1.
        head_dim: width of a head; it divides 128.
        causal: whether later keys are hidden too.
    """
    given = _operands(
        *(queries, keys, values, query_segments, key_segments, line),
        head_dim=head_dim,
    )
    (found,) = _call(
        _forward, given, (), (queries,), head_dim=head_dim, causal=causal, products=2
    )
    return found


def _attention_forward(*arguments: Any) -> tuple[Array, tuple[Any, ...]]:
    return attention(*arguments), arguments[:6]


def _attention_backward(
    head_dim: int, causal: bool, kept: tuple[Any, ...], gradient: Array
) -> tuple[Any, ...]:
    given = _operands(*kept, head_dim=head_dim)
    results = (given.queries, given.keys, given.values, given.line)
    *found, line = _call(
        *(_backward, given, (gradient,), results),
        head_dim=head_dim,
        causal=causal,
        products=5,
    )
    return *found, None, None, None if line is None else line.reshape(kept[5].shape)


attention.defvjp(_attention_forward, _attention_backward)


def _operands(
    queries: Array,
    keys: Array,
    values: Array,
    query_segments: Array,
    key_segments: Array,
    line: Array | None,
    *,
    head_dim: int,
) -> Operands:
    if line is not None:
        line = line.reshape(-1, LANES // head_dim, line.shape[-1])
    key_segments = jnp.where(key_segments > 0, key_segments, -1)
    segments = (query_segments[:, None], key_segments[:, None])
    return Operands(queries, keys, values, *segments, line)


def _call(
    kernel: Any,
    given: Operands,
    gradients: tuple[Array, ...],
    results: tuple[Array | None, ...],
    *,
    head_dim: int,
    causal: bool,
    products: int,
) -> Any:
    """Run a kernel for each block of heads and, inside, each few rows of the batch.

    Args:
        kernel: what runs.
        given: its operands.
        gradients: further operands, like queries.
        results: arrays that have the shapes of what comes back.
        head_dim: width of a head.
        causal: whether later keys are hidden.
        products: matrix products for each pair of positions.
    """
    batch, length, joined = given.queries.shape
    keys = given.keys.shape[1]
    # A turn of the grid has a price of its own: short rows share one.
    rows = min(batch, LONGEST // max(length, keys))
    while batch % rows:
        rows -= 1

    def block(x: Array | None) -> pl.BlockSpec | None:
        if x is None:
            return None
        if x is given.line:
            return pl.BlockSpec((1, *x.shape[1:]), lambda head, _: (head, 0, 0))
        if x is given.query_segments or x is given.key_segments:
            return pl.BlockSpec((rows, *x.shape[1:]), lambda _, row: (row, 0, 0))
        return pl.BlockSpec((rows, x.shape[1], LANES), lambda head, row: (row, 0, head))

    skewed, wide = None, None
    if given.line is not None:
        skewed = pltpu.VMEM((LANES // head_dim, LANES, length + keys), jnp.float32)
    if gradients:
        wide = pltpu.VMEM((rows, keys, LANES), jnp.float32)
    arrays = [x for x in (*given, *gradients, *results) if x is not None]
    return pl.pallas_call(
        functools.partial(kernel, head_dim=head_dim, causal=causal),
        grid=(joined // LANES, batch // rows),
        in_specs=(Operands(*map(block, given)), *map(block, gradients)),
        out_specs=tuple(map(block, results)),
        out_shape=jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), results
        ),
        scratch_shapes=[skewed, skewed, wide, wide] if gradients else [skewed],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary")
        ),
        cost_estimate=pl.CostEstimate(
            flops=2 * products * batch * length * keys * joined,
            transcendentals=batch * length * keys * joined // head_dim,
            bytes_accessed=sum(x.size * x.dtype.itemsize for x in arrays),
        ),
        name=f"attention{kernel.__name__}",
    )(given, *gradients)


def _forward(given: Operands, out: Any, bias: Any, *, head_dim: int, causal: bool):
    """Mixed values."""
    _skew_line(given.line, bias)

    def attend(row: Array, start: Array) -> None:
        place = (row, pl.ds(start, LANES))
        queries = given.queries[place]
        mask = _mask(given, row, start, causal=causal)
        mixed = jnp.zeros(queries.shape, jnp.float32)
        for head, own in _heads(head_dim):
            weights = _weights(given, bias, row, start, head, _only(own, queries), mask)
            found = _product(weights.astype(queries.dtype), given.values[row], 1, 0)
            mixed = jnp.where(own, found, mixed)
        out[place] = mixed.astype(out.dtype)

    _for_queries(given, attend)


def _backward(
    given: Operands,
    of_out: Any,
    of_queries: Any,
    of_keys: Any,
    of_values: Any,
    of_line: Any,
    bias: Any,
    of_bias: Any,
    keys_sum: Any,
    values_sum: Any,
    *,
    head_dim: int,
    causal: bool,
):
    """Gradients of queries, keys, values and the line; weights are computed again."""
    _skew_line(given.line, bias)
    if of_bias is not None:

        @pl.when(pl.program_id(1) == 0)
        def _() -> None:
            of_bias[...] = jnp.zeros_like(of_bias)

    keys_sum[...] = jnp.zeros_like(keys_sum)
    values_sum[...] = jnp.zeros_like(values_sum)

    def attend(row: Array, start: Array) -> None:
        place = (row, pl.ds(start, LANES))
        queries, gradient = given.queries[place], of_out[place]
        mask = _mask(given, row, start, causal=causal)
        found = jnp.zeros(queries.shape, jnp.float32)
        for head, own in _heads(head_dim):
            asked, wanted = _only(own, queries), _only(own, gradient)
            weights = _weights(given, bias, row, start, head, asked, mask)
            of_weights = _product(wanted, given.values[row], 1, 1)
            values_sum[row] += _product(weights.astype(queries.dtype), wanted, 0, 0)
            of_logits = weights * of_weights
            of_logits -= weights * jnp.sum(of_logits, axis=-1, keepdims=True)
            if of_bias is not None:
                columns = _columns(given, start)
                of_bias[head, :, columns] += of_logits
            of_logits = of_logits.astype(queries.dtype)
            keys_sum[row] += _product(of_logits, asked, 0, 0)
            of_asked = _product(of_logits, given.keys[row], 1, 0)
            found = jnp.where(own, of_asked, found)
        of_queries[place] = found.astype(of_queries.dtype)

    _for_queries(given, attend)
    of_keys[...] = keys_sum[...].astype(of_keys.dtype)
    of_values[...] = values_sum[...].astype(of_values.dtype)
    if of_bias is not None:

        @pl.when(pl.program_id(1) == pl.num_programs(1) - 1)
        def _() -> None:
            for head in range(of_bias.shape[0]):
                back = _skew(of_bias[head], to="left")
                of_line[0, pl.ds(head, 1)] = jnp.sum(back, axis=0, keepdims=True)


def _for_queries(given: Operands, attend: Any) -> None:
    """`attend` for each row of the batch here and each 128 queries of it."""
    pieces = given.queries.shape[1] // LANES

    def turn(index: Array, _: None) -> None:
        start = pl.multiple_of(index % pieces * LANES, LANES)
        attend(index // pieces, start)

    jax.lax.fori_loop(0, given.queries.shape[0] * pieces, turn, None)


def _heads(head_dim: int) -> Any:
    """Number and lanes of each head of a block."""
    lanes = jax.lax.broadcasted_iota(jnp.int32, (1, LANES), 1)
    for head in range(LANES // head_dim):
        yield head, lanes // head_dim == head


def _only(own: Array, x: Array) -> Array:
    return jnp.where(own, x, jnp.zeros_like(x))


def _mask(given: Operands, row: Array, start: Array, *, causal: bool) -> Array:
    """[128, length] 0 where a query may look, a large negative number elsewhere."""
    shape = (LANES, given.keys.shape[1])
    line = given.query_segments[row, :, pl.ds(start, LANES)]
    queries = jnp.broadcast_to(line, (LANES, LANES)).T[:, :1]
    allowed = queries == given.key_segments[row]
    if causal:
        query = jax.lax.broadcasted_iota(jnp.int32, shape, 0) + start
        allowed &= jax.lax.broadcasted_iota(jnp.int32, shape, 1) <= query
    return jnp.where(allowed, 0.0, MASKED)


def _weights(
    given: Operands,
    bias: Any,
    row: Array,
    start: Array,
    head: int,
    queries: Array,
    mask: Array,
) -> Array:
    """[128, length] softmax over keys, float32."""
    logits = _product(queries, given.keys[row], 1, 1)
    if bias is not None:
        logits += bias[head, :, _columns(given, start)]
    logits += mask
    grown = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    return grown / jnp.sum(grown, axis=-1, keepdims=True)


def _columns(given: Operands, start: Array) -> Any:
    """Where the pairs of 128 queries from `start` on lie in the skewed form."""
    first = pl.multiple_of(given.queries.shape[1] - start, LANES)
    return pl.ds(first, given.keys.shape[1])


def _product(left: Array, right: Array, left_axis: int, right_axis: int) -> Array:
    """Sum over one axis of each, in float32."""
    axes = (((left_axis,), (right_axis,)), ((), ()))
    return jax.lax.dot_general(left, right, axes, preferred_element_type=jnp.float32)


def _skew_line(line: Any, bias: Any) -> None:
    """Once for each block of heads: its biases, in the skewed form."""
    if bias is None:
        return

    @pl.when(pl.program_id(1) == 0)
    def _() -> None:
        for head in range(bias.shape[0]):
            same = jnp.broadcast_to(line[0, pl.ds(head, 1)], bias.shape[1:])
            bias[head] = _skew(same, to="right")


def _skew(x: Array, *, to: str) -> Array:
    """Row i moved i places, around the end: by its bits, one turn of all for each."""
    rows = jax.lax.broadcasted_iota(jnp.int32, x.shape, 0)
    for bit in range(LANES.bit_length() - 1):
        places = 1 << bit if to == "right" else x.shape[1] - (1 << bit)
        x = jnp.where((rows >> bit) % 2 == 1, pltpu.roll(x, places, 1), x)
    return x
