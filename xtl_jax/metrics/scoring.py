"""From rows to a score: one language of one task, with everything needed to judge it.

A *row* is one example: its id, its references, and what was predicted for it, or `None`
where the prediction is missing. Missing predictions score 0, stay in the total and are
counted; two rows with one id, or a prediction for an id that nobody asked, are errors.

    >>> from xtl_jax.metrics import accuracy
    >>> gold = [Row(id="1", references=("yes",)), Row(id="2", references=("no",))]
    >>> rows = join(gold, [Row(id="1", references=("yes",), prediction="yes")])
    >>> found = score(
    ...     accuracy.METRIC,
    ...     rows,
    ...     task="toy.en",
    ...     family="toy",
    ...     language="en",
    ...     split="test",
    ...     labels=("yes", "no"),
    ... )
    >>> found.values, found.missing, found.chance_percent
    ({'accuracy': 50.0}, 1, 50.0)

The *signature* names every choice a number depends on, in one line, so that two numbers
with the same signature were made the same way.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xtl_jax
from xtl_jax.errors import UserError, near
from xtl_jax.metrics import answer_language, health
from xtl_jax.metrics.metric import Counts, Metric, add


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One example and what was predicted for it."""

    id: str
    references: tuple[str, ...] | None  # None: only the id is known
    prediction: str | None = None  # None: missing
    prediction_raw: str | None = None  # as decoded; None: the same as the prediction
    context: str | None = None
    # Of a tagged sentence: parts of the raw text that found no place, and all parts.
    parts: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """One language of one task. Values, intervals and shares are in percent."""

    task: str
    family: str
    language: str
    split: str
    metric: str
    primary: str
    total: int
    missing: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    shares_percent: Mapping[str, float | None]
    chance_percent: float | None
    signature: str
    checkpoint: str | None
    step: int | None
    counts: Mapping[str, Counts]  # by example id: what summaries resample
    per_example: Mapping[str, Sequence[float]]  # by key, 0 to 1, in the order of ids

    def to_json(self, *, per_example: bool = True) -> dict[str, Any]:
        """The document of `scores/TASK.LANGUAGE.json`."""
        document = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("counts", "per_example")
        }
        document["intervals"] = {
            key: list(pair) for key, pair in self.intervals.items()
        }
        if per_example:
            document["per_example"] = {
                "ids": list(self.counts),
                **{key: list(values) for key, values in self.per_example.items()},
            }
        return document


def join(gold: Iterable[Row], predicted: Iterable[Row]) -> list[Row]:
    """Predicted rows in the order of the gold rows; those not predicted are missing.

    Gold rows whose references are `None` tell only which ids there are.

    Raises:
        UserError: a prediction for an id that is not in the gold rows, or one that was
            made with other references.
    """
    wanted = {row.id: row for row in gold}
    said = {row.id: row for row in predicted}
    unknown = [id_ for id_ in said if id_ not in wanted]
    if unknown:
        raise UserError(
            f"{len(unknown)} of {len(said)} predictions have an id that is not in the "
            f"gold data, such as {unknown[0]!r} (near: {near(unknown[0], wanted)}); "
            "predictions and gold must be of the same task, language and split"
        )
    for row in said.values():
        references = wanted[row.id].references
        if references is not None and references != row.references:
            raise UserError(
                f"example {row.id!r}: was predicted with the references "
                f"{list(row.references or ())}, the gold data has {list(references)}; "
                "predict again on this data"
            )
    return [said.get(id_, row) for id_, row in wanted.items()]


def count(metric: Metric, rows: Iterable[Row], *, language: str) -> list[Counts]:
    """The counts of each row, in order.

    Raises:
        UserError: a row that the metric cannot score, named by its id.
    """
    counted = []
    for row in rows:
        if row.references is None:
            if row.prediction is not None or metric.missing is None:
                raise UserError(
                    f"example {row.id!r}: its references are not known, and what it "
                    f"counts for in {metric.name} depends on them; score with the "
                    "evaluation data (`xtl score --data_dir`), or predict again"
                )
            counted.append(metric.missing)
            continue
        try:
            counted.append(
                metric.counts(
                    row.prediction, references=row.references, language=language
                )
            )
        except UserError as error:
            raise UserError(f"example {row.id!r}: {error}") from None
    return counted


