"""How sure a model is of what is right, and where its inputs would change that.

What searches ask (`attacks/search.py`), in nats:

    mT5, labels and options     log-probability of the right text minus the likeliest
                                wrong one's: below 0 the model is wrong
    mT5, other answers          log-probability of the gold target
    classification, choice      the same margin, of a head's classes
    tagging                     log-probability of all gold tags together
    span                        log-probability of the gold spans: first and last token
                                each among all tokens of all windows, spans added up

The *slope* is the gradient of that number by the vectors of the input's tokens, before
anything is added to them. What is right is given by the caller, one array for each row
of a store (`Right`): a class, a tag for each token (-1: none), or gold spans
[spans, 2]; of a window that holds none, an empty array.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.data import evaluation, labelled_batches
from xtl_jax.data.features import Lengths
from xtl_jax.data.store import Store
from xtl_jax.infer import rank
from xtl_jax.model.encoder import Encoder
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.typing import Array, Float, Int

Right = Sequence[np.ndarray]
Put = Callable[[Any], Any]  # lays a batch out on devices

_NEVER = -1e30  # logit of what is not there
_NONE = -1  # a place without a label, a span that is not there


class Gold(NamedTuple):
    """mT5's targets of an example: one, or all that it may choose among."""

    targets: Sequence[Sequence[int]]  # ids, each with its end id
    right: int  # which of them


def of_encoder(
    config: EncoderConfig,
    params: Any,
    store: Store,
    *,
    head: Head,
    right: Right,
    pad_id: int,
    batch_size: int,
    put: Put = lambda rows: rows,
) -> np.ndarray:
    """Three numbers for each row of a store, which `joined` makes one of.

    Args:
        config: the encoder's shape.
        params: its parameters.
        store: examples of the head's kind.
        head: one of the model's.
        right: of each row.
        pad_id: with which batches are padded.
        batch_size: rows computed together.
        put: lays a batch out on devices.
    """
    found = np.zeros((store.num_examples, 3), np.float64)
    for indices, tokens, labels in _batches(
        store, right=right, head=head, batch_size=batch_size
    ):
        said = _encoder_parts(
            *(config, params, put(tokens), put(labels), None),
            head=head,
            pad_id=pad_id,
        )
        real = indices >= 0
        found[indices[real]] = np.asarray(said)[real]
    return found


def joined(parts: np.ndarray, *, kind: str) -> float:
    """How sure a model is of an example that has several rows: its windows.

    Args:
        parts: of its rows, [rows, 3].
        kind: of the head.

    Example:
        >>> joined(np.array([[-1.5, 0, 0], [-0.5, 0, 0]]), kind="tagging")
        -2.0
    """
    if kind != "span":
        return float(parts[:, 0].sum())
    gold, first, last = np.logaddexp.reduce(parts, axis=0)
    return float(gold - first - last)


def slopes_of_encoder(
    config: EncoderConfig,
    params: Any,
    store: Store,
    *,
    head: Head,
    right: Right,
    pad_id: int,
    batch_size: int,
    put: Put = lambda rows: rows,
) -> list[np.ndarray]:
    """The slope of each row of a store, [length, embed]; `of_encoder` has the rest.

    Of a long context each window is a row of its own, and its slope is that of what it
    says alone.
    """
    found: dict[int, np.ndarray] = {}
    for indices, tokens, labels in _batches(
        store, right=right, head=head, batch_size=batch_size
    ):
        slopes = np.asarray(
            _encoder_slopes(
                *(config, params, put(tokens), put(labels)), head=head, pad_id=pad_id
            )
        )
        for row, index in enumerate(indices.tolist()):
            if index >= 0:
                found[index] = slopes[row]
    return [found[index] for index in range(len(found))]


