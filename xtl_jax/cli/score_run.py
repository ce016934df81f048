"""A run directory: its prediction files to scores, and their means.

Every file of `RUN/predictions` is scored; one score file a language and one summary
over families are written. Nothing is written before everything is read and scored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax import storage
from xtl_jax.errors import UnlabelledError, UserError
from xtl_jax.infer import records
from xtl_jax.metrics import benchmark_score, scoring, squad_v2, summary
from xtl_jax.metrics import languages as facts

if TYPE_CHECKING:
    from xtl_tasks.family import Family

Find = Callable[[str], "tuple[Family, str]"]
Gold = Callable[[records.Record], Sequence[scoring.Row] | None]
Track = Callable[["Sequence[storage.AnyPath]"], "Iterable[storage.AnyPath]"]

_LABELLED = ("label", "span")  # methods of encoders, whose answers nobody wrote


def score_run(
    run_dir: str | os.PathLike[str],
    *,
    find: Find,
    gold: Gold | None = None,
    track: Track = iter,
    resamples: int = 1000,
    seed: int = 0,
) -> list[scoring.Score]:
    """Score every prediction file of a run; nothing is written.

    Args:
        run_dir: the run.
        find: task name to its family and language: `xtl_tasks.catalog.find`.
        gold: all examples that a file's first record belongs to, to find missing and
            unknown ids; `None`, or a gold of `None`, takes the file as complete.
        track: goes through the files, to show progress.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        UserError: no prediction files, one that cannot be read or scored, or files of
            one family that were made from different checkpoints or splits.
    """
    scores = [
        _score_file(path, find=find, gold=gold, resamples=resamples, seed=seed)
        for path in track(prediction_files(run_dir))
    ]
    _check_comparable(scores, folder=storage.at(run_dir) / "predictions")
    return scores


def read_file(
    path: storage.AnyPath, *, find: Find
) -> tuple[list[records.Record], Family, str]:
    """Records of a prediction file, their family and language.

    Raises:
        UserError: it cannot be read, is of several tasks, languages, splits or
            checkpoints, or is not what its name says.
    """
    found = records.read(path)
    first = found[0]
    for number, record in enumerate(found, start=1):
        for name in ("task", "family", "language", "split", "checkpoint", "step"):
            if getattr(record, name) != getattr(first, name):
                raise UserError(
                    f"{path}, line {number}: {name} is {getattr(record, name)!r}, in "
                    f"line 1 it is {getattr(first, name)!r}; a prediction file is of "
                    "one task, language, split and checkpoint; make it again with "
                    "`xtl predict`"
                )
    family, language = find(first.task)
    if (family.name, language) != (first.family, first.language):
        raise UserError(
            f"{path}: task {first.task!r} is family {family.name!r} in language "
            f"{language!r}, but its records say {first.family!r} and "
            f"{first.language!r}; make it again with `xtl predict`"
        )
    if path.stem.partition(records.ATTACKED)[0] != f"{family.name}.{language}":
        raise UserError(
            f"{path}: holds predictions for {family.name}.{language}; rename it to "
            f"{family.name}.{language}.jsonl"
        )
    return found, family, language


def prediction_files(run_dir: str | os.PathLike[str]) -> list[storage.AnyPath]:
    """Prediction files of a run, by name.

    Raises:
        UserError: there is no such run, or none in it.
    """
    folder = storage.at(run_dir) / "predictions"
    if not folder.parent.is_dir():
        raise UserError(f"{run_dir}: no such run directory")
    found = sorted(folder.glob("*.jsonl"))
    paths = [path for path in found if records.ATTACKED not in path.name]
    if not paths:
        raise UserError(
            f"{folder}: holds no prediction file (*.jsonl); make them with "
            f"`xtl predict`"
        )
    return paths


def _score_file(
    path: storage.AnyPath, *, find: Find, gold: Gold | None, resamples: int, seed: int
) -> scoring.Score:
    found, family, language = read_file(path, find=find)
    first = found[0]
    if family.metric is None:
        raise UserError(
            f"{path}: {family.name} has no metric, so it is not scored: move the file "
            "out of predictions/ to score the others"
        )
    if family.metric.name != squad_v2.METRIC.name and not any(
        record.references for record in found
    ):
        raise UnlabelledError(
            f"{path}: its {first.split} split was published without labels, so it "
            "cannot be scored: write a submission with `xtl submit`, and move the file "
            "out of predictions/ to score the others"
        )
    written = family.kind == "qa" and first.decoding.get("method") not in _LABELLED
    rows = [
        scoring.Row(
            id=record.id,
            references=record.references,
            prediction=record.prediction,
            prediction_raw=record.prediction_raw,
            context=record.context if family.kind == "qa" else None,
            parts=_parts(family, record),
        )
        for record in found
    ]
    wanted = gold and gold(first)
    try:
        return scoring.score(
            family.metric,
            scoring.join(wanted, rows) if wanted else rows,
            task=first.task,
            family=family.name,
            language=language,
            split=first.split,
            labels=family.labels,
            chance_percent=_chance(family, language, found),
            answers_in=language.partition("-")[0] if written else "",
            checkpoint=first.checkpoint,
            step=first.step,
            post=_post(family, first),
            resamples=resamples,
            seed=seed,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _parts(family: Family, record: records.Record) -> tuple[int, int] | None:
    """How much of a tagged sentence's raw text found no place, and of how much.

    Tags of an encoder's head are written by nobody: each belongs to its word.
    """
    labelled = record.decoding.get("method") in _LABELLED
    if family.place is None or record.context is None or labelled:
        return None
    placed = family.place(record.prediction_raw, context=record.context)
    return placed.unplaced, placed.total


def _post(family: Family, record: records.Record) -> str:
    """What was done to decoded texts before they were scored, for the signature."""
    if record.decoding.get("method") in _LABELLED:
        return "none"
    if family.place is not None:
        return "project"
    if family.postprocess is not None:
        return "own"  # the family's own function, beside its definition
    done = {"qa": "depad", "classification": "strip"}
    return done.get(family.kind, "none")


def _chance(
    family: Family, language: str, found: Sequence[records.Record]
) -> float | None:
    """What guessing would score, for families that can tell."""
    if family.chance is None:
        return None
    pairs = [(record.context, record.references[0]) for record in found]
    return family.chance(pairs, language=language)


def _check_comparable(
    scores: Sequence[scoring.Score], *, folder: storage.AnyPath
) -> None:
    """Languages of a family are averaged, so one model must have made them."""
    first: dict[str, scoring.Score] = {}
    for score in scores:
        other = first.setdefault(score.family, score)
        for name in ("split", "checkpoint", "step"):
            if getattr(score, name) != getattr(other, name):
                raise UserError(
                    f"{folder}: {score.family}.{score.language} has {name} "
                    f"{getattr(score, name)!r} and {other.family}.{other.language} has "
                    f"{getattr(other, name)!r}; their mean would be the number of no "
                    "model: predict all languages again, or move one file away"
                )


def summarise(
    scores: Sequence[scoring.Score], *, find: Find, resamples: int = 1000, seed: int = 0
) -> dict[str, summary.Summary]:
    """The summary of each family that has a score, in the order of the scores."""
    summaries = {}
    for task, name in {score.family: score.task for score in scores}.items():
        family, _ = find(name)
        assert family.metric is not None, "what has no metric has no score"
        summaries[task] = summary.summarise(
            {score.language: score.counts for score in scores if score.family == task},
            metric=family.metric,
            standard_languages=family.standard_languages,
            # Neither pairs nor other keys that are no language.
            extended_languages=[each for each in family.languages if facts.find(each)],
            resamples=resamples,
            seed=seed,
        )
    return summaries


def write(
    run_dir: str | os.PathLike[str],
    *,
    scores: Sequence[scoring.Score],
    summaries: Mapping[str, summary.Summary],
) -> None:
    """Write `scores/TASK.LANGUAGE.json` and `scores/summary.json`, each whole.

    Raises:
        UserError: a file cannot be written.
    """
    folder = storage.at(run_dir) / "scores"
    for score in scores:
        records.replace(
            folder / f"{score.family}.{score.language}.json", _dumps(score.to_json())
        )
    records.replace(
        folder / "summary.json", _dumps(summary_document(scores, summaries))
    )


def summary_document(
    scores: Sequence[scoring.Score], summaries: Mapping[str, summary.Summary]
) -> dict[str, Any]:
    """Means over languages by family, and over tasks where they are a benchmark's."""
    document: dict[str, Any] = {
        "families": {name: found.to_json() for name, found in summaries.items()}
    }
    benchmarks = benchmark_score.of_scores(scores)
    if benchmarks:
        document["benchmarks"] = {
            name: found.to_json() for name, found in benchmarks.items()
        }
    return document


def _dumps(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
