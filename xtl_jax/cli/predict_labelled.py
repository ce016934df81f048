"""Answers of an encoder's heads to the examples of a store, as texts.

A class becomes the text that the family says for it, an option its own text, tags one
word each with spaces between, and the logits of all windows of a question one span. So
what is recorded and scored is the same as for a model that writes its answers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xtl_jax.cli.predict_answers import Answer, Move, Progress
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.cli.predict_sets import Wanted
    from xtl_jax.data.encoder_vocabulary import EncoderVocabulary
    from xtl_jax.data.store import Store
    from xtl_jax.infer.label import Said
    from xtl_jax.infer.records import Option
    from xtl_jax.infer.smooth import Smoothing
    from xtl_jax.infer.spans import Rules
    from xtl_jax.model.encoder_sizes import EncoderConfig, Head
    from xtl_jax.train.config import RunConfig


class Labeller(NamedTuple):
    """An encoder where it computes, and the settings it answers with."""

    run: RunConfig
    model: EncoderConfig
    params: Any
    vocabulary: EncoderVocabulary
    put: Callable[[Any], Any]  # lays a batch out on devices


class Labelled(NamedTuple):
    """An example with what an encoder answers to it."""

    meta: Mapping[str, Any]  # id, inputs, references, context
    answer: Answer
    certificate: Mapping[str, Any] | None = None  # of a vote under noise


def check_heads(wanted: Sequence[Wanted], model: EncoderConfig, *, chosen: str) -> None:
    """Refuse sets that no head can answer, before anything is computed."""
    for each in wanted:
        if each.family.kind != "retrieval":
            head_for(each.family, model, chosen=chosen)


def head_for(family: Family, model: EncoderConfig, *, chosen: str) -> Head:
    """The head that answers for a family (`label.head_of`)."""
    from xtl_jax.infer import label

    return label.head_of(family, model.task_heads, chosen)


def answer(
    family: Family,
    store: Store,
    *,
    by: Labeller,
    examples: int,
    move: Move | None = None,
    progress: Progress = lambda done: None,
) -> list[Labelled]:
    """Answers to the first examples of a store, in its order.

    Args:
        family: of the examples.
        store: of the head's kind; an example may have several rows, its windows.
        by: the encoder and the settings.
        examples: so many of the first ones.
        move: tells what is added to the vectors of a batch's tokens.
        progress: told how many rows are done.

    Raises:
        UserError: no head can answer.
    """
    from xtl_jax.cli import predict_sets
    from xtl_jax.infer import label

    head = head_for(family, by.model, chosen=by.run.head)
    if by.run.smoothing_sigma:
        if move is not None:
            raise UserError(
                "RunConfig.smoothing_sigma and an attack on vectors (pgd) cannot be "
                "combined: leave one out"
            )
        return _smoothed(
            family, store, head, by=by, examples=examples, progress=progress
        )
    rows = predict_sets.rows_of(store, examples)
    said = label.label(
        *(by.model, by.params, store),
        head=head,
        pad_id=by.vocabulary.pad_id,
        batch_size=by.run.predict_batch_size,
        first=examples,
        put=by.put,
        move=move,
        progress=progress,
    )
    make = {
        "classification": _classified,
        "choice": _chosen,
        "tagging": _tagged,
        "span": _extracted,
    }[head.kind]
    return [
        make(
            family,
            head,
            [store.meta(row) for row in of_one],
            [said[row] for row in of_one],
            by=by,
        )
        for of_one in rows
    ]


def _smoothed(
    family: Family,
    store: Store,
    head: Head,
    *,
    by: Labeller,
    examples: int,
    progress: Progress,
) -> list[Labelled]:
    """Answers of a vote under noise; none where it abstains."""
    from xtl_jax.infer import label, smooth

    how = _smoothing(by.run)
    if head.kind != "classification":
        raise UserError(
            f"RunConfig.smoothing_sigma={how.sigma} certifies classifications, and "
            f"{family.name} is answered by a head for {head.kind}: leave it out of "
            "what is evaluated, or set smoothing_sigma to 0"
        )
    found = smooth.label(
        *(by.model, by.params, store),
        head=head,
        pad_id=by.vocabulary.pad_id,
        batch_size=by.run.predict_batch_size,
        how=how,
        first=examples,
        put=by.put,
        progress=progress,
    )
    texts = label.class_names(family, head)
    answers = []
    for number, each in enumerate(found):
        # The share of the votes, with one vote more for each class: no share is 0.
        shares = np.log((each.votes + 1) / (each.votes.sum() + len(each.votes)))
        voted = _best(store.meta(number), texts, shares)
        text = texts[each.chosen] if each.chosen >= 0 else ""
        answers.append(
            Labelled(
                voted.meta,
                voted.answer._replace(text=text),
                {
                    "radius": each.radius,
                    "lower": each.lower,
                    "votes": each.votes.tolist(),
                    "length": each.length,
                },
            )
        )
    return answers


def _smoothing(run: RunConfig) -> Smoothing:
    from xtl_jax.infer.smooth import Smoothing

    return Smoothing(
        sigma=run.smoothing_sigma,
        samples=run.smoothing_samples,
        confidence=run.smoothing_confidence,
        seed=run.smoothing_seed,
    )


def _classified(
    family: Family,
    head: Head,
    metas: Sequence[Mapping[str, Any]],
    said: Sequence[Said],
    *,
    by: Labeller,
) -> Labelled:
    from xtl_jax.infer import label

    return _best(metas[0], label.class_names(family, head), said[0].values)


def _chosen(
    family: Family,
    head: Head,
    metas: Sequence[Mapping[str, Any]],
    said: Sequence[Said],
    *,
    by: Labeller,
) -> Labelled:
    # A task that lists its options for mT5 is answered with their names.
    texts = metas[0]["options"] if family.kind == "ranking" else family.labels
    return _best(metas[0], texts, said[0].values)


def _best(
    meta: Mapping[str, Any], texts: Sequence[str], log_probabilities: np.ndarray
) -> Labelled:
    """The most probable text; of equal ones the first."""
    from xtl_jax.infer.records import Option

    options = tuple(
        Option(text=text, log_probability=value, tokens=1)
        for text, value in zip(texts, log_probabilities.tolist(), strict=True)
    )
    best = options[int(log_probabilities.argmax())]
    return Labelled(meta, Answer(best.text, best.log_probability, options))


def _tagged(
    family: Family,
    head: Head,
    metas: Sequence[Mapping[str, Any]],
    said: Sequence[Said],
    *,
    by: Labeller,
) -> Labelled:
    """Tags of all windows of a sentence, one after another."""
    tags: list[str] = []
    total = 0.0
    for meta, window in zip(metas, said, strict=True):
        if meta["offset"] != len(tags):
            raise UserError(
                f"sentence {meta['id']!r}: a window begins with word {meta['offset']}, "
                f"the ones before it end with word {len(tags)}; build the cache again"
            )
        places = meta["positions"]
        tags += [head.labels[number] for number in window.values[places].tolist()]
        total += float(window.log_probabilities[places].sum(dtype=np.float64))
    return Labelled(metas[0], Answer(" ".join(tags), total))


def _extracted(
    family: Family,
    head: Head,
    metas: Sequence[Mapping[str, Any]],
    said: Sequence[Said],
    *,
    by: Labeller,
) -> Labelled:
    from xtl_jax.data import prompts
    from xtl_jax.infer import spans
    from xtl_jax.infer.records import Option

    found = spans.best_answer(
        [
            spans.Window(
                start=window.values[:, 0],
                end=window.values[:, 1],
                first=meta["first"],
                spans=np.asarray(meta["spans"], np.int64).reshape(-1, 2),
                offset=meta["offset"],
            )
            for meta, window in zip(metas, said, strict=True)
        ],
        context=metas[0]["context"],
        rules=_rules(family, by),
    )
    options: tuple[Option, ...] = ()
    if found.no_answer is not None:
        options = (
            Option(text=prompts.NO_ANSWER, log_probability=found.no_answer, tokens=1),
        )
    return Labelled(metas[0], Answer(found.text, found.log_probability, options))


def _rules(family: Family, by: Labeller) -> Rules:
    """SQuAD v1.1's rules, or v2.0's where a family has questions without answers."""
    from xtl_jax.data import prompts
    from xtl_jax.infer import spans

    run = by.run
    return spans.Rules(
        n_best=run.answer_n_best,
        longest=run.answer_length,
        null_threshold=run.null_threshold
        if prompts.NO_ANSWER in family.candidates
        else None,
    )


def method(family: Family, by: Labeller) -> dict[str, Any]:
    """How answers are made, for their records."""
    head = head_for(family, by.model, chosen=by.run.head)
    shared = {
        "head": head.name,
        "input_length": by.run.lengths["inputs"],
        "dtype": by.model.dtype,
    }
    if by.run.smoothing_sigma:
        how = dataclasses.asdict(_smoothing(by.run))
        return {"method": "vote", **shared, **how}
    if head.kind != "span":
        return {"method": "label", **shared}
    rules = _rules(family, by)
    found: dict[str, Any] = {
        "method": "span",
        **shared,
        "n_best": rules.n_best,
        "longest": rules.longest,
    }
    if rules.null_threshold is not None:
        found["null_threshold"] = rules.null_threshold
    return found
