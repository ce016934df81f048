"""Beam search by two rules: T5X's and Hugging Face's.

Both keep `beams` unfinished hypotheses and as many finished ones, and extend the
unfinished by the 2 × beams best next ids. They differ in what a finished hypothesis
scores, which may finish, and when a row is done:

    rule         score                    may finish        a row is done when
    t5x          sum / ((5 + n) / 6) ^ a  all of 2 × beams  no unfinished one can
                                                            beat the worst finished
    huggingface  sum / n ^ a              the best `beams`  the same, judged by the
                                                            length so far; or, with
                                                            early stopping, as soon
                                                            as `beams` have finished

`n` counts generated ids with the end id. At the length limit Hugging Face takes the
unfinished for finished; T5X drops them, and only where none has finished returns the
unfinished, scored by their plain sums.

References: t5x/decoding.py (beam_search); transformers' GenerationMixin._beam_search.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

from xtl_jax.errors import UserError
from xtl_jax.model import decoding
from xtl_jax.model.decoding import EOS, PAD
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.typing import Array, Bool, Float, Int

Rule = Literal["t5x", "huggingface"]
_NEVER = -1e7  # a score that no hypothesis has; T5X fills empty places with it


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamSearch:
    """Settings of a search.

    Attributes:
        beams: hypotheses kept.
        length_penalty: the exponent `a`; 0 compares plain sums, more favours long ones.
        rule: whose penalty and stopping.
        early_stopping: of the rule huggingface.
    """

    beams: int = 4
    length_penalty: float = 0.6
    rule: Rule = "t5x"
    early_stopping: bool = False

    def __post_init__(self) -> None:
        if self.beams < 2:
            raise UserError(f"beams={self.beams}: a search has at least 2")
        if self.rule not in get_args(Rule):
            raise UserError(f"rule={self.rule!r} must be one of {get_args(Rule)}")

    def penalty(self, length: Any) -> Array:
        """What a sum of log-probabilities over `length` ids is divided by."""
        length = jnp.asarray(length, jnp.float32)
        base = (5.0 + length) / 6.0 if self.rule == "t5x" else length
        return base**self.length_penalty


class BeamDecoded(NamedTuple):
    """Hypotheses of a batch, the best first."""

    tokens: Int[Array, "batch beams length"]  # ids, the end id included, then 0
    scores: Float[Array, "batch beams"]  # what they were ranked by
    log_probability: Float[Array, "batch beams"]  # nats, summed up to the end id
    # Nats, 0 of a prefix and after the end id.
    token_log_probabilities: Float[Array, "batch beams length"]
    steps: Int[Array, ""]  # positions computed


class _Hypotheses(NamedTuple):
    """Some per row, each array [batch, number, ...]."""

    tokens: Int[Array, "batch number length"]
    gains: Float[Array, "batch number length"]  # log-probability of each token
    log_probs: Float[Array, "batch number"]  # their sum
    scores: Float[Array, "batch number"]


class _State(NamedTuple):
    index: Int[Array, ""]
    live: _Hypotheses  # scores are their log_probs
    finished: _Hypotheses
    open: Bool[Array, " batch"]  # rows that may still improve
    cache: Any


def search(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    *,
    settings: BeamSearch,
    max_length: int,
    vocabulary_size: int,
    prefix: Int[Array, "batch forced"] | None = None,
) -> BeamDecoded:
    """The most probable texts, as far as `beams` hypotheses at a time can see.

    Args:
        config: the model's shape.
        params: its parameters.
        inputs: token ids, 0 is padding.
        settings: of the search.
        max_length: positions at most, the end id and a prefix included.
        vocabulary_size: ids that exist; rows of the head beyond them are padding and
            are never chosen.
        prefix: ids that every hypothesis begins with, 0 after a shorter one; they add
            nothing to sums and lengths.
    """
    beams = settings.beams
    encoded, cross_bias = decoding.encode(config, params, inputs)
    params = decoding.with_layers_apart(params)
    batch = inputs.shape[0]
    forced = None if prefix is None else decoding.Prefix.of(prefix)
    skipped = jnp.zeros(batch, jnp.int32) if forced is None else forced.lengths
    first = jnp.full((batch, beams), _NEVER).at[:, 0].set(0.0)
    none = _Hypotheses(
        tokens=jnp.zeros((batch, beams, max_length), jnp.int32),
        gains=jnp.zeros((batch, beams, max_length)),
        log_probs=jnp.full((batch, beams), _NEVER),
        scores=jnp.full((batch, beams), _NEVER),
    )

    def unfinished(state: _State) -> Array:
        return (state.index < max_length) & jnp.any(state.open)

    def advance(state: _State) -> _State:
        index, live = state.index, state.live
        before = jnp.where(
            index > 0, jnp.take(live.tokens, jnp.maximum(index - 1, 0), axis=2), PAD
        )
        logits, cache = decoding.next_logits(
            *(config, params, state.cache, before.reshape(-1), index, cross_bias)
        )
        logits = decoding.only_real(logits, vocabulary_size)
        log_probs = jax.nn.log_softmax(logits, axis=-1).reshape(batch, beams, -1)
        if forced is not None:
            log_probs = forced.apply(log_probs, index)
        grown, parents, ids = _grow(live, log_probs, index)
        length = jnp.maximum(index + 1 - skipped, 1)[:, None]
        ended = ids == EOS
        last = index + 1 == max_length
        if settings.rule == "huggingface":
            ended = ended | jnp.broadcast_to(last, ended.shape)
            best = jnp.arange(2 * beams) < beams
            may_finish = ended & jnp.broadcast_to(best[None], ended.shape)
        else:
            may_finish = ended
        may_finish = may_finish & jnp.broadcast_to(state.open[:, None], ended.shape)
        finished = _best_finished(
            *(state.finished, grown, may_finish),
            penalty=jnp.broadcast_to(settings.penalty(length), ended.shape),
        )
        kept, chosen = _best(
            grown._replace(scores=jnp.where(ended, _NEVER, grown.log_probs)), beams
        )
        cache = _reorder(cache, jnp.take_along_axis(parents, chosen, axis=1))
        open_rows = state.open & _can_improve(
            *(settings, kept.scores, finished.scores),
            reached=length,
            most=max_length + 1 - skipped[:, None],  # T5X counts the start id here
        )
        return _State(index + 1, kept, finished, open_rows, cache)

    state = jax.lax.while_loop(
        unfinished,
        advance,
        _State(
            index=jnp.int32(0),
            live=none._replace(log_probs=first, scores=first),
            finished=none,
            # A row of nothing but padding is a filler of the last batch.
            open=jnp.any(inputs > 0, axis=1),
            cache=decoding.start(
                config, params, encoded, max_length=max_length, beams=beams
            ),
        ),
    )
    has = jnp.any(state.finished.scores > _NEVER / 2, axis=1, keepdims=True)
    done, live = state.finished, state.live
    real = jnp.any(inputs > 0, axis=1)[:, None, None]
    found = jax.tree.map(
        lambda a, b: jnp.where(
            jnp.broadcast_to(jnp.expand_dims(has, range(2, a.ndim)), a.shape), a, b
        ),
        done,
        live._replace(scores=live.log_probs),
    )
    shape = found.tokens.shape
    return BeamDecoded(
        tokens=jnp.where(jnp.broadcast_to(real, shape), found.tokens, PAD),
        scores=found.scores,
        log_probability=found.log_probs,
        token_log_probabilities=jnp.where(
            jnp.broadcast_to(real, shape), found.gains, 0.0
        ),
        steps=state.index,
    )


def _grow(
    live: _Hypotheses, log_probs: Float[Array, "batch beams vocab"], index: Array
) -> tuple[_Hypotheses, Array, Array]:
    """The 2 × beams best extensions, the best first; whose they are, and their ids."""
    batch, beams, vocab = log_probs.shape
    sums = jnp.broadcast_to(live.log_probs[..., None], log_probs.shape) + log_probs
    best, places = jax.lax.top_k(sums.reshape(batch, beams * vocab), 2 * beams)
    parents, ids = places // vocab, (places % vocab).astype(jnp.int32)
    tokens = jnp.take_along_axis(live.tokens, parents[..., None], axis=1)
    gains = jnp.take_along_axis(live.gains, parents[..., None], axis=1)
    gain = jnp.take_along_axis(log_probs.reshape(batch, beams * vocab), places, axis=1)
    write = jax.lax.dynamic_update_slice_in_dim
    grown = _Hypotheses(
        tokens=write(tokens, ids[..., None], index, axis=2),
        gains=write(gains, gain[..., None], index, axis=2),
        log_probs=best,
        scores=best,
    )
    return grown, parents, ids


def _best(hypotheses: _Hypotheses, number: int) -> tuple[_Hypotheses, Array]:
    """Those with the highest scores, the best first, and their places."""
    scores, places = jax.lax.top_k(hypotheses.scores, number)
    return (
        _Hypotheses(
            tokens=jnp.take_along_axis(hypotheses.tokens, places[..., None], axis=1),
            gains=jnp.take_along_axis(hypotheses.gains, places[..., None], axis=1),
            log_probs=jnp.take_along_axis(hypotheses.log_probs, places, axis=1),
            scores=scores,
        ),
        places,
    )


def _best_finished(
    finished: _Hypotheses, grown: _Hypotheses, may_finish: Array, *, penalty: Array
) -> _Hypotheses:
    candidates = grown._replace(
        scores=jnp.where(may_finish, grown.log_probs / penalty, _NEVER)
    )
    both = jax.tree.map(
        lambda old, new: jnp.concatenate([old, new], axis=1), finished, candidates
    )
    return _best(both, finished.scores.shape[1])[0]


def _can_improve(
    settings: BeamSearch,
    live: Float[Array, "batch beams"],
    finished: Float[Array, "batch beams"],
    *,
    reached: Array,
    most: Array,
) -> Bool[Array, " batch"]:
    """Whether an unfinished hypothesis may still enter the finished ones."""
    worst = jnp.min(finished, axis=1)
    full = worst > _NEVER / 2
    length = most if settings.rule == "t5x" else reached
    possible = live[:, 0] / settings.penalty(length)[:, 0]
    improvable = ~full | (possible > worst)
    if settings.rule == "huggingface" and settings.early_stopping:
        improvable = improvable & ~full
    return improvable


def _reorder(cache: Any, parents: Int[Array, "batch beams"]) -> Any:
    """The cache of each kept hypothesis; encoder keys belong to all of a row's."""
    axis = 0 if isinstance(cache["self"], list) else 1  # layers come before the rows

    def taken(values: Array) -> Array:
        before, after = values.shape[:axis], values.shape[axis + 1 :]
        grouped = values.reshape(*before, *parents.shape, *after)
        index = parents.reshape(*(1,) * axis, *parents.shape, *(1,) * len(after))
        found = jnp.take_along_axis(grouped, index, axis=axis + 1)
        return found.reshape(values.shape)

    return {**cache, "self": jax.tree.map(taken, cache["self"])}
