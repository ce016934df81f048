"""A study's directory to the values that its report is made from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics.bootstrap import Rows
from xtl_jax.report import doubts
from xtl_jax.report.study_results import CLEAN, Scored, Stage, Study, Target, items
from xtl_jax.report.study_wording import condition_title
from xtl_jax.studies.directory import STUDY, Directory, Node

if TYPE_CHECKING:
    from xtl_tasks.family import Family

ITEMS, SCORES, ROBUSTNESS = "items", "scores", "robustness"


def read(study_dir: str | os.PathLike[str], *, name: str, scale: str) -> Study:
    """A study as far as it is run.

    Args:
        study_dir: where it is run.
        name: of the study that is asked for.
        scale: that is asked for.

    Raises:
        UserError: there is no study, another one, or a file that cannot be read.
    """
    directory = Directory(study_dir)
    document = directory.study()
    with records.understood(directory.path / STUDY):
        return _study(directory, document, name=name, scale=scale)


def _study(
    directory: Directory, document: Mapping[str, Any], *, name: str, scale: str
) -> Study:
    config = document["study"]
    if (config["name"], config["scale"]) != (name, scale):
        raise UserError(
            f"{directory.path} holds the study {config['name']} at scale "
            f"{config['scale']}, not {name} at scale {scale}: ask for that one, or "
            "give another --study_dir"
        )
    nodes = [
        Node(each["id"], tuple(parent["id"] for parent in each["parents"]))
        for each in document["stages"]
    ]
    seen = directory.look(nodes)
    stages: dict[str, Stage] = {}
    for each in document["stages"]:
        found = seen[each["id"]]
        told = found.document or {}
        cause = next(
            (
                f"{parent.id} ({parent.title})" if parent.state == "failed" else cause
                for parent in (stages[p["id"]] for p in each["parents"])
                if parent.state in ("failed", "blocked")
                for cause in [parent.error]
            ),
            "",
        )
        stages[each["id"]] = Stage(
            id=each["id"],
            kind=each["kind"],
            title=each["title"],
            seed=each["seed"],
            target=each["target"],
            arms=tuple(each["arms"]),
            parents=tuple(parent["id"] for parent in each["parents"]),
            marks=tuple(each["marks"]),
            oracle=each.get("oracle"),
            state=found.state,
            error=str(told.get("error", "")) if found.state == "failed" else cause,
            seconds=told.get("seconds") if found.state == "done" else None,
            attempts=told.get("attempts") if found.state == "done" else None,
        )
    notes = _doubts(directory, stages.values())
    targets = tuple(
        _target(
            *(text, directory, stages.values()),
            seeds=config["seeds"],
            attacks=len(config["attacks"]),
            notes=notes,
        )
        for text in config["targets"]
    )
    return Study(
        document=document,
        stages=tuple(stages.values()),
        targets=targets,
        notes=tuple(dict.fromkeys(notes)),
    )


def _doubts(directory: Directory, stages: Iterable[Stage]) -> list[str]:
    """What speaks against the training of stages, and how many it speaks against."""
    from xtl_jax.cli import run_results

    found: dict[str, list[str]] = {}
    for stage in stages:
        folder = directory.folder(stage.id)
        if stage.state != "done" or not (folder / "run.json").is_file():
            continue
        reading = records.read_document(folder / "run.json").get("reading", {})
        entries, _ = run_results.log(folder / "log.jsonl")
        for doubt in (*doubts.of_log(entries), *doubts.of_reading(reading)):
            found.setdefault(doubt, []).append(f"{stage.id} ({stage.title})")
    told = []
    for doubt, names in found.items():
        more = f" and {len(names) - 1} more stages" if names[1:] else ""
        told.append(f"{names[0]}{more}: {doubt}")
    return told


def _target(
    text: str,
    directory: Directory,
    stages: Iterable[Stage],
    *,
    seeds: Iterable[int],
    attacks: int,
    notes: list[str],
) -> Target:
    from xtl_tasks import catalog

    from xtl_jax.cli import study_stages

    train, _, family_or_task = text.partition(">")
    name = family_or_task.partition("/")[0].partition(".")[0]
    family = catalog.family(name)
    if family.metric is None:
        raise UserError(
            f"{directory.path / STUDY}: target {text}: {name} has no metric, so it has "
            "no report; give the study another target"
        )
    scores: dict[tuple[str, int], Scored] = {}
    oracle: dict[tuple[str, int], dict[int, Mapping[str, Rows]]] = {}
    for stage in stages:
        if stage.kind != "score" or stage.target != text or stage.state != "done":
            continue
        found = _scored(directory.folder(stage.id), family)
        if stage.oracle is not None:
            assert stage.seed is not None, "a target was trained"
            for arm in stage.arms:
                steps = oracle.setdefault((arm, stage.seed), {})
                steps[stage.oracle] = found.rows[CLEAN]
            continue
        _note_lacking(stage, found, family_or_task, attacks=attacks, notes=notes)
        # What no seed has touched is the same for all of them.
        own = seeds if stage.seed is None else (stage.seed,)
        for arm in stage.arms:
            for seed in own:
                scores[arm, seed] = found
    return Target(
        name=text,
        train=train,
        family=family_or_task,
        metric=family.metric,
        languages=study_stages.languages(family_or_task),
        scores=scores,
        oracle=oracle,
    )


def _scored(folder: storage.AnyPath, family: Family) -> Scored:
    assert family.metric is not None
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / ITEMS).glob("*.json")):
        task, _, condition = path.name.removesuffix(".json").partition(records.ATTACKED)
        own, _, language = task.partition(".")
        if own != family.name:
            raise UserError(f"{path} is of {own}, its stage scores {family.name}")
        document = records.read_document(path)
        found = items(document, metric=family.metric, source=str(path))
        rows.setdefault(condition, {})[language] = found
    if CLEAN not in rows:
        raise UserError(
            f"{folder} is done and has no clean items: delete the folder and run the "
            "study again"
        )
    shares: dict[str, dict[str, dict[str, float]]] = {}
    not_applied: dict[str, dict[str, int]] = {}
    for path in sorted((folder / SCORES).glob("*.json")):
        document = records.read_document(path)
        with records.understood(path):
            if "shares_percent" in document:
                found = _numbers(document["shares_percent"])
                shares.setdefault(CLEAN, {})[str(document["language"])] = found
    for path in sorted((folder / ROBUSTNESS).glob("*.json")):
        task, _, condition = path.name.removesuffix(".json").partition(records.ATTACKED)
        if not condition:
            continue
        document = records.read_document(path)
        with records.understood(path):
            language, found = str(document["language"]), document["shares_percent"]
            shares.setdefault(condition, {})[language] = _numbers(found["attacked"])
            left_out = sum(document["not_applied"].values())
            not_applied.setdefault(condition, {})[language] = left_out
    return Scored(rows=rows, shares=shares, not_applied=not_applied)


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in found.items() if value is not None}


def _note_lacking(
    stage: Stage, found: Scored, family: str, *, attacks: int, notes: list[str]
) -> None:
    """Note languages without items and attacks that none of its items were under."""
    from xtl_tasks.family import scored_language

    from xtl_jax.cli import study_stages

    there = set(map(scored_language, found.rows[CLEAN]))
    wanted = dict.fromkeys(study_stages.languages(family))
    lacking = [language for language in wanted if language not in there]
    if lacking:
        notes.append(
            f"{stage.target}: no items in {', '.join(lacking)}; means are over the "
            "languages that are there"
        )
    for condition, rows in found.rows.items():
        spared = [each for each in found.rows[CLEAN] if each not in rows]
        if spared:
            notes.append(
                f"{stage.target}: {condition_title(condition)} there are no items in "
                f"{', '.join(spared)}, where the attack has no meaning; that score and "
                "its gap are means over the other languages, the clean score is not"
            )
    without = attacks - (len(found.rows) - 1)
    if without > 0:
        notes.append(
            f"{stage.target}: {without} of {attacks} attacks have a meaning in none of "
            "its languages, and no score"
        )
