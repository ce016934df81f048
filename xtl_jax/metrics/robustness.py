"""Clean and attacked answers to the same examples: what an attack costs a model.

    clean      the metric over the examples that the attack applies to
    attacked   the same, after the attack
    gap        clean minus attacked, in points; its interval is paired: a resample draws
               an example with both of its answers
    success    of the examples that were right, in percent: those that are wrong now
    queries    texts that the model was asked about, for each example that was right;
               and for each success

*Right* is an exact match where the metric has one, else 100 % of its primary value. An
example to which the attack does not apply is in none of these; how many there are, and
why, is beside them. An example that a search *spared*, because no candidate hurt, is in
all of them, with its clean answer.

    >>> from xtl_jax.metrics import accuracy
    >>> right, wrong = ({"total": 1.0, "correct": float(c)} for c in (1, 0))
    >>> found = compare(
    ...     {"a": right, "b": right, "c": wrong, "d": right},
    ...     {"a": right, "b": wrong, "c": wrong, "d": right},
    ...     attacks={name: Facts(queries=4) for name in "abc"}
    ...     | {"d": Facts(not_applied="no capitals")},
    ...     metric=accuracy.METRIC,
    ... )
    >>> [round(found.values[key], 1) for key in ("clean", "attacked", "gap", "success")]
    [66.7, 33.3, 33.3, 50.0]
    >>> found.examples, found.not_applied, found.queries_per_success
    (3, {'no capitals': 1}, 8.0)
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.errors import UserError, near
from xtl_jax.metrics import groups
from xtl_jax.metrics.metric import Counts, Metric, add, mean_values

KEYS = ("clean", "attacked", "gap", "success")
_WHOLE = 100.0 - 1e-9  # percent of an answer that is right


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What an attack did to one example."""

    not_applied: str = ""  # why it has no meaning there
    spared: str = ""  # why a search left it as it was
    queries: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Robustness:
    """One language under one attack. Values and intervals are percent and points."""

    examples: int  # to which the attack applies
    not_applied: Mapping[str, int]  # reason to examples
    spared: Mapping[str, int]
    right: int  # examples that were right before
    values: Mapping[str, float | None]  # by `KEYS`
    intervals: Mapping[str, tuple[float, float]]
    queries_per_example: float
    queries_per_success: float | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        document = dataclasses.asdict(self)
        document["intervals"] = {
            key: list(ends) for key, ends in self.intervals.items()
        }
        return document


def check_pairs(clean: Mapping[str, Any], attacked: Mapping[str, Any]) -> None:
    """Refuse two sets of answers that are not to the same examples.

    Raises:
        UserError: an id is on one side only; names some.
    """
    lonely = sorted(clean.keys() ^ attacked.keys())
    if not lonely:
        return
    shown = ", ".join(map(repr, lonely[:5])) + (", …" if len(lonely) > 5 else "")
    side = "clean" if lonely[0] in clean else "attacked"
    raise UserError(
        f"{len(lonely)} of {len(clean.keys() | attacked.keys())} examples have answers "
        f"on one side only: {shown} ({lonely[0]!r} only {side}; near: "
        f"{near(lonely[0], clean.keys() & attacked.keys())}); predict both again with "
        "the same --examples"
    )


def compare(
    clean: Mapping[str, Counts],
    attacked: Mapping[str, Counts],
    *,
    attacks: Mapping[str, Facts],
    metric: Metric,
    resamples: int = 1000,
    seed: int = 0,
) -> Robustness:
    """What an attack costs in one language.

    Args:
        clean: counts of each example by id.
        attacked: the same, after the attack.
        attacks: what it did to each.
        metric: that counted.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UserError: the ids differ, or the attack applies to no example.
    """
    check_pairs(clean, attacked)
    ids = applied(attacks)
    if not ids:
        raise UserError("the attack applies to no example, so nothing can be compared")
    rows = {id_: (clean[id_], attacked[id_]) for id_ in ids}
    found, draws = _values(rows, metric=metric, resamples=resamples, seed=seed)
    before, after = _right(rows, metric=metric)
    won = sum(was and not now for was, now in zip(before, after, strict=True))
    queries = sum(attacks[id_].queries for id_ in ids)
    of_right = sum(
        attacks[id_].queries for id_, was in zip(ids, before, strict=True) if was
    )
    return Robustness(
        examples=len(ids),
        not_applied=_counted(each.not_applied for each in attacks.values()),
        spared=_counted(attacks[id_].spared for id_ in ids),
        right=sum(before),
        values=found,
        intervals=groups.intervals(draws),
        queries_per_example=queries / len(ids),
        queries_per_success=of_right / won if won else None,
    )


