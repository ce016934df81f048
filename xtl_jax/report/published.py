"""Published numbers that a study may be put beside, and where the setting is the same.

`published.csv` has numbers that were checked against their source; none is from memory.
All are zero-shot means over the languages of a target, in percent, of a model that was
fine-tuned on the target's English training data alone. So they stand beside the arm
`none` only, and only where a study begins with that model's published checkpoint,
trains for that target on its English data, and scores the whole test set in all of the
target's languages. Steps, batch and learning rate are a study's own.

Of mT5 only classification is there: of questions and names its published F1 is that of
other texts (punctuation set apart by spaces) and of another count of names.

The deltas of Phang et al. (2020) are not among them: theirs are over development sets
and epochs of each task's own, and the studies here give all arms the same updates.
"""

from __future__ import annotations

import csv
import functools
import importlib.resources
import pathlib
from typing import NamedTuple

from xtl_jax.report.study_findings import Level, Measure
from xtl_jax.report.study_results import CLEAN, NONE, Study
from xtl_jax.report.study_tests import Analysis

# English training data of a target, where it is of another family.
_ENGLISH = {"xquad": ("squad_v1",), "mlqa": ("squad_v1",), "xnli": ("mnli", "xnli")}


class Number(NamedTuple):
    """One published number, percent."""

    model: str  # its gin file in `gin/models/`
    family: str
    metric: str
    value: float
    paper: str
    place: str  # where it stands


class Beside(NamedTuple):
    """A published number with ours in the same setting."""

    number: Number
    level: Level


@functools.cache
def numbers() -> tuple[Number, ...]:
    """All that the project carries."""
    file = importlib.resources.files("xtl_jax.report") / "published.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return tuple(
        Number(**{**row, "value": float(row["value"])})  # type: ignore[arg-type]
        for row in rows
    )


def beside(study: Study, analysis: Analysis) -> tuple[Beside, ...]:
    """The numbers whose setting is that of the study's arm `none`."""
    config = study.config
    # A part of the test set, or a model that the study itself made, is another setting.
    if study.toy or config["evaluate_examples"] or config["initial"].endswith(".gin"):
        return ()
    models = {pathlib.PurePath(name).stem for name in config["model_files"]}
    found = []
    for target in study.targets:
        train = target.train.partition(".")[0]
        if train not in _ENGLISH.get(target.family, (target.family,)):
            continue
        if target.train.partition(".")[2] not in ("", "en"):
            continue
        measure = Measure(target.name, CLEAN)
        level = analysis.level(measure, NONE)
        if level is None:
            continue
        scored = analysis.samples[measure].languages
        if set(scored) != set(target.languages):
            continue
        found += [
            Beside(number, level)
            for number in numbers()
            if number.model in models
            and (number.family, number.metric) == (target.family, target.metric.primary)
        ]
    return tuple(found)
