"""Attacked prediction files beside the clean ones: what each attack costs.

`xtl score RUN` pairs `predictions/TASK.LANGUAGE@ATTACK.jsonl` with
`predictions/TASK.LANGUAGE.jsonl` by id and writes

    robustness/TASK.LANGUAGE@ATTACK.json   values, paired intervals, shares, queries
    robustness/summary.json                by family and attack: means over languages
                                           and groups of them

Both sides must be answers of one checkpoint, decoded alike, to the same ids.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax import storage
from xtl_jax.cli import score_run
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics import answer_language, groups, health, robustness, scoring
from xtl_jax.metrics import languages as facts
from xtl_jax.metrics.metric import Counts, mean_values

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.metrics.metric import Metric

FOLDER = "robustness"
SUMMARY = "summary.json"


class Scored(NamedTuple):
    """One language under one attack."""

    family: Family
    language: str
    attack: Mapping[str, Any]  # of its first record
    found: robustness.Robustness
    rows: Mapping[str, tuple[Counts, Counts]]  # before and after, where it applies
    document: dict[str, Any]
    path: storage.AnyPath  # of the predictions

    @property
    def name(self) -> str:
        """Of its score file, without suffix."""
        return self.path.stem


def score(
    run_dir: str | os.PathLike[str],
    *,
    find: score_run.Find,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Scored]:
    """Score every attacked prediction file of a run; nothing is written.

    Raises:
        UserError: one that cannot be read, has no clean file, or does not go with it.
    """
    folder = storage.at(run_dir) / "predictions"
    return [
        _score_file(path, find=find, resamples=resamples, seed=seed)
        for path in sorted(folder.glob(f"*{records.ATTACKED}*.jsonl"))
    ]


def _score_file(
    path: storage.AnyPath, *, find: score_run.Find, resamples: int, seed: int
) -> Scored:
    attacked, family, language = score_run.read_file(path, find=find)
    metric = family.metric
    assert metric is not None, "a family without a metric has no predictions"
    clean_path = path.with_name(f"{family.name}.{language}.jsonl")
    if not clean_path.is_file():
        raise UserError(
            f"{path}: there is no {clean_path.name} beside it to compare with; predict "
            "it again with `xtl predict --attack`, which writes both"
        )
    clean, _, _ = score_run.read_file(clean_path, find=find)
    _check_alike(clean, attacked, paths=(clean_path, path))
    sides = [
        {record.id: _count(metric, record, language=language) for record in side}
        for side in (clean, attacked)
    ]
    attacks = {record.id: _facts(record, path=path) for record in attacked}
    try:
        found = robustness.compare(
            *sides, attacks=attacks, metric=metric, resamples=resamples, seed=seed
        )
    except UserError as error:
        raise UserError(f"{path} beside {clean_path.name}: {error}") from None
    ids = robustness.applied(attacks)
    first = attacked[0]
    kept = {"name", "title", "method", "strength", "budget", "seed"}
    shown = {
        key: value
        for key, value in first.attack.items()
        if key in kept or key.startswith(("trigger", "found_"))
    }
    document = {
        "task": first.task,
        "family": family.name,
        "language": language,
        "split": first.split,
        "metric": metric.name,
        "primary": metric.primary,
        "total": len(attacked),
        "attack": shown,
        **found.to_json(),
        "shares_percent": {
            side: _shares(family, by_side, language=language, ids=set(ids))
            for side, by_side in (("clean", clean), ("attacked", attacked))
        },
        "checkpoint": first.checkpoint,
        "step": first.step,
        "signature": scoring.signature(
            metric,
            task=first.task,
            split=first.split,
            total=len(ids),
            missing=0,
            resamples=resamples,
            seed=seed,
        )
        + f"|attack:{first.attack['name']}|pairs:id",
    }
    rows = {id_: (sides[0][id_], sides[1][id_]) for id_ in ids}
    return Scored(family, language, shown, found, rows, document, path)


def _check_alike(
    clean: Sequence[records.Record],
    attacked: Sequence[records.Record],
    *,
    paths: tuple[storage.AnyPath, storage.AnyPath],
) -> None:
    """One model answered both, in the same way, and nothing else differs."""
    for name in ("split", "checkpoint", "step", "decoding"):
        before, after = (getattr(side[0], name) for side in (clean, attacked))
        if before != after:
            raise UserError(
                f"{paths[1]}: {name} is {after!r}, in {paths[0].name} {before!r}; "
                "a difference would not be the attack's: predict both again with `xtl "
                "predict --attack`"
            )
    if clean[0].attack:
        raise UserError(f"{paths[0]}: its records were attacked; predict it again")


def _count(metric: Metric, record: records.Record, *, language: str) -> Counts:
    row = scoring.Row(
        id=record.id, references=record.references, prediction=record.prediction
    )
    (counts,) = scoring.count(metric, [row], language=language)
    return counts


def _facts(record: records.Record, *, path: storage.AnyPath) -> robustness.Facts:
    attack = record.attack
    try:
        return robustness.Facts(
            not_applied=str(attack["not_applied"]),
            spared=str(attack["spared"]),
            queries=int(attack["queries"]),
        )
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{path}: the record of {record.id!r} does not say how it was attacked; "
            "predict it again with `xtl predict --attack`"
        ) from None


def _shares(
    family: Family, side: Sequence[records.Record], *, language: str, ids: set[str]
) -> dict[str, float | None]:
    """Outputs that are no answer, or in another language."""
    kept = [record for record in side if record.id in ids]
    is_text = family.kind == "qa"
    found = health.shares(
        (
            health.Output(
                prediction=record.prediction,
                raw=record.prediction_raw,
                context=record.context if is_text else None,
            )
            for record in kept
        ),
        labels=family.labels,
    )
    if is_text:
        found |= answer_language.shares(
            (
                answer_language.Answer(
                    prediction=record.prediction,
                    context=record.context,
                    references=record.references,
                )
                for record in kept
            ),
            language=language.split("-")[0],
        )
    return {key: value for key, value in found.items() if value is not None}


def summary(
    scored: Sequence[Scored], *, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """By family and attack: each language, the mean, and means over groups."""
    families: dict[str, dict[str, Any]] = {}
    names = {
        (each.family.name, each.attack["strength"], each.attack["name"])
        for each in scored
    }
    for family, _, attack in sorted(names):
        members = [
            each
            for each in scored
            if (each.family.name, each.attack["name"]) == (family, attack)
        ]
        families.setdefault(family, {})[attack] = _of_attack(
            members, resamples=resamples, seed=seed
        )
    return {"families": families}


def _of_attack(
    members: Sequence[Scored], *, resamples: int, seed: int
) -> dict[str, Any]:
    metric = members[0].family.metric
    assert metric is not None
    values = {each.language: each.found.values for each in members}
    known = [each for each in values if facts.find(each)]
    rows = {each.language: each.rows for each in members}
    whole = robustness.mean(rows, metric=metric, resamples=resamples, seed=seed)
    parted = robustness.of_groups(
        {language: rows[language] for language in known},
        metric=metric,
        languages=known,
        resamples=resamples,
        seed=seed,
    )
    right = sum(each.found.right for each in members)
    won = sum(
        each.found.right * (each.found.values["success"] or 0.0) / 100.0
        for each in members
    )
    return {
        "attack": dict(members[0].attack),
        "primary": metric.primary,
        "split": members[0].document["split"],
        "languages": {
            each.language: {
                "values": dict(each.found.values),
                "intervals": {k: list(v) for k, v in each.found.intervals.items()},
                "examples": each.found.examples,
                "not_applied": sum(each.found.not_applied.values()),
                "queries_per_example": each.found.queries_per_example,
                "queries_per_success": each.found.queries_per_success,
            }
            for each in members
        },
        # Of the languages that were attacked: an attack has no meaning in some.
        "mean": {
            "values": {
                **mean_values(
                    {
                        language: {k: v for k, v in of_one.items() if k != "success"}
                        for language, of_one in values.items()
                    }  # type: ignore[arg-type]
                ),
                "success": 100.0 * won / right if right else None,
            },
            "intervals": {key: list(ends) for key, ends in whole.items()},
            "queries_per_example": sum(e.found.queries_per_example for e in members)
            / len(members),
        },
        "groups": groups.to_json(parted, keys=("clean", "attacked", "gap")),
    }


def write(
    run_dir: str | os.PathLike[str],
    scored: Sequence[Scored],
    *,
    document: Mapping[str, Any],
) -> None:
    """Write `robustness/*.json`, each whole; nothing where nothing was attacked."""
    folder = storage.at(run_dir) / FOLDER
    for each in scored:
        records.replace(folder / f"{each.name}.json", _dumps(each.document))
    if scored:
        records.replace(folder / SUMMARY, _dumps(document))


def _dumps(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