def score(
    metric: Metric,
    rows: Sequence[Row],
    *,
    task: str,
    family: str,
    language: str,
    split: str,
    labels: Sequence[str] = (),
    chance_percent: float | None = None,
    answers_in: str = "",
    checkpoint: str | None = None,
    step: int | None = None,
    post: str = "none",
    resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Score one language.

    Args:
        metric: how.
        rows: the examples, missing predictions included.
        task: full name, as `mlqa.ar`.
        family: its family, as `mlqa`.
        language: of the examples; a pair `CONTEXT-QUESTION` where they are mixed.
        split: `train`, `validation` or `test`.
        labels: what a classifier may say; chance is one of them.
        chance_percent: what guessing scores, where labels do not tell.
        answers_in: language that answers should be in which a model wrote in words;
            shares of those in another one are told, too. "": nothing is.
        checkpoint: what predicted.
        step: of the checkpoint.
        post: what was done to predictions before they were scored, for the signature.
        resamples: bootstrap resamples of the intervals.
        seed: of the bootstrap.

    Raises:
        UserError: no rows, two rows with one id, or a row that cannot be scored.
    """
    from xtl_jax.metrics import bootstrap  # numpy is imported only when it is needed

    if not rows:
        raise UserError(f"{task}: there is no example to score")
    counts: dict[str, Counts] = {}
    for row, row_counts in zip(
        rows, count(metric, rows, language=language), strict=True
    ):
        if row.id in counts:
            raise UserError(
                f"{task}: the id {row.id!r} occurs twice; each example is scored once: "
                "remove one of the two"
            )
        counts[row.id] = row_counts
    missing = sum(row.prediction is None for row in rows)
    each = [metric.combine(row_counts) for row_counts in counts.values()]
    return Score(
        task=task,
        family=family,
        language=language,
        split=split,
        metric=metric.name,
        primary=metric.primary,
        total=len(rows),
        missing=missing,
        values=metric.combine(add(counts.values())),
        intervals=bootstrap.intervals(
            counts, metric=metric, resamples=resamples, seed=seed
        ),
        shares_percent=_shares(rows, labels=labels, answers_in=answers_in),
        chance_percent=100.0 / len(labels) if labels else chance_percent,
        signature=signature(
            metric,
            task=task,
            split=split,
            total=len(rows),
            missing=missing,
            post=post,
            resamples=resamples,
            seed=seed,
        ),
        checkpoint=checkpoint,
        step=step,
        counts=counts,
        per_example={
            key: [values[key] / 100.0 for values in each] for key in metric.keys
        },
    )


def _shares(
    rows: Iterable[Row], *, labels: Sequence[str], answers_in: str
) -> dict[str, float | None]:
    """Of predictions that are there: no answers, and answers in another language."""
    said = [(row, row.prediction) for row in rows if row.prediction is not None]
    found = health.shares(
        (
            health.Output(
                prediction=prediction,
                raw=prediction if row.prediction_raw is None else row.prediction_raw,
                context=row.context,
                parts=row.parts,
            )
            for row, prediction in said
        ),
        labels=labels,
    )
    if answers_in:
        found |= answer_language.shares(
            (
                answer_language.Answer(
                    prediction=prediction,
                    context=row.context,
                    references=row.references or (),
                )
                for row, prediction in said
            ),
            language=answers_in,
        )
    return found


def signature(
    metric: Metric,
    *,
    task: str,
    split: str,
    total: int,
    missing: int,
    resamples: int,
    seed: int,
    post: str = "none",
) -> str:
    """Every choice a number depends on, in one line, as sacreBLEU has it.

    `norm` is what is done to predictions and gold answers alike before they are
    compared, `gold` and `post` what was done to one of them before that. `unicode` is
    the version of the Unicode tables that decide what punctuation is.
    """
    choices = {
        "task": task,
        "split": split,
        "metric": metric.name,
        "norm": metric.normaliser,
        "gold": metric.gold,
        "post": post,
        "agg": metric.aggregation,
        "n": total,
        "missing": missing,
        "interval": f"bootstrap95,{resamples},seed{seed}",
        "unicode": unicodedata.unidata_version,
        "v": xtl_jax.__version__,
    }
    return "|".join(["xtl", *(f"{name}:{value}" for name, value in choices.items())])