def _batches(
    store: Store, *, right: Right, head: Head, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Numbers of rows, tokens, and what is right, padded as its kind needs it."""
    spans = max((len(each) for each in right), default=1) if head.kind == "span" else 0
    for indices, tokens, _ in labelled_batches.evaluation_batches(
        store, batch_size=batch_size
    ):
        yield indices, tokens, labels_of(right, indices, tokens, head=head, spans=spans)


def labels_of(
    right: Right, indices: np.ndarray, tokens: np.ndarray, *, head: Head, spans: int
) -> np.ndarray:
    """What is right of the rows of a batch, as one array.

    Args:
        right: of each row of the store.
        indices: which of them; -1: an empty row.
        tokens: of the batch.
        head: tells the kind.
        spans: gold spans that a row has at most.
    """
    rows = len(indices)
    if head.kind == "span":
        labels = np.full((rows, max(spans, 1), 2), _NONE, np.int32)
    elif head.kind == "tagging":
        labels = np.full(tokens.shape, _NONE, np.int32)
    else:
        labels = np.zeros(rows, np.int32)
    for row, index in enumerate(indices.tolist()):
        if index < 0:
            continue
        if labels.ndim == 1:
            labels[row] = right[index]
        else:
            labels[row, : len(right[index])] = right[index]
    return labels


def encoder_parts(
    config: EncoderConfig,
    params: Any,
    tokens: Int[Array, "batch *choices length"],
    labels: Int[Array, "batch ..."],
    addition: Float[Array, "batch *choices length embed"] | None,
    *,
    head: Head,
    pad_id: int,
) -> Float[Array, "batch 3"]:
    """What `joined` takes, differentiable by the addition to the word vectors."""
    mask = (tokens != pad_id).astype(jnp.int32)
    found: Any = Encoder(config).apply(
        {"params": params},
        tokens,
        head=head.name,
        mask=mask,
        addition=addition,
        method="logits",
    )
    logits = found.astype(jnp.float32)
    if head.kind == "span":
        return _spans(logits, labels, mask)
    if head.kind == "tagging":
        nats = jnp.take_along_axis(
            jax.nn.log_softmax(logits), jnp.maximum(labels, 0)[..., None], axis=-1
        )[..., 0]
        return _alone(jnp.sum(jnp.where(labels == _NONE, 0.0, nats), axis=1))
    if head.kind == "choice":
        logits = jnp.where(jnp.any(mask > 0, axis=-1), logits, jnp.float32(_NEVER))
    return _alone(margin(jax.nn.log_softmax(logits), labels))


def margin(
    nats: Float[Array, "batch classes"], right: Int[Array, " batch"]
) -> Float[Array, " batch"]:
    """Log-probability of the right class minus that of the likeliest other one."""
    is_right = jax.nn.one_hot(right, nats.shape[-1], dtype=bool)
    others = jnp.where(is_right, jnp.float32(_NEVER), nats)
    of_right = jnp.sum(jnp.where(is_right, nats, 0.0), axis=-1)
    return of_right - jnp.max(others, axis=-1)


def encoder_sureness(
    parts: Float[Array, "batch 3"], *, kind: str
) -> Float[Array, " batch"]:
    """One number a row; of a window without a gold span 0, which has no slope."""
    if kind != "span":
        return parts[:, 0]
    holds = parts[:, 0] > _NEVER / 2
    return jnp.where(holds, parts[:, 0] - parts[:, 1] - parts[:, 2], 0.0)


def _alone(values: Array) -> Array:
    zero = jnp.zeros_like(values)
    return jnp.stack([values, zero, zero], axis=1)


def _spans(logits: Array, labels: Array, mask: Array) -> Array:
    """Gold spans added up, and what the first and the last token are divided by."""
    real = jnp.broadcast_to((mask > 0)[..., None], logits.shape)
    logits = jnp.where(real, logits, jnp.float32(_NEVER))
    there = labels[..., 0] != _NONE
    first, last = (
        jnp.take_along_axis(logits[..., end], jnp.maximum(labels[..., end], 0), axis=1)
        for end in (0, 1)
    )
    gold = jnp.where(there, first + last, jnp.float32(_NEVER))
    totals = jax.nn.logsumexp(logits, axis=1)
    return jnp.concatenate([jax.nn.logsumexp(gold, axis=1)[:, None], totals], axis=1)


_encoder_parts = functools.partial(
    jax.jit, static_argnums=0, static_argnames=("head", "pad_id")
)(encoder_parts)


@functools.partial(jax.jit, static_argnums=0, static_argnames=("head", "pad_id"))
def _encoder_slopes(
    config: EncoderConfig,
    params: Any,
    tokens: Array,
    labels: Array,
    *,
    head: Head,
    pad_id: int,
) -> Array:
    def total(addition: Array) -> Array:
        parts = encoder_parts(
            *(config, params, tokens, labels, addition), head=head, pad_id=pad_id
        )
        return jnp.sum(encoder_sureness(parts, kind=head.kind))

    return jax.grad(total)(jnp.zeros((*tokens.shape, config.embed), jnp.float32))


def of_text(
    config: ModelConfig,
    params: Any,
    store: Store,
    *,
    gold: Sequence[Gold],
    lengths: Lengths,
    batch_size: int,
    put: Put = lambda rows: rows,
) -> list[float]:
    """How sure an mT5 is of what is right in each example of a store."""
    found = rank.rank(
        *(config, params, store),
        targets=[each.targets for each in gold],
        lengths=lengths,
        batch_size=batch_size,
        put=put,
    )
    return [
        _margin([each.log_probability for each in of_row], right=each_gold.right)
        for of_row, each_gold in zip(found, gold, strict=True)
    ]


def _margin(nats: Sequence[float], *, right: int) -> float:
    others = [value for number, value in enumerate(nats) if number != right]
    return nats[right] - max(others, default=0.0)


def slopes_of_text(
    config: ModelConfig,
    params: Any,
    store: Store,
    *,
    gold: Sequence[Gold],
    lengths: Lengths,
    batch_size: int,
    put: Put = lambda rows: rows,
) -> list[np.ndarray]:
    """The slope of each example of a store, [length, embed]."""
    found: dict[int, np.ndarray] = {}
    for batch in evaluation.evaluation_batches(
        store,
        lengths=lengths,
        batch_size=batch_size,
        buckets=evaluation.buckets(lengths.inputs),
    ):
        targets, right = targets_of(gold, batch.indices)
        slopes = np.asarray(
            _text_slopes(
                *(config, params, put(batch.encoder_input_tokens)),
                put(targets),
                put(right),
            )
        )
        for row, index in enumerate(batch.indices.tolist()):
            if index >= 0:
                found[index] = slopes[row]
    return [found[index] for index in range(len(found))]


def targets_of(
    gold: Sequence[Gold], indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Targets [batch, options, length] of the rows of a batch, and the right ones."""
    options = max(len(each.targets) for each in gold)
    length = rank.padded(max(len(ids) for each in gold for ids in each.targets))
    targets = np.zeros((len(indices), options, length), np.int32)
    right = np.zeros(len(indices), np.int32)
    for row, index in enumerate(indices.tolist()):
        if index >= 0:
            right[row] = gold[index].right
            for option, ids in enumerate(gold[index].targets):
                targets[row, option, : len(ids)] = ids
    return targets, right


def text_sureness(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    targets: Int[Array, "batch options targets"],
    right: Int[Array, " batch"],
    addition: Float[Array, "batch length embed"] | None,
) -> Float[Array, " batch"]:
    """The same number, differentiable by the addition to the inputs' vectors."""
    nats = rank.log_probabilities(
        *(config, params, inputs, targets),
        chunk=rank.positions_at_once(
            targets.shape[-1], rows=inputs.shape[0], vocab=config.vocab
        ),
        addition=addition,
    )
    if nats.shape[1] == 1:
        return nats[:, 0]
    there = jnp.any(targets > 0, axis=-1)
    return margin(jnp.where(there, nats, jnp.float32(_NEVER)), right)


@functools.partial(jax.jit, static_argnums=0)
def _text_slopes(
    config: ModelConfig, params: Any, inputs: Array, targets: Array, right: Array
) -> Array:
    def total(addition: Array) -> Array:
        return jnp.sum(text_sureness(config, params, inputs, targets, right, addition))

    return jax.grad(total)(jnp.zeros((*inputs.shape, config.embed), jnp.float32))
