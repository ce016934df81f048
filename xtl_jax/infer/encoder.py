"""An encoder to ask questions of: vectors, states, and what its heads say.

`xtl_jax.load` gives a `LoadedEncoder` for a run directory or a Hugging Face folder that
holds XLM-R or BERT:

    model = xtl_jax.load("runs/xnli")
    model.embed(inputs=ids)          # [batch, embed] masked mean of the last layer
    model.hidden_states(inputs=ids)  # [layers + 1, batch, length, embed]
    model.logits(inputs=ids)         # [batch, classes] of the only head

All ids are whole numbers. What is padding is told by `mask`, 1 for real tokens; without
it padding is what is `config.pad_id`. All results are float32.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.model.encoder import Encoder
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.typing import Array, Float, Int


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedEncoder:
    """Parameters with the shape they belong to.

    Attributes:
        config: shape, heads and computation dtype.
        params: `encoder` and `heads`, float32, layers stacked.
        source: path they came from.
        step: training step they were saved at.
        vocabulary_size: ids of the vocabulary; all rows where it is not known.
    """

    config: EncoderConfig
    params: Any
    source: str
    step: int
    vocabulary_size: int

    def embed(
        self,
        *,
        inputs: Int[Array, "batch length"],
        layer: int = -1,
        mask: Int[Array, "batch length"] | None = None,
        segments: Int[Array, "batch length"] | None = None,
    ) -> Float[np.ndarray, "batch embed"]:
        """Mean of a layer's states over real tokens, `<s>` and `</s>` included.

        Args:
            inputs: ids; a row must have at least one real token.
            layer: -1 the last; 0 the embedding; i the output of layer i.
            mask: 1 for real tokens.
            segments: segment ids, of a model that has several.

        Raises:
            UserError: no such layer, or ids that the model has not.
        """
        check_layer(self.config, layer)
        rows = self._rows(inputs, mask, segments)
        return np.asarray(mean_states(self.config, self.params, *rows, (layer,))[0])

    def hidden_states(
        self,
        *,
        inputs: Int[Array, "batch length"],
        mask: Int[Array, "batch length"] | None = None,
        segments: Int[Array, "batch length"] | None = None,
    ) -> Float[np.ndarray, "states batch length embed"]:
        """States after the embedding and after each layer; `embed` has the arguments.

        What stands at padding means nothing.
        """
        rows = self._rows(inputs, mask, segments)
        return np.asarray(_states(self.config, self.params, *rows))

    def pooled(
        self,
        *,
        inputs: Int[Array, "batch length"],
        mask: Int[Array, "batch length"] | None = None,
        segments: Int[Array, "batch length"] | None = None,
    ) -> Float[np.ndarray, "batch embed"]:
        """The checkpoint's dense layer over the first token, through tanh.

        Raises:
            UserError: the checkpoint has none, or ids that the model has not.
        """
        if not self.config.pooler:
            raise UserError(
                f"{self.source} has no pooler: take `embed`, or a head's `logits`"
            )
        rows = self._rows(inputs, mask, segments)
        return np.asarray(_pooled(self.config, self.params, *rows))

    def logits(
        self,
        *,
        inputs: Int[Array, "batch *choices length"],
        head: str | None = None,
        mask: Int[Array, "batch *choices length"] | None = None,
        segments: Int[Array, "batch *choices length"] | None = None,
    ) -> Float[np.ndarray, "*axes"]:
        """What a head says; shapes are those of `Encoder.logits`.

        Args:
            inputs: ids [batch, length]; for a choice [batch, choices, length].
            head: its name; None: the only one.
            mask: 1 for real tokens, shaped as `inputs`.
            segments: segment ids, shaped as `inputs`.

        Raises:
            UserError: no such head, or ids that the model has not.
        """
        chosen = self.config.head(head)
        axes = 3 if chosen.kind == "choice" else 2
        rows = self._rows(inputs, mask, segments, axes=axes)
        return np.asarray(head_logits(self.config, self.params, *rows, chosen.name))

    def _rows(
        self, inputs: Any, mask: Any, segments: Any, *, axes: int = 2
    ) -> tuple[Array, Array, Array]:
        """Checked ids, with mask and segments filled in."""
        config = self.config
        ids = _whole(inputs, "ids", below=config.vocab)
        if ids.ndim != axes:
            shape = "[batch, choices, length]" if axes == 3 else "[batch, length]"
            raise UserError(f"ids must be a {shape} array, got shape {ids.shape}")
        if mask is None:
            mask = ids != _padding(config, ids)
        masks = _whole(mask, "mask", below=2)
        if segments is None:
            segments = np.zeros_like(ids)
        kinds = _whole(segments, "segments", below=config.segment_types)
        for name, array in (("mask", masks), ("segments", kinds)):
            if array.shape != ids.shape:
                raise UserError(
                    f"{name} must be shaped as the ids {ids.shape}, got {array.shape}"
                )
        return jnp.asarray(ids), jnp.asarray(masks), jnp.asarray(kinds)


def _padding(config: EncoderConfig, ids: np.ndarray) -> int:
    """The config's, unless a row begins with it: padding is on the right.

    BERT's shape under XLM-R's vocabulary, as multilingual-e5 has it, pads with 1 and
    begins each row with `<s>`, whose id 0 its config.json calls padding.
    """
    return 1 if (ids[..., 0] == config.pad_id).any() else config.pad_id


def _whole(values: Any, name: str, *, below: int) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype == bool:
        array = array.astype(np.int32)
    if not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{name} must be whole numbers, got {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= below):
        raise UserError(
            f"{name} must be in [0, {below}), got {array.min()} … {array.max()}"
            + (": the vocabulary does not fit this checkpoint" * (name == "ids"))
        )
    return array.astype(np.int32)


def check_layer(config: EncoderConfig, layer: int) -> None:
    """Refuse a layer that the encoder has not."""
    if not -1 <= layer <= config.layers:
        raise UserError(
            f"layer must be -1 (the last) or 0 … {config.layers}, got {layer}"
        )


@functools.partial(jax.jit, static_argnums=(0, 5))
def mean_states(
    config: EncoderConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    mask: Int[Array, "batch length"] | None,
    segments: Int[Array, "batch length"] | None,
    layers: tuple[int, ...],
) -> Float[Array, "layers batch embed"]:
    """Means of layers' states over real tokens (`LoadedEncoder.embed`), float32."""
    if mask is None:
        mask = (inputs != config.pad_id).astype(jnp.int32)
    every = _all_states(config, params, inputs, mask, segments)
    real = mask.astype(jnp.float32)[..., None]
    tokens = jnp.maximum(jnp.sum(real, axis=1), 1.0)

    def mean(layer: int) -> Float[Array, "batch embed"]:
        states = every[layer].astype(jnp.float32)
        total = jnp.sum(states * jnp.broadcast_to(real, states.shape), axis=1)
        return total / jnp.broadcast_to(tokens, total.shape)

    return jnp.stack([mean(layer) for layer in layers])


