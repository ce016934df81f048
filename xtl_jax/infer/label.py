"""Examples in, what a head says of each out: classes, options, spans or tags.

Which head answers for a task follows from names and kinds (`head_of`): XNLI is answered
by the head "xnli" if there is one, else by the only head that tells as many classes,
such as "mnli".

What a head says is given in the example's own terms, whatever it was padded with:

    classification   log-probability of each class, in nats       [classes]
    choice           of each option                                [options]
    tagging          best class of each input position, its log-probability   [tokens]
    span             start and end logits of each input position   [tokens, 2]

Of the store only the ids are read; what a position means is in its texts (`meta`), and
`spans.py` makes one answer of the windows of a long context.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.data import labelled, labelled_batches
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError, near
from xtl_jax.hosts.arrays import fetch
from xtl_jax.infer import encoder
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.typing import Array, Float, Int

_NEVER = -1e30  # logit of an option that is not there


class Answered(labelled.Task, Protocol):
    """The part of a family that decides its head."""

    @property
    def head_name(self) -> str:
        """Of the head that it trains; families may share one."""
        ...


class Said(NamedTuple):
    """What a head says of one example."""

    values: np.ndarray  # by the head's kind: see above
    log_probabilities: np.ndarray  # tagging: of the best class of each position


def head_of(family: Answered, heads: Sequence[Head], chosen: str = "") -> Head:
    """The head that answers for a family.

    It is the chosen one; else the one that the family trains; else the only one that
    can answer: of the right kind and, for classification, with as many classes. Tags
    have no order that families share, so a head of tags must have the family's tags;
    where only training rows tell those, a head is not taken unless it is named.

    Args:
        family: whose examples are answered.
        heads: those that the model has.
        chosen: name of one of them; "" leaves the choice to the rule.

    Raises:
        UserError: there is none, several can answer, or the chosen one cannot.

    Example:
        >>> from types import SimpleNamespace
        >>> xnli = SimpleNamespace(
        ...     name="xnli", head_name="xnli", kind="classification", tags=(),
        ...     labels=("0", "1", "2"),
        ... )
        >>> words = ("entailment", "neutral", "contradiction")
        >>> mnli = Head(name="mnli", kind="classification", labels=words)
        >>> head_of(xnli, [mnli, Head(name="squad_v1", kind="span")]).name
        'mnli'
    """
    kind = labelled.kind_of(family)
    there = ", ".join(map(_described, heads)) or "none"
    if kind is None:
        raise UserError(f"{family.name} is answered by sentence vectors and no head")
    named = chosen or family.head_name
    for head in heads:
        if head.name != named:
            continue
        why = _unfit(family, head, kind=kind)
        if why is None:
            return head
        raise UserError(
            f"the head {head.name!r} cannot answer {family.name}: {why}; the model has "
            f"the heads: {there}"
        )
    if chosen:
        names = [head.name for head in heads]
        raise UserError(
            f"RunConfig.head={chosen!r} is no head of the model; near: "
            f"{near(chosen, names)}; it has: {there}"
        )
    unknown = kind == "tagging" and not labelled.declared_labels(family)
    fitting = [head for head in heads if _unfit(family, head, kind=kind) is None]
    fitting = [] if unknown else fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(head.name for head in fitting)
        raise UserError(
            f"several heads can answer {family.name}: {names}; choose one with "
            f"RunConfig.head (`xtl predict --head {fitting[0].name}`)"
        )
    raise UserError(
        f"no head of the model can answer {family.name}, which needs "
        f"{_needed(family)}; it has: {there}. Fine-tune it on {family.name} or on a "
        "task of its kind first"
    )


def class_names(family: Answered, head: Head) -> tuple[str, ...]:
    """What each output of a head is called in the answers of a family.

    The family's own label texts: by name where the head has the same ones in another
    order, else by class id. Of tagging the head's tags.

    Example:
        >>> from types import SimpleNamespace
        >>> xnli = SimpleNamespace(kind="classification", labels=("0", "1", "2"))
        >>> words = ("entailment", "neutral", "contradiction")
        >>> head = Head(name="mnli", kind="classification", labels=words)
        >>> class_names(xnli, head)
        ('0', '1', '2')
        >>> turned = Head(name="mnli", kind="classification", labels=("2", "0", "1"))
        >>> class_names(xnli, turned)
        ('2', '0', '1')
    """
    if family.kind == "tagging" or set(head.labels) == set(family.labels):
        return head.labels
    return family.labels


def _unfit(family: Answered, head: Head, *, kind: str) -> str | None:
    """Why a head cannot answer a family; None if it can."""
    if head.kind != kind:
        return f"it is for {head.kind}, and {family.name} needs {_needed(family)}"
    if kind == "classification" and head.outputs != len(family.labels):
        return (
            f"it tells {head.outputs} classes ({_few(head.labels)}), and "
            f"{family.name} has {len(family.labels)} ({_few(family.labels)})"
        )
    if kind == "tagging":
        known, there = set(labelled.declared_labels(family)), set(head.labels)
        if known and not (known <= there or there <= known):
            return (
                f"its tags ({_few(head.labels)}) are not those of {family.name} "
                f"({_few(sorted(known))})"
            )
    return None


def _needed(family: Answered) -> str:
    kind = labelled.kind_of(family)
    if kind == "classification":
        return f"a classification head of {len(family.labels)} classes"
    return f"a {kind} head"


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:6]) + (", …" if len(labels) > 6 else "")


def _described(head: Head) -> str:
    return f"{head.name} ({head.kind}, {head.outputs} outputs)"


def label(
    config: EncoderConfig,
    params: Any,
    store: Store,
    *,
    head: Head,
    pad_id: int,
    batch_size: int,
    first: int | None = None,
    put: Callable[[np.ndarray], Any] = lambda rows: rows,
    move: Callable[[np.ndarray, Any], Any] | None = None,
    progress: Callable[[int], None] = lambda examples: None,
) -> list[Said]:
    """What a head says of the rows of a store, in its order.

    Args:
        config: the encoder's shape.
        params: its parameters, wherever they shall be computed with.
        store: cached examples of the head's kind.
        head: one of the model's.
        pad_id: with which batches are padded.
        batch_size: rows computed together.
        first: only the rows of so many questions or sentences; a long one has several.
        put: lays a batch out on devices.
        move: of a batch's numbers and tokens what is added to the tokens' vectors.
        progress: told how many rows are done.

    Raises:
        UserError: what the head says is not finite.
    """
    found: dict[int, Said] = {}
    for indices, tokens, _ in labelled_batches.evaluation_batches(
        store, batch_size=batch_size, first=first
    ):
        placed = put(tokens)
        addition = move and move(indices, placed)
        values, log_probabilities = fetch(
            _said(config, params, placed, addition, head=head, pad_id=pad_id)
        )
        for row, index in enumerate(indices.tolist()):
            if index < 0:
                continue
            real = tokens[row] != pad_id
            size = _size(real, kind=head.kind)
            said = Said(values[row][:size], log_probabilities[row][:size])
            # The values of tags are class ids, which are finite always.
            if not np.isfinite(said.log_probabilities).all():
                raise UserError(
                    f"{store.folder}: the head {head.name!r} says nothing finite of "
                    f"row {index}: the checkpoint is broken, or bfloat16 has "
                    "overflown; predict with --dtype float32"
                )
            found[index] = said
        progress(len(found))
    return [found[index] for index in range(len(found))]


def _size(real: np.ndarray, *, kind: str) -> int | None:
    """How many of an example's values are its own and no padding; None: all."""
    if kind == "classification":
        return None
    if kind == "choice":
        return int(real.any(axis=1).sum())
    return int(np.flatnonzero(real)[-1]) + 1


@functools.partial(jax.jit, static_argnums=0, static_argnames=("head", "pad_id"))
def _said(
    config: EncoderConfig,
    params: Any,
    tokens: Int[Array, "batch *choices length"],
    addition: Float[Array, "batch *choices length embed"] | None,
    *,
    head: Head,
    pad_id: int,
) -> tuple[Array, Array]:
    """Values and log-probabilities (`Said`) of a batch, float32 or class ids."""
    mask = (tokens != pad_id).astype(jnp.int32)
    logits = encoder.head_logits(
        config, params, tokens, mask, None, head.name, addition
    )
    if head.kind == "span":
        return logits, logits
    if head.kind == "choice":
        logits = jnp.where(jnp.any(mask > 0, axis=-1), logits, jnp.float32(_NEVER))
    log_probabilities = jax.nn.log_softmax(logits)
    if head.kind == "tagging":
        return jnp.argmax(logits, axis=-1), jnp.max(log_probabilities, axis=-1)
    return log_probabilities, log_probabilities
