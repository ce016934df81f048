"""GELU against JAX's own, and against finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from xtl_jax.model.gelu import gelu

_POINTS = jnp.concatenate([jnp.linspace(-12.0, 12.0, 4001), jnp.zeros(1)])


def _jax(x: jax.Array) -> jax.Array:
    return jax.nn.gelu(x, approximate=False)


def test_values_are_those_of_jax() -> None:
    np.testing.assert_allclose(gelu(_POINTS), _jax(_POINTS), rtol=2e-6, atol=2e-6)


def test_gradients_are_those_of_jax() -> None:
    ours = jax.vmap(jax.grad(gelu))(_POINTS)
    theirs = jax.vmap(jax.grad(_jax))(_POINTS)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


def test_gradient_agrees_with_finite_differences() -> None:
    check_grads(gelu, (jnp.asarray([-2.0, -0.3, 0.0, 1.7]),), order=1, modes=["rev"])


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_gives_the_dtype_that_it_took(dtype: str) -> None:
    x = jnp.asarray([0.5, -0.5], dtype)
    value, pull = jax.vjp(gelu, x)
    assert value.dtype == x.dtype
    assert pull(value)[0].dtype == x.dtype


def test_keeps_only_its_input() -> None:
    _, pull = jax.vjp(gelu, _POINTS)
    kept = [leaf for leaf in jax.tree.leaves(pull) if leaf.size == _POINTS.size]
    assert len(kept) == 1
