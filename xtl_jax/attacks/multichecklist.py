"""MultiCheckList: templates of six tests of understanding, in 50 languages, filled.

Its one file (`multichecklist/checklist_templates.tsv` of google-research/xtreme) has a
column for each language and rows of these fields:

    Name        a test begins; an empty row ends it
    Capability  what it tests
    Context     a template; several are alternatives
    Question    a template, and in the next row its Answer
    adj, ...    words to fill in; tests further down may use them too

A placeholder in braces is filled from the field of its name: `{adj[0]}` is the first of
several forms, which a comma parts. Some have other names: `{s}` is a `state`, `{obj}`
may be shorter, and `{p.v1}`, `{p.p1}` are a property's value and its name, of two
properties in one context. `{first_name}` and the like are names, which the file has
not: the caller gives them.

Some languages need another template with some words, as for agreement: further columns
of the same language follow, and a column `LANGUAGE-placeholders` after each says by its
English words which the template is for. Where it is empty, the template is for all.

This is a source of rows rather than an attack: `fill` gives `QuestionRow`s.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator, Mapping, Sequence

from xtl_jax.data.rows import QuestionRow
from xtl_jax.errors import UserError, near

_PLACEHOLDER = re.compile(r"\{([a-z_]+)(\d*)(?:\[(\d)\]|\.([vp])(\d))?\}")
_PARTED = re.compile(r"\s*[,،、，၊]\s*")
_SUFFIX = "-placeholders"
_OTHER_NAMES = {"s": "state"}
_PROPERTIES = ("color", "size", "age", "shape", "material")
TRIES = 200  # draws for one row before it is given up


@dataclasses.dataclass(frozen=True)
class Template:
    """One wording of a template and the English words that it is for."""

    text: str
    only: frozenset[str]  # empty: for all


@dataclasses.dataclass(frozen=True)
class Test:
    """One test in one language."""

    name: str
    capability: str
    # The alternatives of each row, by wording.
    contexts: tuple[tuple[Template, ...], ...]
    questions: tuple[
        tuple[tuple[Template, ...], str], ...
    ]  # with the answer's template
    # Field to the pairs of English words and their translations.
    words: Mapping[str, tuple[tuple[str, str], ...]]


def parse(text: str, *, language: str, name: str = "templates") -> tuple[Test, ...]:
    """The tests of one language.

    Args:
        text: the whole file.
        language: one of its columns.
        name: what errors call the file.

    Raises:
        UserError: the file has no such language, or is not laid out as it should be.
    """
    lines = text.lstrip("\ufeff").replace("\r", "").rstrip("\n").split("\n")
    table = [line.split("\t") for line in lines]
    header = table[0] if table else [""]
    if header[0] != "Field" or "en" not in header:
        raise UserError(
            f"{name}: the first line must begin with 'Field' and have a column 'en', "
            f"got {header[:3]!r}; wanted is MultiCheckList's checklist_templates.tsv"
        )
    known = [each for each in header[1:] if not each.endswith(_SUFFIX)]
    if language not in known:
        raise UserError(
            f"{name}: no column {language!r} among {len(set(known))}; near: "
            f"{near(language, known)}"
        )
    for number, row in enumerate(table[1:], start=2):
        if len(row) != len(header):
            raise UserError(
                f"{name}, line {number}: {len(row)} fields, the first line has "
                f"{len(header)}"
            )
    columns = [at for at, each in enumerate(header) if each == language]
    tests, rows = [], []
    words: dict[str, tuple[tuple[str, str], ...]] = {}
    for row in [*table[1:], [""] * len(header)]:
        if row[0].strip():
            rows.append(row)
        elif rows:
            test = _test(rows, header=header, columns=columns, name=name)
            words |= test.words
            tests.append(dataclasses.replace(test, words=dict(words)))
            rows = []
    return tuple(tests)


def _test(
    rows: Sequence[Sequence[str]],
    *,
    header: Sequence[str],
    columns: Sequence[int],
    name: str,
) -> Test:
    english = header.index("en")
    title = {row[0]: row[english].strip() for row in rows}
    contexts, questions = [], []
    found: dict[str, list[tuple[str, str]]] = {}
    for at, row in enumerate(rows):
        field = row[0].strip()
        if field == "Context":
            contexts.append(_wordings(row, header=header, columns=columns))
        elif field == "Question":
            answer = rows[at + 1] if at + 1 < len(rows) else [""]
            if answer[0].strip() != "Answer":
                raise UserError(f"{name}: a Question of {title!r} has no Answer below")
            wordings = _wordings(row, header=header, columns=columns)
            questions.append((wordings, answer[columns[0]].strip()))
        elif field not in ("Name", "Capability", "Answer"):
            pair = row[english].strip(), row[columns[0]].strip()
            found.setdefault(field, []).append(pair)
    return Test(
        name=title.get("Name", ""),
        capability=title.get("Capability", ""),
        contexts=tuple(contexts),
        questions=tuple(questions),
        words={field: tuple(pairs) for field, pairs in found.items()},
    )


def _wordings(
    row: Sequence[str], *, header: Sequence[str], columns: Sequence[int]
) -> tuple[Template, ...]:
    found = []
    for at in columns:
        if not row[at].strip():
            continue
        beside = header[at + 1] if at + 1 < len(header) else ""
        only = row[at + 1] if beside == header[at] + _SUFFIX else ""
        words = frozenset(each for each in _PARTED.split(only.strip()) if each)
        found.append(Template(row[at].strip(), words))
    return tuple(found)


def fill(
    test: Test,
    *,
    language: str,
    names: Sequence[str],
    seed: int,
    count: int,
) -> tuple[QuestionRow, ...]:
    """Up to `count` questions of a test, filled by chance.

    The answer stands in the context once at least; where it stands more often, the
    first place is given. A draw whose answer does not stand there as it is written (an
    inflected word) is drawn again; after `TRIES` draws a row there are fewer rows.

    Args:
        test: from `parse`.
        language: for the rows' ids.
        names: of people, as this language writes them; 3 at least.
        seed: of all draws.
        count: of rows.

    Raises:
        UserError: there are fewer than 3 different names.
    """
    if len(set(names)) < 3:
        raise UserError(f"MultiCheckList needs 3 different names, got {names!r}")
    rng = random.Random(f"{seed}/multichecklist/{language}/{test.name}")
    rows: dict[tuple[str, str], QuestionRow] = {}
    for _ in range(TRIES * count):
        drawn = _draw(test, names=names, rng=rng)
        if drawn is not None:
            context, question, answer = drawn
            row = QuestionRow(
                id=f"multichecklist/{language}/{test.name}/{len(rows)}",
                question=question,
                context=context,
                answers=(answer,),
                answer_starts=(context.index(answer),),
                title=test.name,
            )
            rows.setdefault((context, question), row)
        if len(rows) == count:
            break
    return tuple(rows.values())


def _draw(
    test: Test, *, names: Sequence[str], rng: random.Random
) -> tuple[str, str, str] | None:
    """A context, a question and its answer; None where they do not fit together."""
    if not test.contexts or not test.questions:
        return None
    contexts = rng.choice(test.contexts)
    questions, answer = rng.choice(test.questions)
    people = iter(rng.sample(sorted(set(names)), 3))
    chosen: dict[str, tuple[str, str]] = {}  # placeholder to its English and local word
    every = " ".join([answer, *(template.text for template in (*contexts, *questions))])
    for match in _PLACEHOLDER.finditer(every):
        key = _key(match)
        if key not in chosen:
            word = _choose(key, test=test, chosen=chosen, people=people, rng=rng)
            if word is None:
                return None
            chosen[key] = word
    english = {each for word, _ in chosen.values() for each in (word, *_forms(word))}
    context = _fitting(contexts, english)
    question = _fitting(questions, english)
    if context is None or question is None:
        return None
    filled = [_filled(text, chosen) for text in (context, question, answer)]
    if any(text is None for text in filled) or str(filled[2]) not in str(filled[0]):
        return None
    return str(filled[0]), str(filled[1]), str(filled[2])


def _key(match: re.Match[str]) -> str:
    """What decides a placeholder's word: `p.v1` and `p.p1` are decided together."""
    name, number, _, kind, which = match.groups()
    return f"{name}.{kind}{which}" if kind else f"{name}{number}"


