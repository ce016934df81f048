"""One optimiser update, as a pure function of (state, batch).

Gradients are of the *summed* loss (T5X), divided by `loss_normalizing_factor` where one
is set. With microbatches the sums of the parts are added before that, so accumulation
computes what one large batch would, up to float32 rounding. Randomness is a key folded
by the step: a restarted run drops what the unbroken run would have dropped.

Where the run perturbs its inputs, `train/perturbation.py` makes the gradient.

With LoRA the state holds what is trained, and the rest of the model is a third argument
(`model/lora.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from xtl_jax.model import decoding
from xtl_jax.model import lora as loras
from xtl_jax.model.loss import LossSums, loss_sums
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.model.t5 import T5
from xtl_jax.train import perturbation
from xtl_jax.train.config import RunConfig
from xtl_jax.train.perturbation import Inputs
from xtl_jax.train.state import TrainState
from xtl_jax.typing import Array, Float, Int

Batch = Any  # a pytree of arrays whose first axis is that of rows
Kept = Callable[[tuple[str, ...], Batch], bool]


class Objective(Protocol):
    """Loss sums of parameters, a batch and a key."""

    def __call__(
        self, params: Any, batch: Batch, key: Array, addition: Array | None = None
    ) -> LossSums:
        """`addition` is added to the vectors of the input tokens."""
        ...


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
    addition: Array | None = None,
) -> LossSums:
    """Loss sums of a batch; with a key there is dropout.

    `addition` is added to the vectors of the encoder's tokens.
    """
    network = T5(model, "eval" if key is None else "train")
    variables = {"params": params}
    hidden: Any = network.apply(
        variables,
        batch,
        addition,
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


def inputs_of(params: Any, batch: dict[str, Array]) -> Inputs:
    """What a perturbation has to know of a batch of mT5's."""
    tokens = batch["encoder_input_tokens"]
    alone = (tokens > 0).astype(jnp.int32)
    return perturbation.inputs_of(
        params["token_embedder"]["embedding"],
        tokens,
        segments=batch.get("encoder_segment_ids", alone),
        last_mark=decoding.EOS,
    )


def make_train_step(
    model: Any,
    run: RunConfig,
    optimizer: optax.GradientTransformation,
    *,
    objective: Objective | None = None,
    inputs: Callable[[Any, Batch], Inputs] = inputs_of,
    kept: Kept = lambda keys, batch: False,
) -> Callable[..., tuple[TrainState, StepOutput]]:
    """The step of a run; jit it with the shardings of its state.

    Its arguments are the state, a batch and, with LoRA, what is frozen of the model.

    Args:
        model: shape.
        run: what decides the loss.
        optimizer: of the run.
        objective: loss sums of parameters, a batch and a key; mT5's by default.
        inputs: of parameters and a batch, what a perturbation has to know.
        kept: whether a batch leaves a leaf of the state, told by its keys, as it is.
    """

    def text_to_text(
        params: Any, batch: Batch, key: Array, addition: Array | None = None
    ) -> LossSums:
        return batch_loss(
            *(model, params, batch),
            key=key if model.dropout_rate > 0 else None,
            z_loss=run.z_loss,
            label_smoothing=run.label_smoothing,
            addition=addition,
        )

    loss_of: Objective = objective or text_to_text
    how = run.perturbed

    def sums_and_gradient(
        params: Any, batch: Batch, key: Array, frozen: Any
    ) -> tuple[Any, Any]:
        def whole(params: Any) -> Any:
            if run.lora is None:
                return params
            return loras.merge(frozen, params, scale=run.lora.scale)

        def summed(
            params: Any, addition: Array | None = None
        ) -> tuple[Array, LossSums]:
            sums = loss_of(whole(params), batch, key, addition)
            return sums.loss, sums

        if how is None:
            return jax.grad(summed, has_aux=True)(params)
        return perturbation.gradient(
            summed,
            params,
            how=how,
            inputs=inputs(whole(params), batch),
            width=model.embed,
            key=key,
        )

    def accumulated(
        params: Any, batch: Batch, key: Array, frozen: Any
    ) -> tuple[Any, Any]:
        if run.microbatches == 1:
            return sums_and_gradient(params, batch, key, frozen)
        parts = run.microbatches

        def split(x: Array) -> Array:
            # Every part takes rows from every shard, so nothing moves between devices.
            return jnp.moveaxis(
                x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 1, 0
            )

        def add(total: Any, part: tuple[Array, Batch]) -> tuple[Any, None]:
            index, rows = part
            own = jax.random.fold_in(key, index)
            new = sums_and_gradient(params, rows, own, frozen)
            return jax.tree.map(jnp.add, total, new), None

        zero = jax.tree.map(
            lambda x: jnp.zeros(x.shape, x.dtype),
            jax.eval_shape(sums_and_gradient, params, batch, key, frozen),
        )
        rows = jax.tree.map(split, batch)
        return jax.lax.scan(add, zero, (jnp.arange(parts), rows))[0]

    def train_step(
        state: TrainState, batch: Batch, frozen: Any = None
    ) -> tuple[TrainState, StepOutput]:
        key = step_key(run.seed, state.step)
        gradient, sums = accumulated(state.params, batch, key, frozen)
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
        new = TrainState(state.step + 1, params, opt_state)
        return _with_kept(state, new, lambda keys: kept(keys, batch)), output

    return train_step


def _with_kept(
    old: TrainState, new: TrainState, kept: Callable[[tuple[str, ...]], bool]
) -> TrainState:
    """The new state, and the old one's leaves where `kept` says so."""

    def choose(path: tuple[Any, ...], before: Array, after: Array) -> Array:
        keys = tuple(str(key.key) for key in path if hasattr(key, "key"))
        return before if kept(keys) else after

    return jax.tree_util.tree_map_with_path(choose, old, new)


def _first_bad(squares: list[Array]) -> Array:
    bad = ~jnp.isfinite(jnp.stack(squares))
    return jnp.where(jnp.any(bad), jnp.argmax(bad).astype(jnp.int32), jnp.int32(-1))


def parameter_path(params: Any, number: int) -> str:
    """Path of the parameter that `StepOutput.first_bad` numbers."""
    path, _ = jax.tree_util.tree_leaves_with_path(params)[number]
    return "/".join(str(key.key) for key in path)
