r"""Files of lines of the official scorers, as rows: labels, tags, options, pairs.

These are the parts of an XTREME submission that are no single JSON object. Gold and
prediction files have the same layout, and line i of the one belongs to line i of the
other:

- *labels* (XNLI, PAWS-X, Tatoeba): one label a line.
- *tags* (UDPOS, PAN-X): one tag a line, the token not; a blank line after a sentence.
- *options* (XCOPA): one JSON object a line, whose `label` is a number from 0.
- *pairs* (BUCC): `source id`, a tab, `English id`; the order of lines is nothing.

    >>> gold = label_rows("neutral\nentailment\n", source="gold.tsv", language="en")
    >>> said = labels("neutral\nneutral\n")
    >>> [row.prediction for row in classify(gold, said, source="pred.tsv")]
    ['neutral', 'neutral']

Kept as XTREME's script has it: lines end at \n, \r\n or \r and are stripped of all
Unicode white space, but not of a byte order mark or a zero-width space. A blank line
among labels, at the end too, is one more label. Two blank lines among tags are an empty
sentence between them. Of a tag line all of it is the tag, a token before it too. A
number that equals the label in Python is right (`true` and `1.0` for 1), a text never
is. A pair that comes twice counts once, and a blank line among pairs is one wrong pair.

Reference: XTREME's evaluate.py.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.metrics.scoring import Row

# A metric's ids and tags have one space between them, so none inside.
_SPACE, _NO_BREAK_SPACE = " ", "\u00a0"
_NO_PARTNER = "\t"  # of a line without a tab; what follows a tab is never this


def one_word(text: str) -> str:
    """A text as one id or one tag, with spaces that do not separate."""
    return text.replace(_SPACE, _NO_BREAK_SPACE)


def lines(text: str) -> list[str]:
    r"""Lines as a file opened as text has them, without their ends.

    Example:
        >>> lines("a\r\nb\rc\u2028d\n\n")
        ['a', 'b', 'c\u2028d', '']
    """
    # newline=None: lines end at \n, \r\n and \r, as in a file opened as text.
    return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]


def labels(text: str) -> list[str]:
    """One label a line, stripped; a blank line is a label that is empty."""
    return [line.strip() for line in lines(text)]


def label_rows(text: str, *, source: str, language: str) -> list[Row]:
    """Rows of a label file, without predictions; ids are row numbers from 1.

    Three layouts are known by their columns: one label a line; `premise, hypothesis,
    label` as XTREME distributes XNLI; and XNLI's own table of all languages, whose
    header names `language` and `gold_label`.

    Raises:
        UserError: another number of columns, no label, or no row of the language.
    """
    table = [line.split("\t") for line in labels(text)]
    widths = {len(row) for row in table}
    if widths <= {1}:
        column, found = 0, table
    elif {"language", "gold_label"} <= set(table[0]):
        column, where = table[0].index("gold_label"), table[0].index("language")
        width = len(table[0])
        for number, row in enumerate(table[1:], start=2):
            if len(row) != width:
                raise UserError(
                    f"{source}: line {number} has {len(row)} columns, its header has "
                    f"{width}"
                )
        found = [row for row in table[1:] if row[where] == language]
        if not found:
            have = sorted({row[where] for row in table[1:]})
            raise UserError(
                f"{source}: has no row of language {language!r}; it has "
                f"{', '.join(have)}"
            )
    elif widths == {3}:
        column, found = 2, table
    else:
        raise UserError(
            f"{source}: has {' and '.join(map(str, sorted(widths)))} columns; a gold "
            "file has one label a line, or premise, hypothesis and label: a split "
            "published without labels cannot be scored"
        )
    return verbatim_rows([row[column].strip() for row in found], source=source)


def verbatim_rows(labels: Sequence[str], *, source: str) -> list[Row]:
    """Rows with these gold labels; ids are row numbers from 1.

    Raises:
        UserError: there is none.
    """
    if not labels:
        raise UserError(f"{source}: holds no label, so there is nothing to score")
    return [
        Row(id=str(number), references=(label,))
        for number, label in enumerate(labels, start=1)
    ]


def classify(
    gold: Sequence[Row], predictions: Sequence[str], *, source: str
) -> list[Row]:
    """Gold rows with the labels of a prediction file, line by line.

    Raises:
        UserError: another number of lines.
    """
    if len(predictions) != len(gold):
        hint = ""
        if len(predictions) == len(gold) + 1 and not predictions[-1]:
            hint = "; the last line is blank: remove it"
        raise UserError(
            f"{source}: has {len(predictions)} lines for {len(gold)} examples; give "
            f"exactly one label a line, in the order of the gold file{hint}"
        )
    return [
        dataclasses.replace(row, prediction=said)
        for row, said in zip(gold, predictions, strict=True)
    ]


def sentences(text: str) -> list[list[str]]:
    r"""Tags of sentences, one tag a line and a blank line after each sentence.

    Example:
        >>> sentences("B-PER\nO\n\nO\n")
        [['B-PER', 'O'], ['O']]
    """
    found: list[list[str]] = []
    tags: list[str] = []
    for line in labels(text):
        if line:
            tags.append(line)
        else:
            found.append(tags)
            tags = []
    return [*found, tags] if tags else found


def tag_rows(tags: Sequence[Sequence[str]], *, source: str) -> list[Row]:
    """Rows of sentences with their gold tags; ids are sentence numbers from 1.

    Raises:
        UserError: there is no sentence.
    """
    if not any(tags):
        raise UserError(f"{source}: holds no tag, so there is nothing to score")
    return [
        Row(id=str(number), references=(" ".join(map(one_word, sentence)),))
        for number, sentence in enumerate(tags, start=1)
    ]


def tag(
    gold: Sequence[Row], predictions: Sequence[Sequence[str]], *, source: str
) -> list[Row]:
    """Gold rows with the tags of a prediction file, sentence by sentence.

    Raises:
        UserError: another number of sentences, or of tags in one of them.
    """
    if len(predictions) != len(gold):
        empty = sum(not sentence for sentence in predictions)
        hint = f"; {empty} of them are empty: two blank lines follow each other there"
        raise UserError(
            f"{source}: has {len(predictions)} sentences, the gold file {len(gold)}; "
            f"give one blank line between two sentences{hint if empty else ''}"
        )
    rows = []
    for row, said in zip(gold, predictions, strict=True):
        (reference,) = row.references or ("",)
        wanted = len(reference.split(" ")) if reference else 0
        if len(said) != wanted:
            raise UserError(
                f"{source}: sentence {row.id} has {len(said)} tags for {wanted} tokens"
            )
        if wanted:  # an empty sentence counts for nothing
            said = " ".join(map(one_word, said))
            rows.append(dataclasses.replace(row, prediction=said))
    return rows


def options(text: str, *, source: str) -> list[str]:
    r"""The `label` of each line, as a text that equals what Python holds equal.

    Raises:
        UserError: a line is no JSON object with a label.

    Example:
        >>> options('{"label": 1}\n{"label": true}\n{"label": "1"}\n', source="x")
        ['1', '1', '"1"']
    """
    found = []
    for number, line in enumerate(lines(text), start=1):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            hint = " (the line is blank: remove it)" if not line.strip() else ""
            raise UserError(
                f"{source}: line {number} is no JSON ({error}){hint}; each line is an "
                'object such as {"label": 0}'
            ) from None
        if not isinstance(document, dict) or "label" not in document:
            raise UserError(
                f"{source}: line {number} has no 'label'; each line is an object such "
                'as {"label": 0}'
            )
        found.append(_equal_text(document["label"]))
    return found


def option_rows(text: str, *, source: str) -> list[Row]:
    """Rows of a gold file of options; ids are row numbers from 1.

    Raises:
        UserError: a line without a label that is a number from 0, or no line.
    """
    found = options(text, source=source)
    for number, label in enumerate(found, start=1):
        if not label.isdecimal():
            raise UserError(
                f"{source}: line {number}: the label {label} is no number of an option "
                "(0, 1, …); a split published without labels cannot be scored"
            )
    return verbatim_rows(found, source=source)


def _equal_text(value: Any) -> str:
    """One text for all that Python holds equal: True, 1 and 1.0, but not "1"."""
    if isinstance(value, (bool, int, float)):
        whole = math.isfinite(value) and value == int(value)
        return str(int(value)) if whole else repr(value)
    return json.dumps(value, sort_keys=True)


def pairs(text: str) -> list[tuple[str, str]]:
    r"""Pairs of ids, each once, in the order of lines.

    Example:
        >>> pairs("de-1\ten-7\nde-1\ten-7\n")
        [('de-1', 'en-7')]
    """
    found = {}
    for line in labels(text):
        source_id, tab, target_id = line.partition("\t")
        found[source_id, one_word(target_id) if tab else _NO_PARTNER] = None
    return list(found)


def pair_rows(gold: str, predictions: str, *, source: str) -> list[Row]:
    """Rows of all source sentences that are in a pair, right or predicted.

    Args:
        gold: text of the gold file.
        predictions: text of the prediction file.
        source: name of the gold file.

    Raises:
        UserError: there is no gold pair.
    """
    right: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for table, text in ((right, gold), (found, predictions)):
        for source_id, target_id in pairs(text):
            table.setdefault(source_id, []).append(target_id)
    if not right:
        raise UserError(f"{source}: holds no pair, so there is nothing to score")
    return [
        Row(
            id=id_,
            references=tuple(right.get(id_, ())),
            prediction=" ".join(found.get(id_, ())),
        )
        for id_ in {**right, **found}
    ]
