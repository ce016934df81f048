"""Mewsli-X: mentions of entities in news, and a million entities to find them among.

A mention is a query. As XTREME's baseline writes it, the sentence that holds it is
marked and the mention put before it, so that it survives a cut at the sentence's end:

    Helsinki: In { Helsinki } , the Finnish trade union has gone on strike.

Braces that are in the text become round brackets. An entity is a candidate: the
sentences of its description, which is in any of fifty languages. Line breaks become
spaces. The release leaves the news articles out; its own script puts them back
(`wikinews_mentions-SPLIT.jsonl`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xtl_jax.data import sources
from xtl_jax.data.readers.checks import (
    DEFAULT,
    Dropped,
    ReadOptions,
    field_of,
    parse_json,
    short,
)
from xtl_jax.data.readers.retrieval import POOL, check_id
from xtl_jax.data.rows import RetrievalRow
from xtl_jax.errors import UserError

_BRACES = re.compile(r"\{(.*?)\}")


def mewslix(
    paths: Sequence[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[RetrievalRow]:
    """Mentions in one language, or the entities for the language `pool`.

    Args:
        paths: the mentions of all languages, in a file with `mentions` in its name, and
            the entities, in the other.
        language: of the articles.
        split: named in errors.
        options: not used.
        dropped: not used; nothing is left out.

    Raises:
        UserError: the file is not among the paths, a line is no JSON object of the
            release's form, the articles' texts are missing, or an id is there twice.
    """
    is_pool = language == POOL
    names = [
        path for path in paths if ("mentions" in os.path.basename(path)) != is_pool
    ]
    if len(names) != 1:
        raise UserError(
            f"{', '.join(paths)}: {len(names)} of them "
            + (
                "hold entities; candidate_set_entities.jsonl is needed"
                if is_pool
                else "have 'mentions' in their names; one, such as "
                f"wikinews_mentions-{split}.jsonl, is needed"
            )
        )
    (name,) = names
    rows = entities(name) if is_pool else mentions(name, language=language)
    seen: set[str] = set()
    for place, row in rows:
        check_id(row.id, name=name, place=place)
        if row.id in seen:
            raise UserError(
                f"{name}: {place}: id {row.id!r} is there a second time; ids must "
                "differ"
            )
        if not row.text:
            raise UserError(f"{name}: {place}: the text of {row.id!r} is blank")
        seen.add(row.id)
        yield row
    if not seen:
        raise UserError(f"{name}: holds nothing in {language!r}")


def mentions(name: str, *, language: str) -> Iterator[tuple[str, RetrievalRow]]:
    """Place and row of each mention in articles of one language."""
    for place, record in _records(name):
        article = _object(record, "context", name=name, place=place)
        if field_of(article, "language", str, name=name, place=place) != language:
            continue
        text = field_of(article, "text", str, name=name, place=place)
        if not text:
            raise UserError(
                f"{name}: {place}: the article's text is missing; the release leaves "
                "it out and its script get-mewsli-x.sh puts it back: take "
                "wikinews_mentions-SPLIT.jsonl, not wikinews_mentions_no_text-…"
            )
        spans = _spans(article, text=text, name=name, place=place)
        for n, mention in enumerate(
            field_of(record, "mentions", list, name=name, place=place)
        ):
            at = f"{place}, mentions[{n}]"
            yield at, _mention(mention, text=text, spans=spans, name=name, place=at)


def entities(name: str) -> Iterator[tuple[str, RetrievalRow]]:
    """Place and row of each entity."""
    for place, record in _records(name):
        id = field_of(record, "entity_id", str, name=name, place=place)
        text = field_of(record, "description", str, name=name, place=place)
        spans = _spans(record, text=text, name=name, place=place)
        sentences = " ".join(text[begin:end] for begin, end in spans)
        yield place, RetrievalRow(id=id, text=_one_line(sentences), side="candidate")


def _mention(
    mention: Any, *, text: str, spans: Sequence[tuple[int, int]], name: str, place: str
) -> RetrievalRow:
    id = field_of(mention, "example_id", str, name=name, place=place)
    entity = field_of(mention, "entity_id", str, name=name, place=place).strip()
    span = _object(mention, "mention_span", name=name, place=place)
    said = field_of(span, "text", str, name=name, place=place)
    begin, end = _span(span, text=text, name=name, place=place)
    if text[begin:end] != said:
        raise UserError(
            f"{name}: {place} ({id}): the article has {short(text[begin:end])} at "
            f"{begin}, the mention is {short(said)}; count characters, not bytes"
        )
    holding = [(b, e) for b, e in spans if b <= begin and end <= e]
    if not holding:
        raise UserError(
            f"{name}: {place} ({id}): no sentence holds the mention {short(said)} at "
            f"{begin}"
        )
    first, last = holding[0]
    left = _BRACES.sub(r"(\1)", text[first:begin])
    right = _BRACES.sub(r"(\1)", text[end:last])
    return RetrievalRow(
        id=id,
        text=_one_line(f"{said}: {left} {{ {said} }} {right}"),
        side="query",
        answers=(entity,) if entity else (),
    )


def _one_line(text: str) -> str:
    """As XTREME does: of three spaces in a row two stay."""
    return " ".join(text.splitlines()).replace("  ", " ").strip()


def _records(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place and JSON object of each line."""
    for number, line in sources.read_lines(name):
        place = f"line {number}"
        if not line.strip():
            raise UserError(f"{name}: {place} is blank; remove it")
        record = parse_json(line, name=f"{name}: {place}")
        if not isinstance(record, dict):
            raise UserError(f"{name}: {place}: is no JSON object: {short(record)}")
        yield place, record


def _object(record: Any, field: str, *, name: str, place: str) -> Mapping[str, Any]:
    value = record.get(field) if isinstance(record, dict) else None
    if not isinstance(value, dict):
        raise UserError(
            f"{name}: {place}: field {field!r} must be an object, got {short(value)}"
        )
    return value


def _spans(record: Any, *, text: str, name: str, place: str) -> list[tuple[int, int]]:
    """Begin and end of each sentence."""
    return [
        _span(span, text=text, name=name, place=f"{place}, sentence_spans[{n}]")
        for n, span in enumerate(
            field_of(record, "sentence_spans", list, name=name, place=place)
        )
    ]


def _span(span: Any, *, text: str, name: str, place: str) -> tuple[int, int]:
    begin = field_of(span, "start", int, name=name, place=place)
    end = field_of(span, "end", int, name=name, place=place)
    if not 0 <= begin < end <= len(text):
        raise UserError(
            f"{name}: {place}: start {begin} and end {end} must have 0 <= start < end "
            f"<= {len(text)}, the length of the text"
        )
    return begin, end
