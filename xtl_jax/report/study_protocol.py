"""A study's protocol card, and what a reader must know before trusting a number."""

from __future__ import annotations

from typing import NamedTuple

from xtl_jax.metrics import languages
from xtl_jax.report import languages as names
from xtl_jax.report import study_oracle, study_wording
from xtl_jax.report.cells import metric_title
from xtl_jax.report.study_results import Study
from xtl_jax.report.study_wording import condition_title

_EQUAL = {
    "steps": "updates of one batch size",
    "examples": "updates of one batch size, rows not packed: as many examples",
    "tokens": "updates of one batch size, rows packed full: as many tokens",
}


class Fact(NamedTuple):
    """A line of the protocol card."""

    name: str
    text: str


def notes(study: Study) -> list[str]:
    """What a reader must know before trusting a number."""
    found = [f"{mark}" for mark in study.document["marks"]]
    if study.toy:
        found.append(
            "toy data and a toy model: the numbers say that the pipeline works, not "
            "what a real model would do; its tasks stand in for those that the "
            "question names"
        )
    if len(study.seeds) == 1:
        found.append(
            "one seed: what is said holds for these checkpoints, and says nothing of "
            "another seed"
        )
    elif len(study.seeds) < 3:
        found.append(f"{len(study.seeds)} seeds: hardly any difference can be shown")
    return [*found, *study.notes, *_cannot(study), *_not_applied(study)]


def _cannot(study: Study) -> list[str]:
    """Questions that a target has no languages for."""
    found = []
    for target in study.targets:
        facts = [languages.find(code) for code in target.languages]
        if not any(each is not None and each.low_resource for each in facts):
            found.append(
                f"{target.family} has no low-resource language (Joshi classes 0 to 2): "
                "it says nothing of them"
            )
        if len(target.languages) == 1:
            found.append(f"{target.family} is one language: no mean over languages")
    return list(dict.fromkeys(found))


def _not_applied(study: Study) -> list[str]:
    """Attacks that have no meaning for many items."""
    most: dict[tuple[str, str], int] = {}
    for target in study.targets:
        for scored in target.scores.values():
            for attack, by_language in scored.not_applied.items():
                for language, count in by_language.items():
                    if count:
                        key = (attack, f"{target.family} in {names.name(language)}")
                        most[key] = max(count, most.get(key, 0))
    return [
        f"{condition_title(attack)}: {count} items of {where} are left out, clean and "
        "attacked, since the attack has no meaning there"
        for (attack, where), count in sorted(most.items())
    ]


def facts(study: Study) -> list[Fact]:
    """The lines of the protocol card."""
    config = study.config
    spoken = {t.name: ", ".join(map(names.name, t.languages)) for t in study.targets}
    trained = "; ".join(
        f"{t.title}: {metric_title(t.metric.primary)}, {spoken[t.name]}"
        for t in study.targets
    )
    steps = config["target_steps"]
    every = config["evaluate_examples"]
    grid = config["axis"] == "steps"
    handed_on = "the step of the study's grid" if grid else "the last"
    return [
        Fact("Scale", f"{config['scale']} ({', '.join(config['model_files'])})"),
        Fact("Begins with", config["initial"]),
        Fact(
            "Arms",
            f"{len(study.arms)}, the baseline none among them; axis {config['axis']}",
        ),
        Fact(
            "Alike in all arms but none",
            f"{config['phase_steps']:,} {_EQUAL[config['equal']]}"
            + (
                f"; {config['examples']:,} different examples"
                if config["examples"]
                else ""
            ),
        ),
        Fact("Targets", trained),
        Fact(
            "Target training",
            "; ".join(
                f"{v:,} updates" + f" ({k})" * (k != "*") for k, v in steps.items()
            )
            or "as its gin files say",
        ),
        Fact(
            "Scored on",
            f"the first {every:,} examples of each set"
            if every
            else "whole evaluation sets",
        ),
        Fact(
            "Attacks",
            ", ".join(map(str, config["attacks"])) or "none: nothing is attacked",
        ),
        Fact("Seeds", ", ".join(map(str, study.seeds)) + ", the same for all arms"),
        Fact(
            "Checkpoints",
            f"of intermediate training {handed_on}; of a target's training the one "
            "with the best English dev score",
        ),
        Fact(
            "Oracle selection",
            "beside the headline, clean, of every checkpoint that a target's training "
            f"saved ({study_oracle.MARK}): in no test and no conclusion"
            if any(stage.oracle is not None for stage in study.stages)
            else "not run: no checkpoint was chosen by the scored languages",
        ),
        Fact(
            "Zero-shot",
            "; ".join(study.document["marks"])
            or "yes: no stage trains on labels in a scored language but English",
        ),
        Fact(
            "Never trained on",
            ", ".join(config["never_trained"]) or "no family is excluded",
        ),
        Fact(
            "Smallest difference that matters",
            f"{study_wording.points(study.matters)} (StudyConfig.smallest_difference)",
        ),
    ]
