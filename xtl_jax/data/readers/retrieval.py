"""Two sets of sentences, one to be searched for and one to be searched in.

A *query* is a sentence that something is looked for; a *candidate* is what may be
found. Rows are the queries in their order, then the candidates in theirs. A split is
made of several files, which are read together and told apart by the ends of their
names. Where a release keeps the right pairs back, queries have no `answers`: they can
be predicted for a submission and not be scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from xtl_jax.data import sources
from xtl_jax.data.language_codes import ISO3
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, short
from xtl_jax.data.rows import RetrievalRow
from xtl_jax.errors import UserError

Paths = Sequence[str]
POOL = "pool"  # in a language's place: the candidates that all languages share
_LATIN_SHARE = 0.5  # of letters: below this a text is not English


def tatoeba(
    paths: Paths,
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[RetrievalRow]:
    """English sentences and their translations, one a line.

    LASER's files (`tatoeba.swh-eng.swh`, `.eng`) are aligned: line i translates line i.
    XTREME's (`sw-en.sw`, `sw-en.en`) are made from them: the English side is sorted by
    code point, so that nobody sees the alignment. From LASER's the same rows come in
    the same order, with their answers: query `en-7` is the eighth English sentence in
    sorted order, candidate `7` is the foreign sentence in line 8.

    Raises:
        UserError: not the two files of one language, sides of different lengths, a
            blank line, an English side that is no English, or that has XTREME's name
            and is not sorted.
    """
    foreign, english = _by_suffix(
        paths, wanted=((language, ISO3[language]), ("en", "eng"))
    )
    aligned = suffix(english) == "eng"
    texts = [text for _, text in _sentences(english)]
    others = [text for _, text in _sentences(foreign)]
    if len(texts) != len(others):
        raise UserError(
            f"{english} has {len(texts):,} lines and {foreign} has {len(others):,}; "
            "each sentence has one translation: fetch both files again"
        )
    _check_english(texts, name=english)
    order = sorted(range(len(texts)), key=texts.__getitem__)
    if not aligned and order != list(range(len(texts))):
        place = next(i for i, row in enumerate(order) if i != row)
        raise UserError(
            f"{english}: line {place + 1} ({short(texts[place])}) is not in order; "
            "XTREME sorts its English sides by code point: these are the aligned files "
            "of LASER under another name (call them "
            f"tatoeba.{ISO3[language]}-eng.{ISO3[language]} and .eng), or the two "
            "sides were swapped"
        )
    for place, row in enumerate(order):
        yield RetrievalRow(
            id=f"en-{place}",
            text=texts[row],
            side="query",
            answers=(str(row),) if aligned else (),
        )
    for row, text in enumerate(others):
        yield RetrievalRow(id=str(row), text=text, side="candidate")


def bucc(
    paths: Paths,
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[RetrievalRow]:
    r"""BUCC 2018: `id\ttext` of both languages, and `.gold` with pairs of ids.

    The foreign sentences are queries, the English ones candidates. Most have no
    partner. Without a gold file no query has an answer.

    Raises:
        UserError: a file is missing, a line has not two columns, an id is there twice
            or of the other language, or a gold pair names a sentence that is not there.
    """
    name, english, gold = _by_suffix(
        paths, wanted=((language,), ("en",), ("gold",)), optional="gold"
    )
    foreign = _numbered(name, language=language)
    candidates = _numbered(english, language="en")
    partners: dict[str, tuple[str, ...]] = {}
    if gold:
        partners = _gold(gold, queries=foreign, candidates=candidates)
    for id, text in foreign.items():
        yield RetrievalRow(id=id, text=text, side="query", answers=partners.get(id, ()))
    for id, text in candidates.items():
        yield RetrievalRow(id=id, text=text, side="candidate")


def parallel(
    paths: Paths,
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[RetrievalRow]:
    r"""Two files of `id\ttext`: English first, and its translations by the same id.

    An id gets its language before it: query `en-7` finds candidate `sw-7`.

    Raises:
        UserError: not two files, a line has not two columns, or an id is there twice or
            on one side only.
    """
    if len(paths) != 2:
        raise UserError(
            f"{', '.join(paths)}: two files are needed, English and {language!r}"
        )
    english, other = paths
    queries, candidates = _numbered(english), _numbered(other)
    for id in (*queries, *candidates):
        if id not in queries or id not in candidates:
            here, there = (english, other) if id in queries else (other, english)
            raise UserError(
                f"{here}: id {id!r} has no partner in {there}; both files need the "
                "same ids"
            )
    for id, text in queries.items():
        yield RetrievalRow(
            id=f"en-{id}", text=text, side="query", answers=(f"{language}-{id}",)
        )
    for id, text in candidates.items():
        yield RetrievalRow(id=f"{language}-{id}", text=text, side="candidate")


def suffix(name: str) -> str:
    """What a file name ends in, compression aside."""
    for suffix in sources.SUFFIXES[1:]:
        name = name.removesuffix(suffix)
    return name.rpartition(".")[2]


def _by_suffix(
    paths: Paths, *, wanted: Sequence[Sequence[str]], optional: str = ""
) -> list[str]:
    """One file for each wanted ending, "" for an optional one that is not there."""
    found = []
    for suffixes in wanted:
        names = [path for path in paths if suffix(path) in suffixes]
        if len(names) > 1 or (not names and optional not in suffixes):
            endings = " or ".join(f".{suffix}" for suffix in suffixes)
            raise UserError(
                f"{len(names) or 'no'} files end in {endings} among "
                f"{', '.join(paths)}; one is needed: the sides of a set are told "
                "apart by their names"
            )
        found.append(names[0] if names else "")
    return found


def _lines(name: str) -> Iterator[tuple[int, str]]:
    """Numbered lines, none of them blank."""
    for number, line in sources.read_lines(name):
        if not line.strip():
            raise UserError(
                f"{name}: line {number} is blank; each line is a sentence, and a blank "
                "one would shift all that follow: remove it"
            )
        yield number, line


def _sentences(name: str) -> Iterator[tuple[int, str]]:
    """Numbered sentences without white space at their ends, as XTREME reads them."""
    for number, line in _lines(name):
        yield number, line.strip()


def _check_english(texts: Sequence[str], *, name: str) -> None:
    letters = [letter for text in texts for letter in text if letter.isalpha()]
    latin = sum(letter.isascii() for letter in letters)
    if latin < _LATIN_SHARE * len(letters):
        raise UserError(
            f"{name}: only {latin:,} of its {len(letters):,} letters are English ones "
            f"(it begins {short(texts[0])}); were the two sides swapped?"
        )


def columns(name: str) -> Iterator[tuple[int, str, str]]:
    """Line number and the two columns of each line."""
    for number, line in _lines(name):
        cells = line.split("\t")
        if len(cells) != 2:
            raise UserError(
                f"{name}: line {number}: has {len(cells)} columns, 2 are needed "
                f"(separated by one tab): {short(line)}"
            )
        for what, cell in zip(("first", "second"), cells, strict=True):
            if not cell.strip():
                raise UserError(f"{name}: line {number}: the {what} column is blank")
        yield number, cells[0], cells[1]


def _numbered(name: str, *, language: str | None = None) -> dict[str, str]:
    """Texts by their ids, in order; BUCC's ids begin with their language."""
    found: dict[str, str] = {}
    for number, id, text in columns(name):
        place = f"line {number}"
        check_id(id, name=name, place=place)
        if language is not None and not id.startswith(f"{language}-"):
            raise UserError(
                f"{name}: {place}: id {short(id)} does not begin with '{language}-', "
                "as BUCC's do; is the file that of another language?"
            )
        if id in found:
            raise UserError(
                f"{name}: {place}: id {id!r} is there a second time; ids must "
                "differ, pairs are told by them"
            )
        found[id] = text
    return found


def check_id(id: str, *, name: str, place: str) -> None:
    """Refuse an id that cannot stand in a prediction, where a space parts ids."""
    if not id or any(character.isspace() for character in id):
        raise UserError(
            f"{name}: {place}: the id {id!r} is blank or has white space in it"
        )


def _gold(
    name: str, *, queries: Mapping[str, str], candidates: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Partners of each query that has some."""
    partners: dict[str, tuple[str, ...]] = {}
    for number, query, candidate in columns(name):
        for id, side, there in (
            (query, queries, "foreign"),
            (candidate, candidates, "English"),
        ):
            if id not in side:
                raise UserError(
                    f"{name}: line {number}: no {there} sentence has the id {id!r}; "
                    "are all files of the same language and split?"
                )
        before = partners.get(query, ())
        if candidate in before:
            raise UserError(
                f"{name}: line {number}: the pair {query!r}, {candidate!r} is there a "
                "second time; remove one"
            )
        partners[query] = (*before, candidate)
    return partners
