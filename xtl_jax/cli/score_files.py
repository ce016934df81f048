"""One prediction file against one gold file: what the official scripts do.

The part of `xtl score` that takes outside files. The gold file is the release's own, or
XTREME's label file; the predictions are what an XTREME submission holds for that task
and language:

    QA              {"question id": "answer", ...}; SQuAD v2.0 also --na_probs
    classification  one label a line; multiple choice also {"label": 0} a line
    tagging         one tag a line, a blank line between sentences
    bucc            source id, tab, English id
    tatoeba         number of the line found, from 0
    mewslix, lareqa {"example id": ["best id", ...], ...}
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from xtl_jax.cli import score_release
from xtl_jax.errors import UserError
from xtl_jax.metrics import (
    accuracy,
    mlqa,
    official,
    official_lines,
    scoring,
    squad_v2,
    tagging,
    xtreme,
)
from xtl_jax.metrics.metric import Counts, Metric, add

if TYPE_CHECKING:
    from xtl_tasks.family import Family

GoldAnswers = Literal["raw", "mt5_padded"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One pair of files, and what scores it."""

    family: Family
    metric: Metric
    language: str
    gold: str  # path of the gold file; plain, .xz, .gz or .bz2
    predictions: str  # path of the prediction file
    na_probs: str | None = None  # path of no-answer probabilities (SQuAD v2.0)
    na_prob_thresh: float = 1.0  # above it a prediction counts as no answer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paired:
    """Gold rows with their predictions."""

    rows: list[scoring.Row]
    notes: Mapping[str, int] = dataclasses.field(default_factory=dict)  # counts
    total: int | None = None  # gold examples, where they are not the rows
    values: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )  # more of them


def language_of(family: Family, *, task: str, language: str | None) -> str:
    """The language that `--task` and `--language` mean together.

    Args:
        family: what the part of `task` before its dot names.
        task: as given: `mlqa`, `mlqa.ar` or `squad_v1`.
        language: as given; needed unless the task names it or has only one.

    Raises:
        UserError: none, two different ones, or one that the family lacks.
    """
    _, dot, of_task = task.partition(".")
    if dot and language is not None and of_task != language:
        raise UserError(f"--task={task} and --language={language} differ: give one")
    language = of_task if dot else language
    if language is None:
        if not family.has_one_language:
            raise UserError(
                f"--language is missing: {family.name} has "
                f"{', '.join(family.languages[:20])}"
            )
        return family.languages[0]
    context, dash, question = language.partition("-")
    if dash and context == question:
        language = context  # MLQA's file names write same-language pairs so
    family.check_language(language)
    return language


