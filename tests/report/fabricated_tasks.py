"""Run directories of every target task, made up, scored by the real scoring code.

One example of each kind of task in each language, over and over; whether it is answered
right follows from a seed and from how much text the language has (its Joshi class).
"""

from __future__ import annotations

import pathlib
import random
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from xtl_jax.metrics import accuracy, languages, mlqa, qa, retrieval, summary, tagging
from xtl_jax.metrics.benchmark import BENCHMARKS
from xtl_jax.metrics.metric import Metric

NLI = ("entailment", "neutral", "contradiction")
PARAPHRASE = ("different_meaning", "paraphrase")
# family: (metric, right answer, wrong answer, labels)
KINDS: Mapping[str, tuple[Metric, str, str, tuple[str, ...]]] = {
    "xnli": (accuracy.METRIC, "neutral", "entailment", NLI),
    "pawsx": (accuracy.METRIC, "paraphrase", "different_meaning", PARAPHRASE),
    "xcopa": (accuracy.METRIC, "choice1", "choice2", ("choice1", "choice2")),
    "panx": (tagging.SPAN_F1, "B-PER I-PER O B-LOC", "B-PER O O B-LOC", ()),
    "udpos": (tagging.CHUNK_F1, "DET NOUN VERB NOUN", "DET NOUN NOUN NOUN", ()),
    "bucc": (retrieval.BUCC, "en-7", "en-8", ()),
    "tatoeba": (retrieval.TATOEBA, "7", "8", ()),
    "lareqa": (retrieval.LAREQA, "a7 b7", "b7 a7", ()),
    "mewslix": (retrieval.MEWSLIX, "Q7 Q8", "Q8 Q7", ()),
    "xquad": (qa.METRIC, "the old library", "the river", ()),
    "mlqa": (mlqa.METRIC, "the old library", "the library", ()),
    "tydiqa_goldp": (qa.METRIC, "the old library", "the river", ()),
}


def all_languages() -> dict[str, tuple[str, ...]]:
    """Family to its languages in XTREME and XTREME-R together."""
    found: dict[str, tuple[str, ...]] = {}
    for benchmark in BENCHMARKS.values():
        for task in benchmark.tasks:
            known = found.get(task.family, ())
            new = tuple(code for code in task.languages if code not in known)
            found[task.family] = known + new
    return found


def standard_languages(family: str) -> tuple[str, ...]:
    """XTREME's languages, or XTREME-R's where XTREME does not have the family."""
    for benchmark in BENCHMARKS.values():
        for task in benchmark.tasks:
            if task.family == family:
                return task.languages
    raise KeyError(family)


def write_tasks(
    folder: pathlib.Path,
    *,
    fabricated: ModuleType,
    families: Mapping[str, Sequence[str]],
    name: str = "",
    seed: int = 0,
    skill: float = 0.6,
    examples: int = 12,
    config: Mapping[str, Any] = {},
) -> pathlib.Path:
    """Write a run directory with scores of any families and languages."""
    for part in ("predictions", "scores"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    fabricated.write_json(folder / "run.json", fabricated.config_of(name, seed, config))
    document: dict[str, Any] = {}
    for family, codes in families.items():
        metric, right, wrong, labels = KINDS[family]
        split = "validation" if family == "tydiqa_goldp" else "test"
        counts = {
            code: fabricated.score_records(
                folder,
                _records(family, code, right, wrong, seed, skill, examples),
                metric,
                labels=labels,
                split=split,
            )
            for code in codes
        }
        document[family] = summary.summarise(
            counts,
            metric=metric,
            standard_languages=standard_languages(family),
            extended_languages=all_languages()[family],
        ).to_json()
    fabricated.write_json(folder / "scores" / "summary.json", {"families": document})
    (folder / "log.jsonl").write_text(fabricated.log_of(seed), encoding="utf-8")
    return folder


def _records(family, code, right, wrong, seed, skill, examples):
    facts = languages.LANGUAGES[code]
    share = skill * (0.55 + 0.09 * (facts.joshi_class or 0))
    rng = random.Random(f"{seed} {family} {code}")
    reference = right.split(" ")[:1] if family in ("mewslix", "lareqa") else [right]
    return [
        {
            "task": f"{family}.{code}",
            "family": family,
            "language": code,
            "id": str(number),
            "inputs": f"{family}: example {number} in {facts.name}",
            "prediction": right if rng.random() < share else wrong,
            "references": tuple(reference),
            "context": "the river, the old library" if "qa" in family else None,
        }
        for number in range(examples)
    ]
