"""Study directories made up for tests: the real declaration, items with known effects.

The declaration is that of `xtl study show`; the files are those that `xtl study run`
writes. Which item is right follows from a seed: an arm's `effect` is what is added to
the share of right answers, an attack's `cost` what is taken from it.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from xtl_tasks import catalog

from xtl_jax.cli import study_config, study_show, study_stages
from xtl_jax.cli.study_cost import cost

Effect = Callable[[str, str], float]  # arm, language to points


def declare(name: str, *flags: str, scale: str = "world") -> dict[str, Any]:
    """The document of `study.json`."""
    arguments = argparse.Namespace(gin_file=[], gin=list(flags), gin_search_path=[])
    asked = study_config.load(name, scale=scale, arguments=arguments)
    graph, describer = study_stages.planned(asked, search=())
    document = study_show.document(graph, describer, cost(graph, describer))
    return json.loads(json.dumps(document))


def write(
    folder: pathlib.Path,
    document: Mapping[str, Any],
    *,
    effect: Effect,
    cost_of_attack: Effect = lambda arm, language: 10.0,
    items: int = 200,
    missing: Sequence[str] = (),
    failed: Mapping[str, str] = {},
    seconds: float = 1.0,
    seed_spread: float = 0.5,
) -> pathlib.Path:
    """Write a study that is done, but for stages `missing` and `failed`, by id."""
    put(folder / "study.json", document)
    stuck: set[str] = {*missing, *failed}
    for stage in document["stages"]:
        place = folder / "stages" / stage["id"]
        if stage["id"] in failed:
            put(place / "failed.json", {"error": failed[stage["id"]], "attempt": 1})
        if stuck & {stage["id"], *(parent["id"] for parent in stage["parents"])}:
            stuck.add(stage["id"])
            continue
        put(place / "stage.json", stage)
        if stage["kind"] == "score":
            score(
                place,
                stage,
                attacks=document["study"]["attacks"],
                effect=effect,
                cost_of_attack=cost_of_attack,
                items=items,
                seed_spread=seed_spread,
            )
        done = {"seconds": seconds, "worker": "w", "host": "h", "attempts": 1}
        put(place / "done.json", done)
    return folder


def score(
    place: pathlib.Path,
    stage: Mapping[str, Any],
    *,
    attacks: Sequence[str],
    effect: Effect,
    cost_of_attack: Effect,
    items: int,
    seed_spread: float,
) -> None:
    """The files of one score stage; an item is as hard in every arm and seed."""
    scored = stage["target"].partition(">")[2]
    family = catalog.family(scored.partition(".")[0])
    metric = family.metric
    arm, seed = stage["arms"][0], stage["seed"] or 0
    own = np.random.default_rng([seed, sum(map(ord, arm))])
    shift = seed_spread * own.standard_normal()
    for task in study_stages._tasks_of(scored):
        language = task.partition(".")[2]
        hard = np.random.default_rng(7).random(items)
        luck = 0.02 * own.standard_normal(items)
        share = 50.0 + effect(arm, language) + shift
        for attack in ("", *attacks):
            lost = cost_of_attack(arm, language) if attack else 0.0
            right = hard + luck < (share - lost) / 100
            rows = {f"q{i}": counts(metric, bool(r)) for i, r in enumerate(right)}
            name = f"{family.name}.{language}" + (f"@{attack}" if attack else "")
            keys = list(rows["q0"])
            put(
                place / "items" / f"{name}.json",
                {
                    "metric": metric.name,
                    "keys": keys,
                    "rows": {id_: list(row.values()) for id_, row in rows.items()},
                },
            )
            shares = {"empty": 1.5, "sentinel": 0.0, "illegal": None}
            shares |= {"wrong_script": 3.0, "not_identified": 50.0}
            if not attack:
                document = {"language": language, "shares_percent": shares}
                put(place / "scores" / f"{name}.json", document)
            else:
                sides = {
                    "clean": {"empty": 1.5, "wrong_script": 4.0},
                    "attacked": {"empty": 2.0, "wrong_script": 9.0},
                }
                put(
                    place / "robustness" / f"{name}.json",
                    {
                        "language": language,
                        "shares_percent": sides,
                        "not_applied": {"no letters": 3} if language == "zh" else {},
                    },
                )


def counts(metric: Any, right: bool) -> dict[str, float]:
    """What one item counts for, right or wrong."""
    references = ("yes",)
    if metric.name.startswith(("span", "tag", "seqeval")) or "tags" in metric.name:
        references = ("B-PER",)
    said = references[0] if right else "O" if references[0] != "yes" else "no"
    return dict(metric.counts(said, references=references, language="en"))


def put(path: pathlib.Path, document: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
