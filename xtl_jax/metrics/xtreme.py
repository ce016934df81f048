"""What XTREME's `evaluate.py` computes, for one pair of files and for all of them.

A submission has one prediction file for each task and language. A file scored against
its label file gives *values*; values of all languages make a task's averages, and these
make the overall scores:

    >>> score_file("pawsx", gold="1\\n0\\n", predictions="1\\n1\\n", language="de")
    {'accuracy': 50.0}
    >>> found = evaluate("xtreme", {})
    >>> found.overall, found.detailed
    ({}, {})

The numbers have the script's names: a task's metrics by language, their means over the
languages as `avg_…`, and `avg_metric`, which is the F1, the accuracy, map@20, or for
questions the mean of exact match and F1. An overall score is there only if all of its
tasks are. XTREME-R never has one over all tasks, since the script cannot score LAReQA;
`benchmark_score.py` has ours.

UDPOS is span F1 of bare tags, as seqeval finds spans. XTREME's published numbers, and
the ones its own test expects, need seqeval before 1.0: that is what stands here.
`score_file(…, seqeval="1")` gives what newer versions find.

Reference: XTREME's evaluate.py (commit 838c13b).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from xtl_jax.metrics import (
    accuracy,
    benchmark_score,
    mlqa,
    official,
    official_lines,
    qa,
    retrieval,
    scoring,
    tagging,
)
from xtl_jax.metrics.benchmark import BENCHMARKS, Task
from xtl_jax.metrics.metric import Counts, Metric, Values, add
from xtl_jax.metrics.scoring import Row

# (gold, predictions, *, gold_name, prediction_name) to rows
Pairing = Callable[..., Sequence[Row]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """How a task's files are paired, and what scores them."""

    suffix: str  # of the file names
    rows: Pairing
    metric: Metric
    combine: Callable[[Counts], dict[str, float]]  # to the script's values


def _labels(
    gold: str, predictions: str, *, gold_name: str, prediction_name: str
) -> Sequence[Row]:
    wanted = official_lines.verbatim_rows(official_lines.labels(gold), source=gold_name)
    said = official_lines.labels(predictions)
    return official_lines.classify(wanted, said, source=prediction_name)


def _tags(
    gold: str, predictions: str, *, gold_name: str, prediction_name: str
) -> Sequence[Row]:
    wanted = official_lines.tag_rows(official_lines.sentences(gold), source=gold_name)
    said = official_lines.sentences(predictions)
    return official_lines.tag(wanted, said, source=prediction_name)


def _options(
    gold: str, predictions: str, *, gold_name: str, prediction_name: str
) -> Sequence[Row]:
    wanted = official_lines.option_rows(gold, source=gold_name)
    said = official_lines.options(predictions, source=prediction_name)
    return official_lines.classify(wanted, said, source=prediction_name)


def _pairs(
    gold: str, predictions: str, *, gold_name: str, prediction_name: str
) -> Sequence[Row]:
    return official_lines.pair_rows(gold, predictions, source=gold_name)


def _rankings(
    gold: str, predictions: str, *, gold_name: str, prediction_name: str
) -> Sequence[Row]:
    right = official.rankings(gold, source=gold_name)
    wanted = official.ranking_rows(right, source=gold_name)
    found = official.rankings(predictions, source=prediction_name)
    return official.answer(wanted, official.joined(found), source=prediction_name)


def _questions(
    gold: str, predictions: str, *, gold_name: str, prediction_name: str
) -> Sequence[Row]:
    wanted = official.questions(gold, source=gold_name)
    said = official.answers(predictions, source=prediction_name)
    return official.answer(wanted, said, source=prediction_name)


def _layout(
    rows: Pairing,
    metric: Metric,
    *,
    suffix: str = "tsv",
    combine: Callable[[Counts], dict[str, float]] | None = None,
) -> Layout:
    return Layout(
        suffix=suffix, rows=rows, metric=metric, combine=combine or metric.combine
    )


