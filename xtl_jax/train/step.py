"""One optimiser update, as a pure function of (state, batch).

Gradients are of the *summed* loss (T5X), divided by `loss_normalizing_factor` where one
is set. With microbatches the sums of the parts are added before that, so accumulation
computes what one large batch would, up to float32 rounding. Randomness is a key folded
by the step: a restarted run drops what the unbroken run would have dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from xtl_jax.model.loss import LossSums, loss_sums
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.model.t5 import T5
from xtl_jax.train.config import RunConfig
from xtl_jax.train.state import TrainState
from xtl_jax.typing import Array, Float, Int

Batch = dict[str, Array]


class StepOutput(NamedTuple):
    """What is logged of a step, still on the device."""

    sums: LossSums
    gradient_norm: Float[Array, ""]  # of the gradient that the optimiser saw
    first_bad: Int[Array, ""]  # first parameter with a non-finite gradient, or -1


def step_key(seed: int, step: Array) -> Array:
    """Key of one step: the same after a restart as without one."""
    return jax.random.fold_in(jax.random.key(seed), step)


def batch_loss(
    model: ModelConfig,
    params: Any,
    batch: Batch,
    *,
    key: Array | None,
    z_loss: float,
    label_smoothing: float,
) -> LossSums:
    """Loss sums of a batch; with a key there is dropout."""
    network = T5(model, "eval" if key is None else "train")
    variables = {"params": params}
    hidden: Any = network.apply(
        variables,
        batch,
        method="hidden",
        rngs=None if key is None else {"dropout": key},
    )

    def head(x: Array) -> Any:
        return network.apply(variables, x, method="head")

    return loss_sums(
        head,
        hidden,
        batch["decoder_target_tokens"],
        batch["decoder_loss_weights"].astype(jnp.float32),
        z_loss=z_loss,
        label_smoothing=label_smoothing,
        chunks=model.loss_chunks,
    )


def make_train_step(
    model: ModelConfig, run: RunConfig, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Batch], tuple[TrainState, StepOutput]]:
    """The step of a run; jit it with the shardings of its state."""

    def sums_and_gradient(params: Any, batch: Batch, key: Array) -> tuple[Any, Any]:
        def objective(params: Any) -> tuple[Array, LossSums]:
            sums = batch_loss(
                *(model, params, batch),
                key=key if model.dropout_rate > 0 else None,
                z_loss=run.z_loss,
                label_smoothing=run.label_smoothing,
            )
            return sums.loss, sums

        gradient, sums = jax.grad(objective, has_aux=True)(params)
        return gradient, sums

    def accumulated(params: Any, batch: Batch, key: Array) -> tuple[Any, Any]:
        if run.microbatches == 1:
            return sums_and_gradient(params, batch, key)
        parts = run.microbatches

        def split(x: Array) -> Array:
            # Every part takes rows from every shard, so nothing moves between devices.
            return jnp.moveaxis(
                x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 1, 0
            )

        def add(total: Any, part: tuple[Array, Batch]) -> tuple[Any, None]:
            index, rows = part
            new = sums_and_gradient(params, rows, jax.random.fold_in(key, index))
            return jax.tree.map(jnp.add, total, new), None

        zero = jax.tree.map(
            lambda x: jnp.zeros(x.shape, x.dtype),
            jax.eval_shape(sums_and_gradient, params, batch, key),
        )
        rows = {name: split(x) for name, x in batch.items()}
        return jax.lax.scan(add, zero, (jnp.arange(parts), rows))[0]

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, StepOutput]:
        key = step_key(run.seed, state.step)
        gradient, sums = accumulated(state.params, batch, key)
        factor = run.loss_normalizing_factor
        if factor == "tokens":
            scale = 1.0 / jnp.maximum(sums.tokens, 1.0)
            gradient = jax.tree.map(lambda g: g * scale, gradient)
        elif factor:
            gradient = jax.tree.map(lambda g: g / factor, gradient)
        squares = jax.tree.map(lambda g: jnp.sum(jnp.square(g)), gradient)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        output = StepOutput(
            sums=sums,
            gradient_norm=jnp.sqrt(sum(jax.tree.leaves(squares))),
            first_bad=_first_bad(jax.tree.leaves(squares)),
        )
        return TrainState(state.step + 1, params, opt_state), output

    return train_step


def _first_bad(squares: list[Array]) -> Array:
    bad = ~jnp.isfinite(jnp.stack(squares))
    return jnp.where(jnp.any(bad), jnp.argmax(bad).astype(jnp.int32), jnp.int32(-1))


def parameter_path(params: Any, number: int) -> str:
    """Path of the parameter that `StepOutput.first_bad` numbers."""
    path, _ = jax.tree_util.tree_leaves_with_path(params)[number]
    return "/".join(str(key.key) for key in path)
