"""Answers of a model to the examples of a store: decoded, or ranked by likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.data.store import Store
    from xtl_jax.data.vocabulary import Vocabulary
    from xtl_jax.infer import model as models
    from xtl_jax.infer.records import Option
    from xtl_jax.model.sizes import ModelConfig
    from xtl_jax.train.config import RunConfig

Progress = Callable[[int], None]
# Numbers and inputs of a batch to what is added to the vectors of the inputs.
Move = Callable[[Any, Any], Any]


class Predictor(NamedTuple):
    """A model where it computes, and the settings it predicts with."""

    run: RunConfig
    model: ModelConfig
    params: Any
    vocabulary: Vocabulary
    put: Callable[[Any], Any]  # lays a batch out on devices

    @property
    def decode_length(self) -> int:
        """Ids that an answer has at most."""
        return self.run.decode_length or self.run.lengths["targets"]


class Answer(NamedTuple):
    """What a model says to one example."""

    text: str  # as decoded, or the option's
    log_probability: float  # nats, summed over its ids
    options: tuple[Option, ...] = ()  # targets that were scored


def is_ranked(family: Family, run: RunConfig) -> bool:
    """Whether an answer is chosen among given ones and nothing is decoded."""
    return family.kind == "ranking" or (
        family.kind == "classification" and run.classify == "rank"
    )


def answer(
    family: Family,
    store: Store,
    *,
    by: Predictor,
    examples: int,
    move: Move | None = None,
    progress: Progress = lambda done: None,
) -> list[Answer]:
    """Answers to the first examples of a store, in its order.

    `move` tells what is added to the vectors of a batch's inputs.
    """
    from xtl_jax.data.features import Lengths
    from xtl_jax.infer import predict

    if is_ranked(family, by.run):
        return _ranked(
            family, store, by=by, examples=examples, move=move, progress=progress
        )
    found = predict.predict(
        *(by.model, by.params, store),
        vocabulary=by.vocabulary,
        lengths=Lengths(**by.run.lengths),
        decode_length=by.decode_length,
        batch_size=by.run.predict_batch_size,
        first=examples,
        method=_decoding(by.run),
        put=by.put,
        move=move,
        progress=progress,
    )
    return [Answer(each.text, each.log_probability) for each in found]


def _decoding(run: RunConfig) -> models.Method:
    from xtl_jax.infer import model as models

    return models.method(
        beams=run.beams,
        length_penalty=run.length_penalty,
        rule=run.beam_rule,
        temperature=run.temperature,
        top_k=run.top_k,
        top_p=run.top_p,
        seed=run.sampling_seed,
    )


def with_candidates(
    family: Family,
    store: Store,
    answers: Sequence[Answer],
    *,
    by: Predictor,
    progress: Progress = lambda done: None,
) -> list[Answer]:
    """The same answers with the likelihood of each of the family's `candidates`."""
    texts = [family.candidates] * len(answers)
    scored = _options(texts, store, by=by, move=None, progress=progress)
    return [
        each._replace(options=(*each.options, *options))
        for each, options in zip(answers, scored, strict=True)
    ]


def _ranked(
    family: Family,
    store: Store,
    *,
    by: Predictor,
    examples: int,
    move: Move | None,
    progress: Progress,
) -> list[Answer]:
    from xtl_jax.metrics import ranking

    texts = [family.labels] * examples
    if family.kind == "ranking":
        texts = [_options_of(store, index) for index in range(examples)]
    answers = []
    for options in _options(texts, store, by=by, move=move, progress=progress):
        best = ranking.choose(
            [option.log_probability for option in options],
            target_lengths=[option.tokens for option in options]
            if by.run.rank_by == "mean"
            else None,
        )
        chosen = options[best]
        answers.append(Answer(chosen.text, chosen.log_probability, options))
    return answers


def _options_of(store: Store, index: int) -> Sequence[str]:
    meta = store.meta(index)
    if "options" not in meta:
        raise UserError(
            f"{store.folder}: example {meta['id']!r} has no options to rank; its "
            "family's prompt must give them"
        )
    return meta["options"]


def _options(
    texts: Sequence[Sequence[str]],
    store: Store,
    *,
    by: Predictor,
    move: Move | None,
    progress: Progress,
) -> list[tuple[Option, ...]]:
    """Each text of each of the first examples with its likelihood."""
    from xtl_jax.data.features import Lengths
    from xtl_jax.infer import rank
    from xtl_jax.infer.records import Option

    ids: dict[str, list[int]] = {}
    for each in texts:
        for text in each:
            if text not in ids:
                ids[text] = [*by.vocabulary.encode(text), by.vocabulary.eos_id]
    found = rank.rank(
        *(by.model, by.params, store),
        targets=[[ids[text] for text in each] for each in texts],
        lengths=Lengths(**by.run.lengths),
        batch_size=by.run.predict_batch_size,
        put=by.put,
        move=move,
        progress=progress,
    )
    return [
        tuple(
            Option(
                text=text,
                log_probability=likelihood.log_probability,
                tokens=likelihood.tokens,
            )
            for text, likelihood in zip(each, likelihoods, strict=True)
        )
        for each, likelihoods in zip(texts, found, strict=True)
    ]


def processed(family: Family, text: str, meta: Mapping[str, Any]) -> str:
    """A decoded text as it is scored."""
    from xtl_jax.data import prompts

    if family.kind == "ranking":
        return text  # an option's own text, white space and all
    if family.postprocess is not None:
        return family.postprocess(text, context=meta["context"])
    return prompts.postprocess(text, kind=family.kind, context=meta["context"])


def method(family: Family, by: Predictor) -> dict[str, Any]:
    """How answers are made, for their records."""
    shared = {"input_length": by.run.lengths["inputs"], "dtype": by.model.dtype}
    if is_ranked(family, by.run):
        return {"method": "rank", "rank_by": by.run.rank_by, **shared}
    if by.run.temperature:
        return {
            "method": "sampling",
            "temperature": by.run.temperature,
            "top_k": by.run.top_k,
            "top_p": by.run.top_p,
            "seed": by.run.sampling_seed,
            "max_length": by.decode_length,
            **shared,
        }
    if by.run.beams == 1:
        return {"method": "greedy", "max_length": by.decode_length, **shared}
    return {
        "method": "beam",
        "beams": by.run.beams,
        "length_penalty": by.run.length_penalty,
        "rule": by.run.beam_rule,
        "max_length": by.decode_length,
        **shared,
    }