def score_files(
    family: Family,
    *,
    language: str,
    gold: str,
    predictions: str,
    na_probs: str | None = None,
    na_prob_thresh: float = 1.0,
    gold_answers: GoldAnswers = "raw",
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score one file against another.

    Args:
        family: whose scorer is used.
        language: of the examples; of a pair, `CONTEXT-QUESTION`.
        gold: path of a file in the release's own format, or XTREME's label file; plain,
            .xz, .gz or .bz2.
        predictions: path of a file as in an XTREME submission.
        na_probs: path of no-answer probabilities by question id (SQuAD v2.0).
        na_prob_thresh: above it a prediction counts as no answer.
        gold_answers: of questions: "raw" as the official scripts have them, or
            "mt5_padded" with spaces around punctuation (`metrics/padded.py`).
        resamples: bootstrap resamples of the intervals.
        seed: of the bootstrap.

    Returns:
        Values in percent by key, `total`, `missing` (scored 0), where they apply
        `unknown` (ids of predictions that are in no gold row: ignored) and `illegal`
        (predictions that are no label of the gold file: wrong), then `intervals` and
        `signature`.

    Raises:
        UserError: a file that cannot be read or scored, or a family without a scorer.
    """
    from xtl_jax.metrics import bootstrap  # numpy is imported only when it is needed

    metric = family.metric
    pair = _PAIRINGS.get(family.name) or _PAIRINGS.get(family.kind)
    if metric is None or pair is None:
        raise UserError(f"--task={family.name}: has no official scorer")
    if metric.name == mlqa.METRIC.name:
        mlqa.answer_language(language)  # an unknown one fails before files are read
    if gold_answers == "mt5_padded":
        metric = _padded(family, metric)
    if na_probs is not None and metric.name != squad_v2.METRIC.name:
        raise UserError(
            f"--na_probs: {family.name} has no question without an answer; the "
            "probabilities are of squad_v2"
        )
    paired = pair(
        Request(
            family=family,
            metric=metric,
            language=language,
            gold=gold,
            predictions=predictions,
            na_probs=na_probs,
            na_prob_thresh=na_prob_thresh,
        )
    )
    # Two questions of an official file may have one id: rows are told apart by place.
    counts: dict[str, Counts] = {
        str(place): row_counts
        for place, row_counts in enumerate(
            scoring.count(metric, paired.rows, language=language)
        )
    }
    if not counts:
        raise UserError(f"{gold}: holds no example, so there is nothing to score")
    total = len(paired.rows) if paired.total is None else paired.total
    missing = sum(row.prediction is None for row in paired.rows)
    intervals = bootstrap.intervals(
        counts, metric=metric, resamples=resamples, seed=seed
    )
    return {
        **metric.combine(add(counts.values())),
        **paired.values,
        "total": total,
        "missing": missing,
        **paired.notes,
        "intervals": {key: list(ends) for key, ends in intervals.items()},
        "signature": scoring.signature(
            metric,
            task=family.task_name(language),
            split="file",
            total=total,
            missing=missing,
            resamples=resamples,
            seed=seed,
        ),
    }


def _padded(family: Family, metric: Metric) -> Metric:
    """mT5's own way to score a family's questions."""
    from xtl_jax.data import prompts
    from xtl_jax.metrics import padded, qa

    if metric.name not in (qa.METRIC.name, mlqa.METRIC.name):
        raise UserError(
            f"--gold_answers mt5_padded: {family.name} has no gold answers that mT5 "
            "pads; questions of SQuAD's and MLQA's kind have"
        )
    return padded.padded_gold(metric, pad=prompts.pad_punctuation)


def read_text(path: str) -> str:
    """A file's text, decompressed; a byte order mark stays, as the scripts see it.

    An empty file is an empty text: BUCC's script scores it as nothing found.

    Raises:
        UserError: it cannot be read, or is not UTF-8.
    """
    from xtl_jax.data import sources

    if os.path.isfile(path) and not os.path.getsize(path):
        return ""
    data = sources.read_bytes(path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.start} is 0x{data[error.start]:02x}, which is not "
            f"UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None


def _questions(request: Request) -> Paired:
    is_v2 = request.metric.name == squad_v2.METRIC.name
    wanted = official.questions(
        read_text(request.gold),
        source=request.gold,
        unanswerable="keep" if is_v2 else "refuse",
    )
    said = official.answers(read_text(request.predictions), source=request.predictions)
    rows = official.answer(wanted, said, source=request.predictions)
    notes = {"unknown": len(said.keys() - {row.id for row in wanted})}
    if not is_v2:
        return Paired(rows=rows, notes=notes)
    no_answer = None
    if request.na_probs is not None:
        no_answer = official.probabilities(
            read_text(request.na_probs), source=request.na_probs
        )
    values = squad_v2.evaluate(
        rows, no_answer=no_answer, threshold=request.na_prob_thresh
    )
    if no_answer is not None:
        rows = [
            dataclasses.replace(row, prediction="")
            if row.prediction is not None and no_answer[row.id] > request.na_prob_thresh
            else row
            for row in rows
        ]
    return Paired(
        rows=rows,
        notes=notes,
        # Under the script's names, and under ours, the same numbers.
        values={**values, "exact_match": values["exact"]},
    )


def _labels(request: Request) -> Paired:
    gold = score_release.labels(
        read_text(request.gold),
        family=request.family,
        language=request.language,
        source=request.gold,
        by_class=request.metric.name != accuracy.METRIC.name,
    )
    text = read_text(request.predictions)
    if text.lstrip().startswith("{"):
        said = official_lines.options(text, source=request.predictions)
    else:
        said = official_lines.labels(text)
    rows = official_lines.classify(
        gold.rows, [gold.label(each) for each in said], source=request.predictions
    )
    legal = {label for row in rows for label in row.references or ()}
    legal.update(gold.classes)
    return Paired(
        rows=rows, notes={"illegal": sum(row.prediction not in legal for row in rows)}
    )


def _tags(request: Request) -> Paired:
    gold = score_release.tags(
        read_text(request.gold),
        family=request.family,
        language=request.language,
        source=request.gold,
    )
    said = official_lines.sentences(read_text(request.predictions))
    rows = official_lines.tag(gold, said, source=request.predictions)
    if request.metric.name != tagging.CHUNK_F1.name:
        return Paired(rows=rows)

    counts = scoring.count(request.metric, rows, language=request.language)
    published = tagging.SPAN_F1.combine(add(counts))
    return Paired(
        rows=rows,
        values={
            "precision": published["precision"],
            "recall": published["recall"],
            "f1_by_seqeval_1": xtreme.newer_chunk_f1(rows)["f1"],
        },
    )


def _pairs(request: Request) -> Paired:
    gold = read_text(request.gold)
    rows = official_lines.pair_rows(
        gold, read_text(request.predictions), source=request.gold
    )
    return Paired(rows=rows, total=len(official_lines.pairs(gold)))


def _numbers(request: Request) -> Paired:
    gold = official_lines.labels(read_text(request.gold))
    said = official_lines.labels(read_text(request.predictions))
    words = official_lines.one_word
    return Paired(
        rows=official_lines.classify(
            official_lines.verbatim_rows(list(map(words, gold)), source=request.gold),
            list(map(words, said)),
            source=request.predictions,
        )
    )


def _rankings(request: Request) -> Paired:
    right = official.rankings(read_text(request.gold), source=request.gold)
    found = official.rankings(
        read_text(request.predictions), source=request.predictions
    )
    return Paired(
        rows=official.answer(
            official.ranking_rows(right, source=request.gold),
            official.joined(found),
            source=request.predictions,
        ),
        notes={"unknown": len(found.keys() - right.keys())},
    )


# By family where its files are its own, else by kind.
_PAIRINGS: Mapping[str, Callable[[Request], Paired]] = {
    "qa": _questions,
    "classification": _labels,
    "ranking": _labels,
    "tagging": _tags,
    "bucc": _pairs,
    "tatoeba": _numbers,
    "mewslix": _rankings,
    "lareqa": _rankings,
}
