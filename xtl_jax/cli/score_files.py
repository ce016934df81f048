"""One prediction file against one gold file: what the official scripts do.

The part of `xtl score` that takes outside files. The gold file is the release's own;
the predictions are what an XTREME submission holds for that task and language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xtl_jax.errors import UserError
from xtl_jax.metrics import mlqa, official, scoring
from xtl_jax.metrics.metric import add

if TYPE_CHECKING:
    from xtl_tasks.family import Family


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
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score one file against another.

    Args:
        family: whose scorer is used.
        language: of the examples; of a pair, `CONTEXT-QUESTION`.
        gold: path of a file in the release's own format; plain, .xz or .gz.
        predictions: path of a file as in an XTREME submission.
        resamples: bootstrap resamples of the intervals.
        seed: of the bootstrap.

    Returns:
        Values in percent by key, `total`, `missing` (scored 0), `unknown` (ignored; for
        questions only), `intervals` and `signature`.

    Raises:
        UserError: a file that cannot be read or scored, or a family without a scorer.
    """
    from xtl_jax.metrics import bootstrap  # numpy is imported only when it is needed

    metric = family.metric
    if metric is None or family.kind not in ("qa", "classification"):
        raise UserError(f"--task={family.name}: has no official scorer")
    if metric.name == mlqa.METRIC.name:
        mlqa.answer_language(language)  # an unknown one fails before files are read
    extra: dict[str, int] = {}
    if family.kind == "qa":
        wanted = official.questions(_read(gold), source=gold)
        said = official.answers(_read(predictions), source=predictions)
        rows = official.answer(wanted, said)
        extra["unknown"] = len(said.keys() - {row.id for row in wanted})
    else:
        wanted = official.label_rows(_read(gold), source=gold, language=language)
        rows = official.classify(
            wanted, official.labels(_read(predictions)), source=predictions
        )
    # Two questions of an official file may have one id: rows are told apart by place.
    counts = {
        str(place): row_counts
        for place, row_counts in enumerate(
            scoring.count(metric, rows, language=language)
        )
    }
    missing = sum(row.prediction is None for row in rows)
    intervals = bootstrap.intervals(
        counts, metric=metric, resamples=resamples, seed=seed
    )
    return {
        **metric.combine(add(counts.values())),
        "total": len(rows),
        "missing": missing,
        **extra,
        "intervals": {key: list(pair) for key, pair in intervals.items()},
        "signature": scoring.signature(
            metric,
            task=family.task_name(language),
            split="file",
            total=len(rows),
            missing=missing,
            resamples=resamples,
            seed=seed,
        ),
    }


def _read(path: str) -> str:
    """A file's text, decompressed; a byte order mark stays, as the scripts see it."""
    from xtl_jax.data import sources

    data = sources.read_bytes(path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.start} is 0x{data[error.start]:02x}, which is not "
            f"UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None
