r"""Submission folders of XTREME and XTREME-R, from prediction records.

What `evaluate.py` reads is one file for each task and language, `TASK/test-LANGUAGE`:

    xnli      .tsv    entailment, neutral or contradiction, one a line
    pawsx     .tsv    0 or 1, one a line
    udpos     .tsv    one tag a line, a blank line between sentences
    panx      .tsv    likewise
    xquad …   .json   {"question id": "answer", ...}
    bucc2018  .tsv    source id, tab, English id: the pairs found
    tatoeba   .tsv    number of the line found, from 0, one a line
    xcopa     .jsonl  {"label": 0}, one a line
    mewslix   .json   {"example id": ["best entity", ...], ...}, 20 at most

Lines are in the order of the evaluation set. JSON is written in ASCII, since the script
opens files in whatever encoding its machine has. Of a classification only a legal label
can be written: anything else becomes `invalid` (XCOPA: -1), which is never right.

A task is written whole or not at all: all of its languages, every example, one
checkpoint. Nothing here opens a file; what is returned is file names and their text.

Reference: XTREME's evaluate.py and its README.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal

from xtl_jax.data.prompts import NLI_WORDS, class_id
from xtl_jax.errors import UserError, near
from xtl_jax.infer.records import Record
from xtl_jax.metrics import retrieval, xtreme
from xtl_jax.metrics.benchmark import Task

Writer = Callable[[Sequence[Record], "PredictionSet"], "_Text"]
INVALID = "invalid"  # what stands for a prediction that is no label
_NAMED = 5  # ids that a message names


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictionSet:
    """Predictions of one language, from one file."""

    source: str  # the file, for messages
    family: str
    language: str
    split: str
    checkpoint: str
    step: int
    records: Sequence[Record]
    labels: Sequence[str] = ()  # of a classification: predictions by class
    # Ids of the evaluation set, in its order; `None` if they are not known.
    expected: Sequence[str] | None = None
    published: int | None = None  # examples of the set, where that is known
    limit: int = 0  # how many examples the run was to predict; 0 for all


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """What is to be written, and what is not."""

    files: Mapping[str, str]  # path below the folder to text
    tasks: Mapping[str, PredictionSet]  # written ones, with one of their sets
    left_out: Mapping[str, str]  # tasks with predictions that are not whole: why
    absent: tuple[str, ...]  # tasks without any prediction
    invalid: Mapping[str, int]  # by task, predictions that are no label
    unchecked: tuple[str, ...]  # tasks whose ids are not known: completeness neither


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Text:
    """A file's text."""

    text: str
    invalid: int = 0


def compose(
    version: str,
    sets: Sequence[PredictionSet],
    *,
    incomplete: Literal["refuse", "leave_out"] = "refuse",
    formats: Collection[str] = (),
) -> Submission:
    """The files of a submission.

    Args:
        version: `xtreme` or `xtreme-r`.
        sets: predictions, of any families.
        incomplete: what to do with a task of which something is missing: `refuse`, or
            `leave_out` to write the others.
        formats: families to take where a task was predicted in two text formats.

    Raises:
        UserError: a language was predicted twice, a task by two checkpoints, an id is
            unknown, a prediction cannot be written, something is missing and is not to
            be left out, or nothing is left to write.
    """
    tasks = xtreme.scored_tasks(version)
    files: dict[str, str] = {}
    left_out: dict[str, str] = {}
    invalid: dict[str, int] = {}
    written: dict[str, PredictionSet] = {}
    unchecked = []
    absent = []
    for task in tasks:
        found = _of_task(task, sets, formats=formats)
        if not found:
            absent.append(task.name)
            continue
        _check_one_checkpoint(task, found)
        lacking = _lacking(task, found)
        if lacking:
            left_out[task.name] = lacking
            continue
        for language in task.languages:
            made = _WRITERS[task.name](_in_order(found[language]), found[language])
            name = xtreme.file_name(task.name, language=language)
            files[f"{task.name}/{name}"] = made.text
            if made.invalid:
                invalid[task.name] = invalid.get(task.name, 0) + made.invalid
        written[task.name] = found[task.languages[0]]
        if any(each.expected is None for each in found.values()):
            unchecked.append(task.name)
    if left_out and incomplete == "refuse":
        raise UserError(
            "; ".join(f"{name}: {why}" for name, why in left_out.items())
            + "; predict what is missing, or give --partial to write the tasks that "
            "are complete"
        )
    if not files:
        known = ", ".join(task.family for task in tasks)
        raise UserError(
            f"there is no complete task of {version} to write; its tasks are {known}, "
            "each in all of its languages"
            + "".join(f"; {name}: {why}" for name, why in left_out.items())
        )
    return Submission(
        files=files,
        tasks=written,
        left_out=left_out,
        absent=tuple(absent),
        invalid=invalid,
        unchecked=tuple(unchecked),
    )


def _of_task(
    task: Task, sets: Sequence[PredictionSet], *, formats: Collection[str]
) -> dict[str, PredictionSet]:
    """Predictions of a task by language, in the order of its languages."""
    families = (task.family, *task.other_formats)
    own = [
        each
        for each in sets
        if each.family in families and each.language in task.languages
    ]
    chosen = {each.family for each in own}
    if len(chosen) > 1:
        chosen &= set(formats)
    if len(chosen) > 1 or (own and not chosen):
        both = " and ".join(sorted({each.family for each in own}))
        raise UserError(
            f"{task.name} was predicted as {both}; give --format with one of them"
        )
    found: dict[str, PredictionSet] = {}
    for each in own:
        if each.family not in chosen:
            continue
        if each.language in found:
            raise UserError(
                f"{task.name} in {each.language!r} was predicted twice: by "
                f"{found[each.language].source} and by {each.source}; give one of the "
                "runs only"
            )
        found[each.language] = each
    return {name: found[name] for name in task.languages if name in found}


