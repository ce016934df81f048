"""Rows written for these tests, put into files as the releases have them."""

from __future__ import annotations

import csv
import io
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
                                {
                                    key: value
                                    for key, value in row.items()
                                    if key not in ("title", "context")
                                }
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


def translated(
    write: Callable[[Sequence[Mapping[str, Any]]], str],
) -> Callable[[Sequence[Mapping[str, Any]]], str]:
    """As XTREME writes translations: the English pair is in front."""

    def five_columns(rows: Sequence[Mapping[str, Any]]) -> str:
        return "".join(
            f"An English text.\tAnother one.\t{line}"
            for line in write(rows).splitlines(keepends=True)
        )

    return five_columns


def pawsx_tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    """With a header, and by the rules of CSV."""
    columns = ("id", "sentence1", "sentence2", "label")
    with io.StringIO(newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            label = {"different_meaning": 0, "paraphrase": 1}[row["label"]]
            writer.writerow((row["id"], row["first"], row["second"], label))
        return stream.getvalue()


def qqp_tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    """As GLUE has it: quotes mean nothing."""
    digits = {"not_duplicate": 0, "duplicate": 1}
    return "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n" + "".join(
        f"{row['id']}\t1\t2\t{row['first']}\t{row['second']}\t{digits[row['label']]}\n"
        for row in rows
    )


def json_lines(
    record: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Callable[[Sequence[Mapping[str, Any]]], str]:
    """A writer of one JSON object a row."""
    return lambda rows: "".join(json.dumps(record(row)) + "\n" for row in rows)


def anli(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "uid": row["id"],
        "context": row["first"],
        "hypothesis": row["second"],
        "label": row["label"][0],
    }


def hellaswag(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "ind": int(row["id"]),
        "ctx": row["context"],
        "endings": row["options"],
        "label": row["answer"],
    }


def commonsense_qa(row: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = [
        {"label": letter, "text": text}
        for letter, text in zip("ABCDE", row["options"], strict=True)
    ]
    return {
        "id": row["id"],
        "answerKey": "ABCDE"[row["answer"]],
        "question": {"stem": row["question"], "choices": choices},
    }


def social_iqa(row: Mapping[str, Any]) -> Mapping[str, Any]:
    answers = zip(("answerA", "answerB", "answerC"), row["options"], strict=True)
    return {
        "context": row["context"],
        "question": row["question"],
        **dict(answers),
        "correct": "ABC"[row["answer"]],
    }


def copa(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "idx": int(row["id"]),
        "premise": row["context"],
        "question": row["question"],
        "choice1": row["options"][0],
        "choice2": row["options"][1],
        "label": row["answer"],
    }


def cosmos_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """As released, with Windows line ends."""
    answers = [f"answer{number}" for number in range(4)]
    with io.StringIO(newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("id", "context", "question", *answers, "label"))
        for row in rows:
            fields = (row["id"], row["context"], row["question"])
            writer.writerow((*fields, *row["options"], row["answer"]))
        return stream.getvalue()


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(row["text"] + "\n" for row in rows)


def tagged_tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(
        "".join(f"{token}\t{tag}\n" for token, tag in words(row)) for row in rows
    )


def iob2(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(
        f"# sent_id = {row['id'].partition('-')[2]}\n"  # without the language
        + "".join(
            f"{number}\t{token}\t{tag}\t-\tann\n"
            for number, (token, tag) in enumerate(words(row), start=1)
        )
        + "\n"
        for row in rows
    )


def piped(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(
        " ".join(f"{token}|XX|{tag}" for token, tag in words(row)) + "\n"
        for row in rows
    )


def words(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(zip(row["tokens"], row["tags"], strict=True))


FORMATS = {
    "squad_v1": (squad_json, "json"),
    "xquad": (squad_json, "json"),
    "mlqa": (squad_json, "json"),
    "tydiqa_goldp": (squad_json, "json"),
    "world_qa": (squad_json, "json"),
    "squad_v2": (squad_json, "json"),
    "mnli": (multinli_jsonl, "jsonl"),
    "snli": (multinli_jsonl, "jsonl"),
    "anli_plus": (multinli_jsonl, "jsonl"),
    **dict.fromkeys(
        ("anli", "anli_r1", "anli_r2", "anli_r3"), (json_lines(anli), "jsonl")
    ),
    "qqp": (qqp_tsv, "tsv"),
    "xnli": (tsv, "tsv"),
    "pawsx": (pawsx_tsv, "tsv"),
    **dict.fromkeys(("hellaswag", "hellaswag_rank"), (json_lines(hellaswag), "jsonl")),
    **dict.fromkeys(("cosmos_qa", "cosmos_qa_rank"), (cosmos_csv, "csv")),
    **dict.fromkeys(
        ("commonsense_qa", "commonsense_qa_rank"), (json_lines(commonsense_qa), "jsonl")
    ),
    **dict.fromkeys(
        ("social_iqa", "social_iqa_rank"), (json_lines(social_iqa), "jsonl")
    ),
    **dict.fromkeys(
        ("copa", "copa_rank", "xcopa", "xcopa_rank"), (json_lines(copa), "jsonl")
    ),
    "world_nli": (tsv, "tsv"),
    "world_paraphrase": (paws_tsv, "tsv"),
    "udpos": (tagged_tsv, "tsv"),
    "world_tagging": (tagged_tsv, "tsv"),
    "panx": (tagged_tsv, "tsv"),
    "panx_spans": (tagged_tsv, "tsv"),
    "uner": (iob2, "iob2"),
    "uner_spans": (iob2, "iob2"),
    "ccg": (piped, "stagged"),
    "xnli_translated": (translated(tsv), "tsv"),
    "pawsx_translated": (translated(paws_tsv), "tsv"),
    "squad_translated": (squad_json, "json"),
    "tydiqa_goldp_translated": (squad_json, "json"),
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
            path.write_bytes(form(rows).encode())
            settings[f"{family}.{language}/{split}"] = str(path)
        return settings

    return write