def _choose(
    key: str,
    *,
    test: Test,
    chosen: dict[str, tuple[str, str]],
    people: Iterator[str],
    rng: random.Random,
) -> tuple[str, str] | None:
    if key.startswith("first_name"):
        person = next(people, None)
        return (person, person) if person else None
    if key.startswith("p."):
        # Both properties are drawn at once, so that they differ.
        pair = rng.sample([each for each in _PROPERTIES if each in test.words], 2)
        local = dict(test.words.get("property", ()))
        for which, each in enumerate(pair, start=1):
            chosen[f"p.p{which}"] = each, local.get(each, "")
            chosen[f"p.v{which}"] = rng.choice(test.words[each])
        return chosen.get(key)
    field = _OTHER_NAMES.get(key, key)
    return rng.choice(test.words[field]) if test.words.get(field) else None


def _forms(word: str, *, like: str = "") -> list[str]:
    """The forms of a word, which a comma parts.

    Where the language has no comma (Thai), as many words as its English has forms.
    """
    forms = [form for form in _PARTED.split(word) if form]
    wanted = len(_forms(like)) if like else 1
    if len(forms) == 1 < wanted and len(word.split()) == wanted:
        return word.split()
    return forms


def _fitting(templates: Sequence[Template], english: set[str]) -> str | None:
    """The wording for these words: the one that names one of them, else one for all."""
    for template in templates:
        if template.only & english:
            return template.text
    return next((template.text for template in templates if not template.only), None)


def _filled(text: str, chosen: Mapping[str, tuple[str, str]]) -> str | None:
    """A template with its words; None where a word has not the form it asks for."""
    missing = False

    def word(match: re.Match[str]) -> str:
        nonlocal missing
        english, local = chosen[_key(match)]
        if match[3]:
            forms = _forms(local, like=english)
            local = forms[int(match[3])] if int(match[3]) < len(forms) else ""
        missing = missing or not local
        return local

    filled = _PLACEHOLDER.sub(word, text)
    return None if missing or "{" in filled else filled
