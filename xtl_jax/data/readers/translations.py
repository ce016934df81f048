"""Sentences and their translations, in any of the layouts that they are kept in.

They train sentence vectors (`data/labelled_pairs.py`). Rows are those of a retrieval
set: the queries, then the candidates, each query with the ids of its translations.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from xtl_jax.data.readers import retrieval
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions
from xtl_jax.data.rows import RetrievalRow
from xtl_jax.errors import UserError

_LAYOUTS = (
    "one file of two columns with a tab between them; `A + B` of lines that translate "
    "each other, named as LASER names Tatoeba's (.swh and .eng); of `id<TAB>text` with "
    "the same ids, English first; or `A + B + GOLD.gold` as BUCC has them"
)


def translations(
    paths: retrieval.Paths,
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[RetrievalRow]:
    r"""Rows of a set of translations; how many files there are tells the layout.

    - one: `English\ttranslation`, be it sentences or words: MUSE's lexicons too where
      they have a tab
    - two: LASER's of Tatoeba, one of which ends in `.eng`; else `id\ttext`
    - three: BUCC's, with the pairs in `.gold`

    Raises:
        UserError: no known layout, or whatever the reader of it refuses.
    """
    if len(paths) == 1:
        yield from _columns(os.fspath(paths[0]))
        return
    if len(paths) == 3:
        read = retrieval.bucc
    elif len(paths) == 2:
        endings = {retrieval.suffix(path) for path in paths}
        read = retrieval.tatoeba if "eng" in endings else retrieval.parallel
    else:
        raise UserError(
            f"{', '.join(paths)}: {len(paths)} files are no set of translations; give "
            f"{_LAYOUTS}"
        )
    yield from read(
        paths, language=language, split=split, options=options, dropped=dropped
    )


def _columns(name: str) -> Iterator[RetrievalRow]:
    pairs = list(retrieval.columns(name))
    if not pairs:
        raise UserError(
            f"{name}: holds no pair; write an English text, a tab and its translation "
            "on each line"
        )
    for number, first, _ in pairs:
        yield RetrievalRow(
            id=f"first-{number}",
            text=first.strip(),
            side="query",
            answers=(f"second-{number}",),
        )
    for number, _, second in pairs:
        yield RetrievalRow(id=f"second-{number}", text=second.strip(), side="candidate")
