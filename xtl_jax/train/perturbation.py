"""Gradients of a loss whose inputs are moved a little, at random or for the worse.

What is moved are the vectors of the input tokens, before positions are added (encoders)
or the first layer (mT5). With d the addition, L the summed loss of a batch:

    gaussian   d ~ N(0, radius^2) in each number
    uniform    d uniform in the ball of the radius
    pgd        d <- project(d + step_size * direction(dL/dd)), `steps` times; then the
               gradient of the parameters at the last d alone
    freelb     the same steps; the gradient is the mean of those at d_0 ... d_{steps-1},
               which come with the gradients that ascent needs

The direction of `l2` is the gradient over its length, of `linf` its sign. Lengths are
those of each token's addition or of an example's (`over`), where an example of a packed
row is a segment of it, and an option of a choice is one of its own. Padding is never
moved. All passes of a step drop the same (FreeLB's rule).

Radii and steps are shares, as those of `pgd` at prediction (`infer/moved.py`): they
count in the mean length of the vectors of the example's text, marks around it left out;
`linf` and `gaussian`, which speak of single numbers, in that length over the square
root of the numbers. So a radius means the same for every model and in both places, and
noise of 0.5 is half as long as what it is added to. An absolute radius of a paper is
divided by that length to have its share.

Sources: Madry et al. 2018 (PGD), Zhu et al. 2020 (FreeLB), Huang et al. 2021
(2104.08645: adversarial training and random noise, for zero-shot transfer). FreeLB as
published projects each example and begins at a random place; here both are settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from xtl_jax.model.loss import LossSums
from xtl_jax.train.settings import Perturbation
from xtl_jax.typing import Array, Float, Int

# Loss and what is logged, of parameters and an addition.
Summed = Callable[[Any, Array], tuple[Array, LossSums]]

_TINY = 1e-12  # a gradient of 0 has no direction, and gives none
_KEY = 0x70657274  # "pert": keeps this key apart from that of dropout


class Inputs(NamedTuple):
    """What a perturbation has to know of the tokens that it moves."""

    segments: Int[Array, "*rows length"]  # the example it belongs to; 0 is padding
    lengths: Float[Array, "*rows length"]  # of its vector; 0 where it is no text


def inputs_of(
    table: Float[Array, "vocab embed"],
    tokens: Int[Array, "*rows length"],
    *,
    segments: Int[Array, "*rows length"],
    last_mark: int,
) -> Inputs:
    """Inputs of a batch; ids up to `last_mark` are no text."""
    # Where the table lies in columns, each device squares its own: lengths alone are
    # added up between them, and no vector moves (`look_up` would trade all of them).
    vectors = jnp.take(table, tokens, axis=0).astype(jnp.float32)
    lengths = jnp.sqrt(jnp.sum(jnp.square(vectors), axis=-1))
    return Inputs(segments, jnp.where(tokens > last_mark, lengths, 0.0))


def gradient(
    summed: Summed,
    params: Any,
    *,
    how: Perturbation,
    inputs: Inputs,
    width: int,
    key: Array,
) -> tuple[Any, LossSums]:
    """Gradient of the parameters and sums of the loss, both under perturbation.

    Args:
        summed: loss of parameters and an addition [*rows, length, width], float32.
        params: where the gradient is taken.
        how: the perturbation.
        inputs: of the batch.
        width: of a vector.
        key: of the step.
    """
    key = jax.random.fold_in(key, _KEY)
    segments = inputs.segments
    real = segments > 0
    shape = (*segments.shape, width)
    unit = jnp.broadcast_to(unit_of(inputs, how=how, width=width)[..., None], shape)

    # From here on an addition is in shares. The unit is one number for each example,
    # so directions are those of the vectors.
    def of_shares(params: Any, addition: Array) -> tuple[Array, LossSums]:
        return summed(params, addition * unit)

    of_params = jax.grad(of_shares, has_aux=True)
    if not how.ascends:
        addition = noise(key, how=how, segments=segments, width=width)
        return of_params(params, addition)
    addition = jnp.zeros(shape, jnp.float32)
    if how.start:
        addition = in_ball(
            key, radius=how.start, how=how, segments=segments, width=width
        )

    def moved(addition: Array, slope: Array) -> Array:
        slope = jnp.where(real[..., None], slope, 0.0)
        addition = addition + how.step_size * direction(
            slope, how=how, segments=segments
        )
        return project(addition, how=how, segments=segments)

    if how.method == "pgd":

        def ascend(addition: Array, _: None) -> tuple[Array, None]:
            slope, _sums = jax.grad(of_shares, 1, has_aux=True)(params, addition)
            return moved(addition, slope), None

        addition, _ = jax.lax.scan(ascend, addition, None, length=how.steps)
        return of_params(params, addition)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        addition, total = carry
        (own, slope), sums = jax.grad(of_shares, (0, 1), has_aux=True)(params, addition)
        total = jax.tree.map(jnp.add, total, (own, sums))
        return (moved(addition, slope), total), None

    zero = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
        jax.eval_shape(of_params, params, addition),
    )
    (_, total), _ = jax.lax.scan(step, (addition, zero), None, length=how.steps)
    return jax.tree.map(lambda leaf: leaf / how.steps, total)


def unit_of(
    inputs: Inputs, *, how: Perturbation, width: int
) -> Float[Array, "*rows length"]:
    """The length that shares count in, at each token of an example the same.

    Example:
        >>> inputs = Inputs(jnp.asarray([[1, 1, 2]]), jnp.asarray([[2.0, 4.0, 5.0]]))
        >>> unit_of(inputs, how=Perturbation(method="pgd", radius=0.1), width=4)
        Array([[3., 3., 5.]], dtype=float32)
    """
    text = (inputs.lengths > 0).astype(jnp.float32)
    total, count = (
        _over_example(values, inputs.segments) for values in (inputs.lengths, text)
    )
    mean = total / jnp.maximum(count, 1.0)
    if how.norm == "linf" or how.method == "gaussian":
        return mean / math.sqrt(width)
    return mean


def noise(
    key: Array,
    *,
    how: Perturbation,
    segments: Int[Array, "*rows length"],
    width: int,
) -> Float[Array, "*rows length width"]:
    """A random addition to what is no padding, in shares."""
    if how.method == "gaussian":
        drawn = jax.random.normal(key, (*segments.shape, width), jnp.float32)
        return how.radius * jnp.where(segments[..., None] > 0, drawn, 0.0)
    return in_ball(key, radius=how.radius, how=how, segments=segments, width=width)


def in_ball(
    key: Array,
    *,
    radius: float,
    how: Perturbation,
    segments: Int[Array, "*rows length"],
    width: int,
) -> Float[Array, "*rows length width"]:
    """Uniform in the ball of a radius around 0; 0 at padding."""
    shape = (*segments.shape, width)
    real = segments[..., None] > 0
    if how.norm == "linf":
        drawn = jax.random.uniform(key, shape, jnp.float32, -1.0, 1.0)
        return radius * jnp.where(real, drawn, 0.0)
    towards, far = jax.random.split(key)
    drawn = jnp.where(real, jax.random.normal(towards, shape, jnp.float32), 0.0)
    numbers = jnp.full(segments.shape, float(width), jnp.float32)
    share = jax.random.uniform(far, segments.shape, jnp.float32)
    if how.over == "example":
        numbers = _over_example(numbers, segments)
        share = _first_of_example(share, segments)
    # The volume within a share r of the radius is r to the number of dimensions.
    lengths = radius * share ** (1.0 / jnp.maximum(numbers, 1.0))
    return drawn * (lengths / _norm(drawn, how=how, segments=segments))[..., None]


def direction(
    slope: Float[Array, "*rows length width"],
    *,
    how: Perturbation,
    segments: Int[Array, "*rows length"],
) -> Float[Array, "*rows length width"]:
    """The steepest direction of ascent, of length 1 in the norm."""
    if how.norm == "linf":
        return jnp.sign(slope)
    return slope / _norm(slope, how=how, segments=segments)[..., None]


def project(
    addition: Float[Array, "*rows length width"],
    *,
    how: Perturbation,
    segments: Int[Array, "*rows length"],
) -> Float[Array, "*rows length width"]:
    """The nearest addition within the radius."""
    if how.norm == "linf":
        return jnp.clip(addition, -how.radius, how.radius)
    length = _norm(addition, how=how, segments=segments)
    return addition * jnp.minimum(1.0, how.radius / length)[..., None]


def _norm(x: Array, *, how: Perturbation, segments: Array) -> Array:
    """Euclidean length of each token's vector, or of its example's; never 0."""
    squares = jnp.sum(jnp.square(x), axis=-1)
    if how.over == "example":
        squares = _over_example(squares, segments)
    return jnp.sqrt(jnp.maximum(squares, _TINY**2))


def _over_example(values: Array, segments: Array) -> Array:
    """At each token the sum of the values of its example."""
    same = (segments[..., :, None] == segments[..., None, :]).astype(jnp.float32)
    return jnp.einsum("...ij,...j->...i", same, values)


def _first_of_example(values: Array, segments: Array) -> Array:
    """At each token the value of the first token of its example."""
    same = segments[..., :, None] == segments[..., None, :]
    return jnp.take_along_axis(values, jnp.argmax(same, axis=-1), axis=-1)