LAYOUTS: Mapping[str, Layout] = {
    "pawsx": _layout(_labels, accuracy.METRIC),
    "xnli": _layout(_labels, accuracy.METRIC),
    "panx": _layout(_tags, tagging.SPAN_F1),
    # F1, precision and recall; not the token accuracy that the metric has beside F1.
    "udpos": _layout(_tags, tagging.CHUNK_F1, combine=tagging.SPAN_F1.combine),
    "bucc2018": _layout(_pairs, retrieval.BUCC),
    "tatoeba": _layout(_labels, accuracy.METRIC),
    "xcopa": _layout(_options, accuracy.METRIC, suffix="jsonl"),
    "mewslix": _layout(_rankings, retrieval.MEWSLIX, suffix="json"),
    "xquad": _layout(_questions, qa.METRIC, suffix="json"),
    "mlqa": _layout(_questions, mlqa.METRIC, suffix="json"),
    "tydiqa": _layout(_questions, qa.METRIC, suffix="json"),
}


def file_name(task: str, *, language: str) -> str:
    """Name of a task's file in its folder.

    Example:
        >>> file_name("xnli", language="ar"), file_name("xcopa", language="et")
        ('test-ar.tsv', 'test-et.jsonl')
    """
    return f"test-{language}.{LAYOUTS[task].suffix}"


def score_file(
    task: str,
    *,
    gold: str,
    predictions: str,
    language: str,
    gold_name: str = "the label file",
    prediction_name: str = "the prediction file",
    seqeval: tagging.Seqeval = "0",
) -> dict[str, float]:
    """Values of one language of a task, in percent, under the script's names.

    Args:
        task: folder name of the task, such as `bucc2018`.
        gold: text of the label file.
        predictions: text of the prediction file.
        language: of the examples.
        gold_name: of the label file, for errors.
        prediction_name: of the prediction file, for errors.
        seqeval: major version whose spans UDPOS counts; of no matter for other tasks.

    Raises:
        UserError: a file that the script cannot score either, named.
    """
    layout = LAYOUTS[task]
    rows = layout.rows(
        gold, predictions, gold_name=gold_name, prediction_name=prediction_name
    )
    if task == "udpos" and seqeval == "1":
        return newer_chunk_f1(rows)
    counts = scoring.count(layout.metric, rows, language=language)
    return layout.combine(add(counts))


def newer_chunk_f1(rows: Sequence[Row]) -> dict[str, float]:
    """F1, precision and recall of bare tags by seqeval 1, over all sentences at once.

    Sentences are put in one line with an O after each, as seqeval does: a tag of one
    letter (X) has O's type there, so its chunk can begin in the sentence before.
    """

    def flat(texts: Iterable[str]) -> set[tagging.Chunk]:
        tags = [tag for text in texts for tag in (*text.split(" "), "O")]
        return tagging.chunks(tags, seqeval="1")

    gold = flat(reference for row in rows for reference in row.references or ())
    said = flat(row.prediction for row in rows if row.prediction is not None)
    return tagging.SPAN_F1.combine(
        {
            "total": float(len(rows)),
            "true_positives": float(len(gold & said)),
            "false_positives": float(len(said - gold)),
            "false_negatives": float(len(gold - said)),
        }
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the script prints, in percent."""

    overall: Mapping[str, float]  # all_task and groups, where all of their tasks are
    detailed: Mapping[str, Mapping[str, Any]]  # by task


def scored_tasks(version: str) -> tuple[Task, ...]:
    """Tasks of a version that the script can score, in its order."""
    return tuple(task for task in BENCHMARKS[version].tasks if not task.ours)


def evaluate(version: str, values: Mapping[str, Mapping[str, Values]]) -> Evaluation:
    """Averages and overall scores from the values of languages.

    Args:
        version: `xtreme` or `xtreme-r`.
        values: by task and language, as `score_file` returns them.

    Raises:
        UserError: a task that the version does not have.
        ValueError: a task of which a language is missing.
    """
    found = benchmark_score.score(version, values)
    detailed = {}
    for score in found.tasks:
        if score.task.name not in values:
            continue
        if score.averages is None:
            raise ValueError(
                f"{score.task.name} lacks {', '.join(score.missing_languages)}: a mean "
                "over fewer languages is another number"
            )
        rows = values[score.task.name]
        detailed[score.task.name] = {
            **{
                key: {
                    language: rows[language][key] for language in score.task.languages
                }
                for key in score.averages
            },
            **{f"avg_{key}": mean for key, mean in score.averages.items()},
            "avg_metric": score.score,
        }
    means = {"all_task": found.all_tasks} | {mean.name: mean for mean in found.groups}
    return Evaluation(
        overall={
            name: mean.score
            for name, mean in means.items()
            if mean.score is not None and not mean.ours
        },
        detailed=detailed,
    )
