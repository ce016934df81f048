"""Rows written for these tests, put into files as the releases have them."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

ROWS = pathlib.Path(__file__).parent / "rows"
NLI_DIGITS = {"entailment": 0, "neutral": 1, "contradiction": 2}


def squad_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """SQuAD's nesting: one article and paragraph a row."""
    return json.dumps(
        {
            "version": "1.1",
            "data": [
                {
                    "title": row["title"],
                    "paragraphs": [
                        {
                            "context": row["context"],
                            "qas": [
                                {key: row[key] for key in ("id", "question", "answers")}
                            ],
                        }
                    ],
                }
                for row in rows
            ],
        },
        ensure_ascii=False,
    )


def multinli_jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(
        json.dumps(
            {
                "gold_label": row["label"],
                "sentence1": row["first"],
                "sentence2": row["second"],
                "pairID": row["id"],
            }
        )
        + "\n"
        for row in rows
    )


def tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{row['first']}\t{row['second']}\t{row['label']}\n" for row in rows)


def paws_tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    digits = {"different_meaning": 0, "paraphrase": 1}
    return tsv([{**row, "label": digits[row["label"]]} for row in rows])


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(row["text"] + "\n" for row in rows)


FORMATS = {
    "squad_v1": (squad_json, "json"),
    "xquad": (squad_json, "json"),
    "mlqa": (squad_json, "json"),
    "tydiqa_goldp": (squad_json, "json"),
    "world_qa": (squad_json, "json"),
    "mnli": (multinli_jsonl, "jsonl"),
    "xnli": (tsv, "tsv"),
    "world_nli": (tsv, "tsv"),
    "world_paraphrase": (paws_tsv, "tsv"),
    "span_corruption": (lines, "txt"),
    "world_text": (lines, "txt"),
}


@pytest.fixture(scope="session")
def own_rows() -> Callable[[str], list[dict[str, Any]]]:
    """Rows of one family, each with the text that its prompt must give."""

    def read(family: str) -> list[dict[str, Any]]:
        text = (ROWS / f"{family}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    return read


@pytest.fixture
def own_files(
    tmp_path: pathlib.Path, own_rows: Callable[[str], list[dict[str, Any]]]
) -> Callable[[str], dict[str, str]]:
    """Write a family's rows, a file a language and split; returns file settings."""

    def write(family: str) -> dict[str, str]:
        settings: dict[str, str] = {}
        form, suffix = FORMATS[family]
        grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in own_rows(family):
            grouped.setdefault((row["language"], row["split"]), []).append(row["row"])
        for (language, split), rows in grouped.items():
            path = tmp_path / f"{family}-{language}-{split}.{suffix}"
            path.write_text(form(rows), encoding="utf-8")
            settings[f"{family}.{language}/{split}"] = str(path)
        return settings

    return write
