"""Run directories made up for tests, scored by the real scoring code.

Texts are short sentences written for these tests in the nine scripts that the targets
are read in most. Which prediction is right follows from a seed, so a test can count.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.infer import records
from xtl_jax.metrics import accuracy, mlqa, scoring, summary

# language: (question, context, answer, wrong answer); the answer is in the context
QA = {
    "en": (
        "Where does Amina work?",
        "Amina lives by the river. Since last year she works in the old library.",
        "the old library",
        "the river",
    ),
    "de": (
        "Wo arbeitet Amina?",
        "Amina wohnt am Fluss. Seit letztem Jahr arbeitet sie in der alten Bücherei.",
        "in der alten Bücherei",
        "am Fluss",
    ),
    "ru": (
        "Где работает Амина?",
        "Амина живёт у реки. С прошлого года она работает в старой библиотеке.",
        "в старой библиотеке",
        "у реки",
    ),
    "el": (
        "Πού δουλεύει η Αμίνα;",
        "Η Αμίνα ζει δίπλα στο ποτάμι. Δουλεύει στην παλιά βιβλιοθήκη.",
        "στην παλιά βιβλιοθήκη",
        "δίπλα στο ποτάμι",
    ),
    "ar": (
        "أين تعمل أمينة؟",
        "تسكن أمينة قرب النهر. منذ العام الماضي تعمل في المكتبة القديمة (عام 2019).",
        "في المكتبة القديمة",
        "قرب النهر",
    ),
    "hi": (
        "अमीना कहाँ काम करती है?",
        "अमीना नदी के पास रहती है। पिछले साल से वह पुराने पुस्तकालय में काम करती है।",
        "पुराने पुस्तकालय में",
        "नदी के पास",
    ),
    "th": (
        "อามีนาทำงานที่ไหน",
        "อามีนาอาศัยอยู่ริมแม่น้ำ เธอทำงานในห้องสมุดเก่า",
        "ห้องสมุดเก่า",
        "ริมแม่น้ำ",
    ),
    "ko": (
        "아미나는 어디에서 일하나요?",
        "아미나는 강가에 산다. 작년부터 오래된 도서관에서 일한다.",
        "오래된 도서관",
        "강가",
    ),
    "zh": (
        "阿米娜在哪里工作？",
        "阿米娜住在河边。从去年起，她在老图书馆工作。",
        "老图书馆",
        "河边",
    ),
}
MLQA = ("en", "de", "ar", "hi", "zh")  # of these, those that MLQA has
LABELS = ("entailment", "neutral", "contradiction")


def write_run(
    folder: pathlib.Path,
    *,
    name: str = "",
    seed: int = 0,
    skill: float = 0.6,
    examples: int = 60,
    languages: Sequence[str] = MLQA,
    missing_languages: Sequence[str] = (),
    pairs: Sequence[str] = (),
    nli: Sequence[str] = (),
    special: Mapping[str, str] = {},
    config: Mapping[str, Any] = {},
) -> pathlib.Path:
    """Write a run directory with predictions, scores, a log and a configuration.

    Args:
        folder: the run directory.
        name: `run.name`.
        seed: of what is right and wrong.
        skill: how often English is right; other languages somewhat less.
        examples: per language.
        languages: of `mlqa`, all averaged.
        missing_languages: averaged ones that have neither predictions nor scores.
        pairs: of `mlqa`, as `en-ar`.
        nli: languages of `xnli`.
        special: predictions by example id that replace the made-up ones.
        config: further entries of `run.json`'s section `run`.
    """
    for part in ("predictions", "scores"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", config_of(name, seed, config))
    families: dict[str, Any] = {}
    if languages:
        counts = {}
        for language in (*languages, *pairs):
            found = _qa(language, seed=seed, skill=skill, examples=examples)
            counts[language] = score_records(
                folder, found, mlqa.METRIC, special=special
            )
        families["mlqa"] = summary.summarise(
            counts,
            metric=mlqa.METRIC,
            standard_languages=(*languages, *missing_languages),
        ).to_json()
    if nli:
        counts = {}
        for language in nli:
            found = _nli(language, seed=seed, skill=skill, examples=examples)
            counts[language] = score_records(
                folder, found, accuracy.METRIC, special=special, labels=LABELS
            )
        families["xnli"] = summary.summarise(
            counts, metric=accuracy.METRIC, standard_languages=tuple(nli)
        ).to_json()
    write_json(folder / "scores" / "summary.json", {"families": families})
    (folder / "log.jsonl").write_text(log_of(seed), encoding="utf-8")
    return folder


def write_json(path: pathlib.Path, document: Any) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def score_records(
    folder, found, metric, *, special=None, labels=(), split="validation"
):
    """Write predictions and score file of one language; the counts of its examples."""
    special = special or {}
    found = [{**r, "prediction": special.get(r["id"], r["prediction"])} for r in found]
    first = found[0]
    name = f"{first['family']}.{first['language']}"
    records.write(
        folder / "predictions" / f"{name}.jsonl",
        [
            records.Record(
                **{**record, "prediction_raw": record["prediction"]},
                inputs_sha256=hashlib.sha256(record["inputs"].encode()).hexdigest(),
                split=split,
                log_probability=-1.25,
                checkpoint="checkpoints/600",
                step=600,
                decoding={"method": "greedy", "max_length": 32},
            )
            for record in found
        ],
    )
    score = scoring.score(
        metric,
        [
            scoring.Row(
                id=record["id"],
                references=record["references"],
                prediction=record["prediction"],
                context=record["context"] if not labels else None,
            )
            for record in found
        ],
        task=first["task"],
        family=first["family"],
        language=first["language"],
        split=split,
        labels=labels,
        checkpoint="checkpoints/600",
        step=600,
    )
    write_json(folder / "scores" / f"{name}.json", score.to_json())
    return score.counts


def _qa(language, *, seed, skill, examples):
    context_language, _, question_language = language.partition("-")
    _, context, answer, wrong = QA[context_language]
    question = QA[question_language or context_language][0]
    rng = random.Random(f"{seed} {language}")
    share = (
        skill - 0.03 * list(QA).index(context_language) - 0.1 * bool(question_language)
    )
    made = []
    for number in range(examples):
        draw = rng.random()
        prediction = answer if draw < share else wrong if draw < 0.95 else ""
        text = f"{context} ({number})"
        made.append(
            {
                "task": f"mlqa.{language}",
                "family": "mlqa",
                "language": language,
                "id": f"{language}-{number}",
                "inputs": f"question: {question} context: {text}",
                "prediction": prediction,
                "references": (answer,),
                "context": text,
            }
        )
    return made


def _nli(language, *, seed, skill, examples):
    _, context, answer, _ = QA[language]
    rng = random.Random(f"{seed} {language} nli")
    made = []
    for number in range(examples):
        label = LABELS[number % 3]
        right = rng.random() < skill - 0.02 * list(QA).index(language)
        made.append(
            {
                "task": f"xnli.{language}",
                "family": "xnli",
                "language": language,
                "id": f"{number}",  # the same in all languages, as XNLI has it
                "inputs": f"xnli: premise: {context} hypothesis: {answer} ({number})",
                "prediction": label if right else rng.choice([*LABELS, "<extra_id_0>"]),
                "references": (label,),
                "context": None,
            }
        )
    return made


def config_of(name: str, seed: int, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": 1,
        "run": {
            "task": "squad_v1",
            "name": name,
            "steps": 600,
            "batch_size": 64,
            "seed": seed,
            "lengths": {"inputs": 256, "targets": 32},
            "initial_checkpoint": "",
            "vocabulary": "vocabulary.model",
            **config,
        },
        "model": {
            "vocab": 4096,
            "embed": 128,
            "encoder_layers": 4,
            "decoder_layers": 2,
            "dtype": "float32",
        },
        "mesh": {"data": 1, "fsdp": 1, "model": 1},
        "environment": {
            "command": ["xtl", "run", "--gin_file=runs/squad to mlqa.gin"],
            "xtl_jax": "0.1.0",
            "packages": {"jax": "0.10.0"},
            "devices": 1,
            "device_kind": "cpu",
        },
    }


def log_of(seed: int) -> str:
    rng = random.Random(seed)
    lines = []
    for step in range(10, 601, 10):
        lines.append(
            {
                "step": step,
                "kind": "train",
                "loss": 6.0 * 0.995**step + 0.4 + rng.random() * 0.2,
                "accuracy_percent": 90.0 * (1 - 0.995**step),
                "learning_rate": 0.001,
            }
        )
        if step % 100 == 0:
            lines.append(
                {
                    "step": step,
                    "kind": "eval",
                    "task": "squad_v1",
                    "f1": step / 10 + seed,
                    "exact_match": step / 12,
                }
            )
    return "".join(f"{json.dumps(line)}\n" for line in lines)
