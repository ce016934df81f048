"""Files to rows, every row checked.

A reader takes one file of a release and yields its rows in order. Nothing is mended in
silence: a row that the release's own description does not allow raises a `UserError`
that names file, row, field, value, what is allowed and what to do. What a release
itself tells its readers to leave out is left out and counted in `dropped`.
"""

from __future__ import annotations

from xtl_jax.data.readers.answer_sentences import lareqa
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, check_count
from xtl_jax.data.readers.choices import (
    commonsense_qa,
    cosmos_qa,
    hellaswag,
    social_iqa,
)
from xtl_jax.data.readers.copa import copa
from xtl_jax.data.readers.entities import mewslix
from xtl_jax.data.readers.pairs import duplicates, nli, paraphrase
from xtl_jax.data.readers.questions import squad, squad_v2
from xtl_jax.data.readers.retrieval import POOL, bucc, parallel, tatoeba
from xtl_jax.data.readers.supertags import supertags
from xtl_jax.data.readers.tagged import (
    ENTITY_TAGS,
    UPOS,
    named_entities,
    parts_of_speech,
)
from xtl_jax.data.readers.texts import text_lines
from xtl_jax.data.readers.translations import translations

__all__ = [
    "DEFAULT",
    "ENTITY_TAGS",
    "POOL",
    "UPOS",
    "Dropped",
    "ReadOptions",
    "bucc",
    "check_count",
    "commonsense_qa",
    "copa",
    "cosmos_qa",
    "duplicates",
    "hellaswag",
    "lareqa",
    "mewslix",
    "named_entities",
    "nli",
    "parallel",
    "paraphrase",
    "parts_of_speech",
    "social_iqa",
    "squad",
    "squad_v2",
    "supertags",
    "tatoeba",
    "text_lines",
    "translations",
]
