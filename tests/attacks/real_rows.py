"""Rows of the reference data, read without the project's readers."""

from __future__ import annotations

import functools
import json
import lzma
import pathlib
import tarfile

from xtl_jax.data.rows import ChoiceRow, PairRow, QuestionRow, TaggedRow

LABELS = {"0": "different_meaning", "1": "paraphrase"}
XQUAD = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
XNLI = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr")
XNLI = (*XNLI, "ur", "vi", "zh")
PAWSX = ("de", "en", "es", "fr", "ja", "ko", "zh")
TYDIQA = ("ko", "sw")


def _read(path: pathlib.Path) -> str:
    return lzma.open(path, "rt", encoding="utf-8", newline="\n").read()


@functools.cache
def questions(folder: pathlib.Path, language: str) -> tuple[QuestionRow, ...]:
    """XQuAD; for Korean and Swahili the training rows of TyDiQA-GoldP."""
    path = folder / f"xquad/xquad.{language}.json.xz"
    if language in TYDIQA:
        name = f"tydiqa-goldp-v1.1-train/tydiqa.goldp.{language}.train.json.xz"
        path = folder / "tydiqa_goldp" / name
    rows = []
    for article in json.loads(_read(path))["data"]:
        for paragraph in article["paragraphs"]:
            context = paragraph["context"]
            for item in paragraph["qas"]:
                answers = [a for a in item["answers"] if a["text"]]
                starts = tuple(answer["answer_start"] for answer in answers)
                texts = tuple(answer["text"] for answer in answers)
                if all(map(context.startswith, texts, starts)):
                    rows.append(
                        QuestionRow(
                            id=str(item["id"]),
                            question=item["question"],
                            context=context,
                            answers=texts,
                            answer_starts=starts,
                        )
                    )
    return tuple(rows)


@functools.cache
def inferences(folder: pathlib.Path, language: str) -> tuple[PairRow, ...]:
    """XNLI's dev rows, numbered: the same in every language."""
    lines = _read(folder / f"xnli/xtreme/dev-{language}.tsv.xz").splitlines()
    fields = [line.split("\t") for line in lines]
    return tuple(
        PairRow(id=str(number), first=each[0], second=each[1], label=each[2])
        for number, each in enumerate(fields)
        if len(each) == 3
    )


@functools.cache
def paraphrases(folder: pathlib.Path, language: str) -> tuple[PairRow, ...]:
    """PAWS-X's dev rows."""
    lines = _read(folder / f"pawsx/x-final/{language}/dev_2k.tsv.xz").split("\n")[1:]
    fields = [line.split("\t") for line in lines if line]
    return tuple(
        PairRow(id=each[0], first=each[1], second=each[2], label=LABELS[each[3]])
        for each in fields
        if len(each) == 4 and each[1] and each[2]
    )


@functools.cache
def tagged(folder: pathlib.Path) -> dict[str, tuple[TaggedRow, ...]]:
    """UNER's test sentences that are here, by language."""
    codes = {"English-EWT": "en", "Chinese-GSDSIMP": "zh", "Croatian-SET": "hr"}
    codes |= {"Russian-PUD": "ru", "German-PUD": "de", "Portuguese-Bosque": "pt"}
    found = {}
    for name, code in codes.items():
        path = sorted((folder / "ner_uner" / name).glob("*test*.xz"))[0]
        rows = []
        for number, block in enumerate(_read(path).split("\n\n")[:60]):
            lines = [line.split("\t") for line in block.splitlines()]
            lines = [fields for fields in lines if fields[0].isdigit()]
            if lines:
                rows.append(
                    TaggedRow(
                        id=f"{code}-{number}",
                        tokens=tuple(fields[1] for fields in lines),
                        tags=tuple(fields[2] for fields in lines),
                    )
                )
        found[code] = tuple(rows)
    return found


@functools.cache
def names(folder: pathlib.Path) -> dict[str, tuple[TaggedRow, ...]]:
    """PAN-X's sample: a sentence or two in each of 176 languages."""
    found: dict[str, list[TaggedRow]] = {}
    with tarfile.open(folder / "panx_wikiann_sample.tar.xz") as archive:
        for member in archive:
            lines = archive.extractfile(member).read().decode().splitlines()
            fields = [line.split("\t") for line in lines if "\t" in line]
            language = pathlib.PurePath(member.name).parts[1]
            if fields:
                row = TaggedRow(
                    id=member.name,
                    tokens=tuple(each[0].partition(":")[2] for each in fields),
                    tags=tuple(each[1] for each in fields),
                )
                found.setdefault(language, []).append(row)
    return {language: tuple(rows) for language, rows in found.items()}


@functools.cache
def choices(folder: pathlib.Path) -> dict[str, tuple[ChoiceRow, ...]]:
    """XCOPA's rows that are here, by language."""
    found = {}
    with tarfile.open(folder / "xcopa.tar.xz") as archive:
        for member in archive:
            language = pathlib.PurePath(member.name).parent.name
            if member.name != f"data/{language}/val.{language}.jsonl":
                continue
            lines = archive.extractfile(member).read().decode().splitlines()[:60]
            records = [json.loads(line) for line in lines]
            found[language] = tuple(
                ChoiceRow(
                    id=str(record["idx"]),
                    context=record["premise"],
                    question=record["question"],
                    options=(record["choice1"], record["choice2"]),
                    answer=record["label"],
                )
                for record in records
            )
    return found
