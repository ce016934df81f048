"""Exchanged pieces against linear models, where the gradient's advice is exact."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.attacks import flips
from xtl_jax.attacks.flips import Sloped, Table
from xtl_jax.attacks.search import Asked
from xtl_jax.data.rows import PairRow, QuestionRow, TaggedRow

LISTED = (
    *("<pad>", "</s>", "the", "cat", "dog", "sat", "ran", "here", "now"),
    *("кот", "пёс", "7", "."),
)


class Words:
    """A vocabulary of whole words; what it does not know is `<pad>`."""

    size = len(LISTED)

    def piece(self, token):
        return LISTED[token] if LISTED[token][0] in "<." else f"▁{LISTED[token]}"

    def encode(self, text):
        parts = text.replace(".", " . ").split()
        return [LISTED.index(part) if part in LISTED else 0 for part in parts]


VECTORS = np.random.default_rng(0).normal(size=(len(LISTED), 5))
WEIGHTS = np.random.default_rng(1).normal(size=5)
TABLE = Table.of(Words(), VECTORS)


def _said(text):
    return float(sum(VECTORS[token] @ WEIGHTS for token in Words().encode(text)))


def _ask(rows):
    return [_said(row.first) + _said(row.second) for row in rows]


def _slopes(rows):
    found = []
    for row in rows:
        of_row = []
        for field in ("first", "second"):
            text, begin = getattr(row, field), 0
            for word in text.replace(".", " .").split():
                start = text.index(word, begin)
                begin = start + len(word)
                token = Words().encode(word)[0]
                of_row.append(Sloped(field, start, begin, token, WEIGHTS))
        found.append(of_row)
    return found


ROW = PairRow(id="1", first="the cat sat here.", second="the dog ran.", label="neutral")


def _flip(row=ROW, *, margins=False, **settings):
    asked = Asked(_ask, margins=margins)
    (found,) = flips.hotflip(
        [row],
        language="en",
        asked=asked,
        slopes=_slopes,
        table=TABLE,
        **{"budget": 0.1, "k": 3, **settings},
    )
    return found


def test_the_exchange_that_hurts_most_is_found():
    """One word a field, so the best of all single exchanges in each, by brute force."""
    found = _flip()
    latin = [LISTED[token] for token in range(2, 9)]
    for field in ("first", "second"):
        text = getattr(ROW, field)
        every = [
            text.replace(old, new) for old in text.rstrip(".").split() for new in latin
        ]
        assert getattr(found.attacked.row, field) == min(every, key=_said)
    assert found.after == pytest.approx(_ask([found.attacked.row])[0])
    assert len(found.attacked.edits) == 2


def test_only_pieces_of_the_same_script_are_taken():
    found = _flip(budget=1.0, k=20)
    assert not set(f"{found.attacked.row}") & set("котпёс7")


def test_a_flip_must_read_as_what_was_meant():
    class Merging(Words):
        def encode(self, text):
            return [0] if "dog" in text or "now" in text else super().encode(text)

    asked = Asked(_ask, margins=False)
    (found,) = flips.hotflip(
        [ROW],
        language="en",
        budget=1.0,
        k=20,
        asked=asked,
        slopes=_slopes,
        table=Table.of(Merging(), VECTORS),
        fields=("first",),
    )
    assert "now" not in found.attacked.row.first
    assert "dog" not in found.attacked.row.first
    assert found.attacked.row.second == ROW.second


def test_answers_are_never_exchanged():
    row = QuestionRow(
        id="q",
        question="the cat",
        context="the dog ran here.",
        answers=("dog ran",),
        answer_starts=(4,),
    )

    def ask(rows):
        return [_said(row.question) + _said(row.context) for row in rows]

    def slopes(rows):
        pairs = [
            PairRow(id=row.id, first=row.question, second=row.context, label="x")
            for row in rows
        ]
        named = {"first": "question", "second": "context"}
        return [
            [token._replace(field=named[token.field]) for token in of_row]
            for of_row in _slopes(pairs)
        ]

    (found,) = flips.hotflip(
        [row],
        language="en",
        budget=1.0,
        k=5,
        asked=Asked(ask, margins=False),
        slopes=slopes,
        table=TABLE,
    )
    new = found.attacked.row
    assert new != row
    assert new.context.startswith("dog ran", new.answer_starts[0])


def test_wrong_and_other_rows_are_told_apart():
    low = min(_ask([ROW])[0], -1.0)
    asked = Asked(lambda rows: [low] * len(rows), margins=True)
    tagged = TaggedRow(id="t", tokens=("the",), tags=("X",))
    wrong, other = flips.hotflip(
        [ROW, tagged],
        language="en",
        budget=0.1,
        k=2,
        asked=asked,
        slopes=_slopes,
        table=TABLE,
    )
    assert wrong.spared == "the model was wrong before"
    assert "does not apply to a TaggedRow" in other.attacked.not_applied


def test_a_trigger_is_the_word_that_hurts_everywhere():
    rows = [
        ROW,
        PairRow(id="2", first="the dog", second="cat sat now.", label="neutral"),
    ]
    asked = Asked(_ask, margins=False)
    found = flips.find_trigger(
        rows,
        language="en",
        tokens=2,
        k=len(LISTED),
        rounds=2,
        asked=asked,
        slopes=_slopes,
        table=TABLE,
    )
    assert not isinstance(found, str)
    latin = [LISTED[token] for token in range(2, 9)]
    worst = min(latin, key=_said)
    assert found.text == f"{worst} {worst} "
    assert found.field == "second"
    assert found.after == pytest.approx(found.before + 2 * _said(worst))
    put = flips.put(ROW, found.field, found.text)
    assert put.second == f"{worst} {worst} the dog ran."


def test_a_script_without_words_has_no_trigger():
    row = PairRow(id="1", first="ไทย", second="ภาษาไทย", label="neutral")
    asked = Asked(_ask, margins=False)
    found = flips.find_trigger(
        [row],
        language="th",
        tokens=1,
        k=1,
        rounds=1,
        asked=asked,
        slopes=_slopes,
        table=TABLE,
    )
    assert isinstance(found, str)
    assert "no word of letters" in found