@functools.partial(jax.jit, static_argnums=(0, 5))
def head_logits(
    config: EncoderConfig,
    params: Any,
    inputs: Int[Array, "batch *choices length"],
    mask: Int[Array, "batch *choices length"] | None,
    segments: Int[Array, "batch *choices length"] | None,
    head: str,
    addition: Float[Array, "batch *choices length embed"] | None = None,
) -> Float[Array, "*axes"]:
    """Compiled `LoadedEncoder.logits`; one compilation per head and shape."""
    found: Any = Encoder(config).apply(
        {"params": params},
        inputs,
        head=head,
        mask=mask,
        segments=segments,
        addition=addition,
        method="logits",
    )
    return found


def _all_states(
    config: EncoderConfig, params: Any, inputs: Array, mask: Array, segments: Any
) -> Array:
    found: Any = Encoder(config).apply(
        {"params": params}, inputs, mask, segments, method="states"
    )
    return found[1]


@functools.partial(jax.jit, static_argnums=0)
def _states(
    config: EncoderConfig, params: Any, inputs: Array, mask: Array, segments: Array
) -> Array:
    every = _all_states(config, params, inputs, mask, segments)
    return every.astype(jnp.float32)


@functools.partial(jax.jit, static_argnums=0)
def _pooled(
    config: EncoderConfig, params: Any, inputs: Array, mask: Array, segments: Array
) -> Array:
    found: Any = Encoder(config).apply(
        {"params": params}, inputs, mask, segments, method="pooled"
    )
    return found.astype(jnp.float32)
