"""Tagged sentences as text and back: any row, and any text a model may write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import tagging
from xtl_jax.data.rows import TaggedRow

INDEXED = (tagging.POS, tagging.NER, tagging.CCG)
# Tokens that are easily confused: repeated, parts of each other, normalised away.
TOKENS = st.sampled_from(
    (
        *("a", "b", "A", "ab", "a b", "O", "O:", "PER:", "None", ":", "。"),
        *("①", "1", "ﬁ", "fi", "é", "e\u0301", "ｶﾞ", "\u200e", "\u200ea"),
    )
)


def tagged(tokens, tags):
    return TaggedRow(id="1", tokens=tuple(tokens), tags=tuple(tags))


@st.composite
def entity_rows(draw):
    """Sentences with entities by IOB2 anywhere."""
    tokens, tags = [], []
    for _ in range(draw(st.integers(1, 6))):
        words = draw(st.lists(TOKENS, min_size=1, max_size=3))
        kind = draw(st.sampled_from(["O", "PER", "LOC"]))
        tokens += words
        if kind == "O":
            tags += ["O"] * len(words)
        else:
            tags += [f"B-{kind}", *[f"I-{kind}"] * (len(words) - 1)]
    return tagged(tokens, tags)


def test_prompts_have_the_two_documented_layouts():
    row = tagged(["Rita", "saw", "Oslo", "."], ["B-PER", "O", "B-LOC", "O"])
    indexed = tagging.NER.prompt(row)
    assert indexed.inputs == (
        "ner: <extra_id_0> Rita <extra_id_1> saw <extra_id_2> Oslo <extra_id_3> ."
    )
    assert indexed.targets == (
        "<extra_id_0> B-PER <extra_id_1> O <extra_id_2> B-LOC <extra_id_3> O"
    )
    spans = tagging.SPANS.prompt(row)
    assert spans.inputs == "tag: Rita saw Oslo ."
    assert spans.targets == "PER: Rita $$ LOC: Oslo"
    for example in (indexed, spans):
        assert example.references == ("B-PER O B-LOC O",)
        assert example.context == "Rita\tsaw\tOslo\t."
    assert tagging.SPANS.prompt(tagged(["a"], ["O"])).targets == "None"


@pytest.mark.parametrize("form", INDEXED)
@given(data=st.data())
def test_indexed_targets_come_back_exactly(form, data):
    length = data.draw(st.sampled_from([1, 2, 99, 100, 101, 250]))
    tags = st.sampled_from(["NOUN", "O", "B-PER", "(S[dcl]\\NP)/NP", ".", "N"])
    row = tagged(["w"] * length, data.draw(st.lists(tags, min_size=length))[:length])
    example = form.prompt(row)
    placed = form.place(example.targets, context=example.context)
    assert placed == (row.tags, 0, length)


def test_sentinels_are_used_again_after_a_hundred_tokens():
    row = tagged([f"w{n}" for n in range(102)], ["X"] * 102)
    example = tagging.POS.prompt(row)
    assert example.inputs.endswith(
        "<extra_id_99> w99 <extra_id_0> w100 <extra_id_1> w101"
    )


@pytest.mark.parametrize(
    ("raw", "tags", "unplaced", "total"),
    [
        ("<extra_id_0> A <extra_id_1> B <extra_id_2> C", "A B C", 0, 3),
        ("", "_ _ _", 3, 3),
        ("A B C", "_ _ _", 6, 6),  # three tags without a place, three tokens without
        ("<extra_id_0> A <extra_id_2> C", "A _ C", 1, 3),
        ("<extra_id_2> C <extra_id_0> A <extra_id_1> B", "A B C", 0, 3),
        ("<extra_id_0> A <extra_id_0> X <extra_id_1> B", "A B _", 2, 4),
        ("<extra_id_0> A B <extra_id_1> <extra_id_2> C", "A _ C", 2, 4),
        ("<extra_id_0>A<extra_id_1>B<extra_id_2>\u3000C\n", "A B C", 0, 3),
        ("<extra_id_0> A <extra_id_1> B <extra_id_2> C <extra_id_3> D", "A B C", 1, 4),
        ("<extra_id_7> A <extra_id_100> B <extra_id_x> C", "_ _ _", 8, 8),
        ("<extra_id_" + "9" * 5000 + "> A", "_ _ _", 5, 5),
    ],
)
def test_any_text_gives_one_tag_a_token(raw, tags, unplaced, total):
    placed = tagging.POS.place(raw, context="a\tb\tc")
    assert (" ".join(placed.tags), placed.unplaced, placed.total) == (
        tags,
        unplaced,
        total,
    )
    assert tagging.POS.postprocess(raw, context="a\tb\tc") == tags


def test_fillers_are_o_for_entities_and_never_right_elsewhere():
    assert tagging.NER.postprocess("?", context="a\tb") == "O O"
    assert tagging.CCG.postprocess("?", context="a\tb") == "_ _"


@given(entity_rows())
def test_spans_come_back_exactly(row):
    example = tagging.SPANS.prompt(row)
    placed = tagging.SPANS.place(example.targets, context=example.context)
    assert (placed.tags, placed.unplaced) == (row.tags, 0)


@given(
    st.text(alphabet="ab :$PERO<>_idx0123\n\u200e①", max_size=60),
    st.lists(TOKENS, min_size=1, max_size=6),
)
def test_no_text_is_too_odd_to_be_placed(raw, tokens):
    for form in (*INDEXED, tagging.SPANS):
        placed = form.place(raw, context="\t".join(tokens))
        assert len(placed.tags) == len(tokens)
        assert 0 <= placed.unplaced <= placed.total
        assert not any(" " in tag or not tag for tag in placed.tags)


@pytest.mark.parametrize(
    ("raw", "tags", "unplaced", "total"),
    [
        ("LOC: Bad Ems", "B-LOC I-LOC O O O O", 0, 1),
        # the first free place behind the entity before it, else the first of all
        ("LOC: Ems $$ LOC: Ems", "O B-LOC O B-LOC O O", 0, 2),
        ("LOC: Ems $$ LOC: Ems $$ LOC: Ems", "O B-LOC O B-LOC O O", 1, 3),
        ("PER: Dr. May $$ LOC: Bad Ems", "B-LOC I-LOC O O B-PER I-PER", 0, 2),
        ("O: Ems $$ LOC: Ems", "O O O B-LOC O O", 0, 2),
        # whole tokens alone, boundaries and letters exact
        ("LOC: Em", "O O O O O O", 1, 1),
        ("LOC: ems", "O O O O O O", 1, 1),
        ("LOC: Bad Ems and Ems", "B-LOC I-LOC I-LOC I-LOC O O", 0, 1),
        # what a model may write
        ("LOC:Ems$$PER:Dr.May", "O B-LOC O O B-PER I-PER", 0, 2),
        ("LOC: Ems $$ PER: Dr. M", "O B-LOC O O O O", 1, 2),
        ("LOC: Ems $$", "O B-LOC O O O O", 0, 1),
        ("Ems $$ LOC: Ems", "O B-LOC O O O O", 1, 2),
        ("LOC:", "O O O O O O", 1, 1),
        ("None", "O O O O O O", 0, 0),
        ("", "O O O O O O", 0, 0),
        ("<extra_id_0> B-LOC", "O O O O O O", 1, 1),
    ],
)
def test_entities_are_put_on_the_first_free_tokens(raw, tags, unplaced, total):
    placed = tagging.SPANS.place(raw, context="Bad\tEms\tand\tEms\tDr.\tMay")
    assert (" ".join(placed.tags), placed.unplaced, placed.total) == (
        tags,
        unplaced,
        total,
    )


@pytest.mark.parametrize(
    ("sentence", "targets"),
    [
        # nothing is added where mT5's text is read back right
        ("Paris/LOC met Paris/LOC", "LOC: Paris $$ LOC: Paris"),
        ("Rita/PER in Rita", "PER: Rita"),
        ("Paris met Bonn/LOC and Paris/LOC", "LOC: Bonn $$ LOC: Paris"),
        # what would be taken for the entity is passed over
        ("Paris met Paris/LOC", "O: Paris $$ LOC: Paris"),
        ("Paris and Paris met Paris/LOC", "O: Paris $$ O: Paris $$ LOC: Paris"),
        ("Ems . New Ems in New/LOC Ems/LOC", "O: New Ems $$ LOC: New Ems"),
        ("a a/LOC a/LOC", "O: a $$ LOC: a a"),  # the wrong place overlaps the right one
    ],
)
def test_spans_are_mt5s_unless_they_would_be_misread(sentence, targets):
    tokens, tags, before = [], [], "O"
    for word in sentence.split():
        token, _, kind = word.partition("/")
        prefix = "I" if kind == before else "B"
        tokens.append(token)
        tags.append(f"{prefix}-{kind}" if kind else "O")
        before = kind
    example = tagging.SPANS.prompt(tagged(tokens, tags))
    assert example.targets == targets
    placed = tagging.SPANS.place(targets, context=example.context)
    assert placed.tags == tuple(tags)


def test_normalised_text_finds_its_tokens():
    context = "เมือง\tน้ำ\t５\tkm\u00a0²\te\u0301"
    for text in ("น้ํา", "5", "km 2", "é"):  # as a tokenizer with NFKC writes them
        placed = tagging.SPANS.place(f"LOC: {text}", context=context)
        assert placed.unplaced == 0, text


def test_mt5s_own_cases_are_read(shared):
    """Entities of mT5's metric that are in a sentence are placed, each once."""
    path = shared / "conformance" / "scorers" / "ner_mt5_span_f1.json"
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    read = 0
    for case in cases:
        pieces = [piece.split(":") for piece in case["target"].split(" $$ ")]
        if not all(len(piece) == 2 and piece[1].strip() for piece in pieces):
            continue  # what that metric ignores
        if not all(piece[0].strip().isupper() for piece in pieces):
            continue
        tokens = " ; ".join(text.strip() for _, text in pieces).split()
        placed = tagging.SPANS.place(case["target"], context="\t".join(tokens))
        assert (placed.unplaced, placed.total) == (0, len(pieces)), case["target"]
        read += 1
    assert read > 200