def applied(attacks: Mapping[str, Facts]) -> list[str]:
    """Ids of the examples to which an attack applies."""
    return [id_ for id_, facts in attacks.items() if not facts.not_applied]


def mean(
    rows: Mapping[str, Mapping[str, tuple[Counts, Counts]]],
    *,
    metric: Metric,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Intervals of the plain means over languages; `of_groups` has the arguments."""
    sides = _draws(rows, metric=metric, resamples=resamples, seed=seed)
    draws = {each: _paired(sides, each, metric=metric) for each in rows}
    return groups.intervals(mean_values(draws))


def of_groups(
    rows: Mapping[str, Mapping[str, tuple[Counts, Counts]]],
    *,
    metric: Metric,
    languages: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[groups.Group, ...]:
    """Means over groups of languages: by script, resources, family, …

    Args:
        rows: by language, counts before and after by id.
        metric: that counted.
        languages: those to be parted; of the others a group has no mean.
        resamples: of the bootstrap, which draws an id in all languages together.
        seed: of the bootstrap.
    """
    values, draws = {}, {}
    sides = _draws(rows, metric=metric, resamples=resamples, seed=seed)
    for language, of_one in rows.items():
        values[language] = _means(of_one, metric=metric)
        draws[language] = _paired(sides, language, metric=metric)
    return groups.of_languages(values, draws=draws, languages=tuple(languages))


def _means(
    rows: Mapping[str, tuple[Counts, Counts]], *, metric: Metric
) -> dict[str, float]:
    """The values that are always there."""
    clean, attacked = (
        metric.combine(add(pair[side] for pair in rows.values()))[metric.primary]
        for side in (0, 1)
    )
    return {"clean": clean, "attacked": attacked, "gap": clean - attacked}


def _values(
    rows: Mapping[str, tuple[Counts, Counts]],
    *,
    metric: Metric,
    resamples: int,
    seed: int,
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Values by `KEYS`, and resampled ones."""
    before, after = _right(rows, metric=metric)
    right = sum(before)
    won = sum(was and not now for was, now in zip(before, after, strict=True))
    values: dict[str, float | None] = {
        **_means(rows, metric=metric),
        "success": 100.0 * won / right if right else None,
    }
    sides = _draws({"": rows}, metric=metric, resamples=resamples, seed=seed)
    draws = _paired(sides, "", metric=metric)
    if right:
        draws["success"] = _success_draws(before, after, resamples=resamples, seed=seed)
    return values, draws


def _draws(
    rows: Mapping[str, Mapping[str, tuple[Counts, Counts]]],
    *,
    metric: Metric,
    resamples: int,
    seed: int,
) -> Mapping[str, Any]:
    from xtl_jax.metrics import bootstrap  # numpy is imported only when it is needed

    return bootstrap.draws(
        {
            f"{language}/{side}": {id_: pair[side] for id_, pair in of_one.items()}
            for language, of_one in rows.items()
            for side in (0, 1)
        },
        metric=metric,
        resamples=resamples,
        seed=seed,
    )


def _paired(
    sides: Mapping[str, Any], language: str, *, metric: Metric
) -> dict[str, Any]:
    clean, attacked = (sides[f"{language}/{side}"][metric.primary] for side in (0, 1))
    return {"clean": clean, "attacked": attacked, "gap": clean - attacked}


def _success_draws(
    before: Sequence[bool], after: Sequence[bool], *, resamples: int, seed: int
) -> Any:
    """Shares among resampled examples that were right."""
    import numpy as np

    kept = [not now for was, now in zip(before, after, strict=True) if was]
    rng = np.random.default_rng([seed, len(kept)])
    return 100.0 * rng.binomial(len(kept), sum(kept) / len(kept), resamples) / len(kept)


def _right(
    rows: Mapping[str, tuple[Counts, Counts]], *, metric: Metric
) -> tuple[list[bool], list[bool]]:
    """Whether each example is right before and after."""
    key = "exact_match" if "exact_match" in metric.keys else metric.primary
    return tuple(  # type: ignore[return-value]
        [metric.combine(pair[side])[key] >= _WHOLE for pair in rows.values()]
        for side in (0, 1)
    )


def _counted(reasons: Any) -> dict[str, int]:
    return dict(collections.Counter(reason for reason in reasons if reason))
