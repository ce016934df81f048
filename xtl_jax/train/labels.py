"""What an encoder is trained on: the cross entropy of labels, in sums.

A batch belongs to one task and so to one head; the other heads, and what the optimiser
keeps of them, stay as they are. What counts as one label depends on the head's kind: a
class of a row, an option of a row, a first and a last token of a row (each is half a
label), a tag of a word, a hidden token. Sums are over labels, and the step divides once
(`RunConfig.loss_normalizing_factor = "tokens"` gives the mean over labels that Hugging
Face's models compute).

Of a masked-LM batch only hidden places are turned into logits over the vocabulary: at
most a fifth of a row's tokens, as 15 % are hidden.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from xtl_jax.model.encoder import Encoder
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.loss import LossSums, token_losses
from xtl_jax.train import contrast, perturbation, settings
from xtl_jax.train.config import RunConfig
from xtl_jax.train.perturbation import Inputs
from xtl_jax.train.step import Objective
from xtl_jax.typing import Array, Float, Int

IGNORED = -1  # a place without a label
_MASKED = -1e10  # added to the logits of padding, as attention does
_LAST_MARK = 2  # `<s>`, `<pad>` and `</s>` come before all that texts are made of
_HIDDEN_SHARE = 5  # one in so many tokens is hidden at most


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelBatch:
    """Rows of one task.

    Attributes:
        tokens: ids [batch, length]; of a choice [batch, choices, length].
        labels: class or option [batch]; first and last token [batch, 2]; of tags and
            hidden tokens [batch, length], -1 where there is none.
        head: its name, or that of the loss of pairs (`contrast.HEAD`); decides which
            program is compiled.
    """

    tokens: Int[Array, "batch *choices length"]
    labels: Int[Array, "batch ..."]
    head: str = dataclasses.field(metadata={"static": True})


def objective(config: EncoderConfig, run: RunConfig) -> Objective:
    """Loss sums of parameters, a `LabelBatch` and a key: for `make_train_step`."""
    how = settings.contrast(run)
    drops = config.dropout_rate > 0 or (config.head_dropout_rate or 0) > 0

    def sums(
        params: Any, batch: LabelBatch, key: Array, addition: Array | None = None
    ) -> LossSums:
        dropout_key = key if drops else None
        if batch.head == contrast.HEAD:
            return contrast.sums(
                *(config, params, batch.tokens),
                key=dropout_key,
                how=how,
                addition=addition,
            )
        return label_sums(
            *(config, params, batch),
            key=dropout_key,
            label_smoothing=run.label_smoothing,
            addition=addition,
        )

    return sums


def inputs_of(config: EncoderConfig) -> Callable[[Any, LabelBatch], Inputs]:
    """What a perturbation has to know of a batch, by parameters and batch."""

    def of_batch(params: Any, batch: LabelBatch) -> Inputs:
        return perturbation.inputs_of(
            params["encoder"]["embeddings"]["word"],
            batch.tokens,
            segments=(batch.tokens != config.pad_id).astype(jnp.int32),
            last_mark=_LAST_MARK,
        )

    return of_batch


def other_heads(keys: tuple[str, ...], batch: LabelBatch) -> bool:
    """Whether a leaf of the state belongs to a head that the batch is not for.

    Example:
        >>> batch = LabelBatch(tokens=jnp.ones((1, 2), int), labels=jnp.ones(1, int),
        ...                    head="xnli")
        >>> other_heads(("heads", "qqp", "out", "kernel"), batch)
        True
        >>> other_heads(("encoder", "pooler", "bias"), batch)
        False
    """
    if "heads" not in keys[:-1]:
        return False
    return keys[keys.index("heads") + 1] != batch.head


def label_sums(
    config: EncoderConfig,
    params: Any,
    batch: LabelBatch,
    *,
    key: Array | None,
    label_smoothing: float = 0.0,
    addition: Float[Array, "batch *choices length embed"] | None = None,
) -> LossSums:
    """Loss sums of a batch.

    Args:
        config: shape, with its heads.
        params: `encoder` and `heads`.
        batch: of one of the heads.
        key: of dropout; None drops nothing.
        label_smoothing: probability given to all wrong classes together.
        addition: to the vectors of the tokens (`train/perturbation.py`).
    """
    network = Encoder(config, "eval" if key is None else "train")
    kind = config.head(batch.head).kind
    tokens, labels = batch.tokens, batch.labels
    places = None
    if kind == "masked_lm":
        places = hidden_places(labels)
        labels = jnp.take_along_axis(labels, places, axis=1)
    logits: Any = network.apply(
        {"params": params},
        tokens,
        head=batch.head,
        places=places,
        addition=addition,
        method="logits",
        rngs=None if key is None else {"dropout": key},
    )
    if kind == "span":
        logits = jnp.moveaxis(logits, -1, 1)  # [batch, 2, length]
        padding = jnp.where(tokens == config.pad_id, jnp.float32(_MASKED), 0.0)
        logits = logits + jnp.broadcast_to(padding[:, None, :], logits.shape)
    return _sums(logits, labels, label_smoothing, share=0.5 if kind == "span" else 1.0)


def hidden_places(labels: Int[Array, "batch length"]) -> Int[Array, "batch places"]:
    """Where labels are, as many places for each row; the surplus has none.

    Example:
        >>> hidden_places(jnp.asarray([[-1, 7, -1, -1, -1, 9, -1, -1, -1, -1]]))
        Array([[1, 5]], dtype=int32)
    """
    most = -(-labels.shape[1] // _HIDDEN_SHARE)
    _, places = jax.lax.top_k((labels != IGNORED).astype(jnp.int32), most)
    return places


def _sums(
    logits: Float[Array, "*places classes"],
    labels: Int[Array, "*places"],
    label_smoothing: float,
    *,
    share: float,
) -> LossSums:
    """Each labelled place counts `share`."""
    weights = jnp.where(labels == IGNORED, 0.0, jnp.float32(share))
    targets = jnp.maximum(labels, 0)
    loss, _ = token_losses(
        logits.reshape(1, -1, logits.shape[-1]),
        targets.reshape(1, -1),
        label_smoothing=label_smoothing,
    )
    hits = (jnp.argmax(logits, axis=-1) == targets).astype(jnp.float32)
    return LossSums(
        loss=jnp.sum(loss.reshape(labels.shape) * weights),
        z_loss=jnp.float32(0.0),
        tokens=jnp.sum(weights),
        correct=jnp.sum(hits * weights),
    )