def _check_one_checkpoint(task: Task, sets: Mapping[str, PredictionSet]) -> None:
    first = next(iter(sets.values()))
    for each in sets.values():
        if (each.checkpoint, each.step) != (first.checkpoint, first.step):
            raise UserError(
                f"{task.name}: {first.source} was predicted by {first.checkpoint} at "
                f"step {first.step}, {each.source} by {each.checkpoint} at step "
                f"{each.step}; a task is submitted from one checkpoint: predict all "
                "languages with it"
            )


def _lacking(task: Task, sets: Mapping[str, PredictionSet]) -> str:
    """What keeps a task from being written; empty if nothing does."""
    missing = [language for language in task.languages if language not in sets]
    if missing:
        return f"no predictions for {', '.join(missing)}"
    for each in sets.values():
        if each.split != task.split:
            return (
                f"{each.source} is of the {each.split} split, the benchmark scores "
                f"{task.split}"
            )
        if each.limit and len(each.records) == each.limit != each.published:
            return (
                f"{each.source} has the first {each.limit:,} examples only "
                "(evaluate_examples of its run)"
            )
        missing_ids = _missing_ids(each)
        if missing_ids:
            return missing_ids
    return ""


def _missing_ids(each: PredictionSet) -> str:
    there = {record.id for record in each.records}
    if each.expected is None:
        if each.published is not None and len(there) != each.published:
            return (
                f"{each.source} has {len(there):,} predictions, the published set has "
                f"{each.published:,} examples"
            )
        return ""
    unknown = there - set(each.expected)
    if unknown:
        example = min(unknown)
        raise UserError(
            f"{each.source}: {len(unknown)} ids are not in the evaluation set, such as "
            f"{example!r} (near: {near(example, each.expected)})"
        )
    missing = [id_ for id_ in each.expected if id_ not in there]
    if not missing:
        return ""
    shown = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
    return (
        f"{each.source} lacks {len(missing):,} of {len(each.expected):,} examples: "
        f"{shown}"
    )


def _in_order(each: PredictionSet) -> list[Record]:
    if each.expected is None:
        return list(each.records)
    by_id = {record.id: record for record in each.records}
    return [by_id[id_] for id_ in each.expected]


def _class(record: Record, *, labels: Sequence[str]) -> int | None:
    """The class of a prediction; without labels, which of the ranked options it is."""
    return class_id(
        record.prediction, labels=labels or [option.text for option in record.options]
    )


def _classes(
    names: Sequence[str],
) -> Callable[[Sequence[Record], PredictionSet], _Text]:
    def write(records: Sequence[Record], each: PredictionSet) -> _Text:
        found = [_class(record, labels=each.labels) for record in records]
        lines = [INVALID if number is None else names[number] for number in found]
        return _Text(text=_lines(lines), invalid=found.count(None))

    return write


def _options(records: Sequence[Record], each: PredictionSet) -> _Text:
    found = [_class(record, labels=each.labels) for record in records]
    lines = [json.dumps({"label": -1 if i is None else i}) for i in found]
    return _Text(text=_lines(lines), invalid=found.count(None))


def _tags(records: Sequence[Record], each: PredictionSet) -> _Text:
    sentences = []
    for record in records:
        tags = record.prediction.split(" ")
        tokens = len(record.context.split("\t")) if record.context else len(tags)
        if len(tags) != tokens or "" in tags:
            raise UserError(
                f"{each.source}: example {record.id!r} has {len(tags)} tags for "
                f"{tokens} tokens; predict it again"
            )
        sentences.append(_lines(tags))
    return _Text(text="\n".join(sentences))


def _answers(records: Sequence[Record], each: PredictionSet) -> _Text:
    return _Text(text=json.dumps({record.id: record.prediction for record in records}))


def _pairs(records: Sequence[Record], each: PredictionSet) -> _Text:
    return _Text(
        text=_lines(
            f"{record.id}\t{found}"
            for record in records
            for found in retrieval.ids(record.prediction)
        )
    )


def _numbers(records: Sequence[Record], each: PredictionSet) -> _Text:
    lines = []
    for record in records:
        found = retrieval.ids(record.prediction)
        if not found or not found[0].isdecimal():
            raise UserError(
                f"{each.source}: example {record.id!r} found {record.prediction!r}, "
                "not the number of a line; predict it again"
            )
        lines.append(found[0])
    return _Text(text=_lines(lines))


def _rankings(records: Sequence[Record], each: PredictionSet) -> _Text:
    return _Text(
        text=json.dumps(
            {
                record.id: retrieval.ids(record.prediction)[: retrieval.CUT_OFF]
                for record in records
            }
        )
    )


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


_WRITERS: Mapping[str, Writer] = {
    "pawsx": _classes(("0", "1")),
    "xnli": _classes(NLI_WORDS),
    "panx": _tags,
    "udpos": _tags,
    "bucc2018": _pairs,
    "tatoeba": _numbers,
    "xcopa": _options,
    "mewslix": _rankings,
    "xquad": _answers,
    "mlqa": _answers,
    "tydiqa": _answers,
}
