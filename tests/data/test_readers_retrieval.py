"""Sentences to find: rows as the releases mean them, and every refusal."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from xtl_jax.data import readers
from xtl_jax.errors import UserError

AFRIKAANS = "Dit reën.\nSy sing.\nEk weet nie.\n"
ENGLISH = "It rains.\nShe sings.\nI don't know.\n"
SORTED = "I don't know.\nIt rains.\nShe sings.\n"


@pytest.fixture
def put(tmp_path):
    """Writes files by name; returns their paths in that order."""

    def write(**files):
        paths = []
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".").replace("_to_", "-")
            data = content if isinstance(content, bytes) else content.encode()
            path.write_bytes(data)
            paths.append(str(path))
        return paths

    return write


def _read(reader, paths, *, language="af", split="test", **settings):
    return list(reader(paths, language=language, split=split, **settings))


def _refused(reader, paths, *, language="af"):
    with pytest.raises(UserError) as error:
        _read(reader, paths, language=language)
    return str(error.value)


# --- Tatoeba --------------------------------------------------------------------------


def test_aligned_files_give_xtremes_order_and_the_line_that_is_right(put):
    paths = put(t__afr_to_eng__afr=AFRIKAANS, t__afr_to_eng__eng=ENGLISH)
    rows = _read(readers.tatoeba, paths)
    assert [(row.id, row.text, row.answers) for row in rows if row.side == "query"] == [
        ("en-0", "I don't know.", ("2",)),
        ("en-1", "It rains.", ("0",)),
        ("en-2", "She sings.", ("1",)),
    ]
    assert [
        (row.id, row.text, row.answers) for row in rows if row.side == "candidate"
    ] == [("0", "Dit reën.", ()), ("1", "Sy sing.", ()), ("2", "Ek weet nie.", ())]
    assert [row.side for row in rows] == ["query"] * 3 + ["candidate"] * 3


def test_sorted_files_give_the_same_rows_without_answers(put):
    aligned = _read(
        readers.tatoeba, put(t__afr_to_eng__eng=ENGLISH, t__afr_to_eng__afr=AFRIKAANS)
    )
    found = _read(readers.tatoeba, put(af_to_en__af=AFRIKAANS, af_to_en__en=SORTED))
    assert [(row.id, row.text, row.side) for row in found] == [
        (row.id, row.text, row.side) for row in aligned
    ]
    assert not any(row.answers for row in found)


def test_equal_english_sentences_keep_their_order(put):
    english = "Yes.\nNo.\nYes.\nNo.\n"
    paths = put(t__eng=english, t__afr="Ja.\nNee.\nJawel.\nNeen.\n")
    rows = _read(readers.tatoeba, paths)
    assert [row.answers for row in rows[:4]] == [("1",), ("3",), ("0",), ("2",)]


def test_windows_line_ends_and_a_byte_order_mark_are_no_text(put):
    paths = put(
        af_to_en__af=AFRIKAANS.replace("\n", "\r\n"),
        af_to_en__en=b"\xef\xbb\xbf" + SORTED.replace("\n", "\r\n").encode(),
    )
    rows = _read(readers.tatoeba, paths)
    assert [row.text for row in rows[::3]] == ["I don't know.", "Dit reën."]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"af_to_en__af": AFRIKAANS}, "no files end in .en or .eng"),
        ({"af_to_en__en": SORTED}, "no files end in .af or .afr"),
        (
            {"a__en": SORTED, "b__eng": SORTED, "c__af": AFRIKAANS},
            "2 files end in .en or .eng",
        ),
        (
            {"af_to_en__af": AFRIKAANS + "Nog een.\n", "af_to_en__en": SORTED},
            "en has 3 lines and .*af has 4",
        ),
        (
            {"af_to_en__af": AFRIKAANS, "af_to_en__en": ENGLISH},
            "line 1 .'It rains.'. is not in order.*tatoeba.afr-eng.afr",
        ),
        (
            {"af_to_en__af": AFRIKAANS, "af_to_en__en": "Это дождь.\nОна поёт.\nЯ.\n"},
            "only 0 of its 16 letters are English.*swapped",
        ),
        (
            {"af_to_en__af": AFRIKAANS + "\n", "af_to_en__en": SORTED},
            "af: line 4 is blank",
        ),
        (
            {"af_to_en__af": AFRIKAANS, "af_to_en__en": SORTED.replace("It", "\0It")},
            r"byte \d+ .line 2. is 0x00",
        ),
        (
            {"af_to_en__af": AFRIKAANS.encode("latin-1"), "af_to_en__en": SORTED},
            "line 1. is 0xeb, which is not UTF-8",
        ),
        ({"af_to_en__af": b"", "af_to_en__en": SORTED}, "the file is empty"),
    ],
)
def test_sides_that_do_not_fit_are_refused(put, files, says):
    import re

    message = _refused(readers.tatoeba, put(**files))
    assert re.search(says, message), message


# --- BUCC -----------------------------------------------------------------------------

GERMAN = "de-01\tEs regnet.\nde-02\tSie singt.\nde-03\tNichts.\n"
OTHERS = "en-01\tShe sings.\nen-02\tIt rains.\n"
GOLD = "de-01\ten-02\nde-02\ten-01\n"


def _bucc(put, *, de=GERMAN, en=OTHERS, gold=GOLD):
    files = {"x__de": de, "x__en": en} | ({} if gold is None else {"x__gold": gold})
    return put(**files)


def test_bucc_pairs_foreign_queries_with_english_candidates(put):
    rows = _read(readers.bucc, _bucc(put), language="de")
    assert [(row.id, row.text, row.side, row.answers) for row in rows] == [
        ("de-01", "Es regnet.", "query", ("en-02",)),
        ("de-02", "Sie singt.", "query", ("en-01",)),
        ("de-03", "Nichts.", "query", ()),
        ("en-01", "She sings.", "candidate", ()),
        ("en-02", "It rains.", "candidate", ()),
    ]


def test_bucc_without_gold_has_no_answers(put):
    rows = _read(readers.bucc, _bucc(put, gold=None), language="de")
    assert len(rows) == 5
    assert not any(row.answers for row in rows)


def test_a_sentence_may_have_two_partners(put):
    gold = GOLD + "de-01\ten-01\n"
    rows = _read(readers.bucc, _bucc(put, gold=gold), language="de")
    assert rows[0].answers == ("en-02", "en-01")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"de": GERMAN + "de-04\n"}, ".de: line 4: has 1 columns, 2 are needed"),
        ({"de": GERMAN + "de-04\ta\tb\n"}, ".de: line 4: has 3 columns"),
        ({"de": GERMAN + "de-04\t \n"}, "line 4: the second column is blank"),
        ({"de": GERMAN + "de-02\tNochmal.\n"}, "line 4: id 'de-02' is there a second"),
        ({"de": GERMAN + "\n"}, "line 4 is blank"),
        ({"de": GERMAN + "de 4\tWort\n"}, "the id 'de 4' is blank or has white space"),
        ({"de": OTHERS}, "line 1: id 'en-01' does not begin with 'de-'"),
        ({"en": GERMAN}, "line 1: id 'de-01' does not begin with 'en-'"),
        ({"gold": "de-01\ten-09\n"}, ".gold: line 1: no English sentence has the id"),
        ({"gold": "de-09\ten-01\n"}, "line 1: no foreign sentence has the id 'de-09'"),
        ({"gold": "en-01\tde-01\n"}, "line 1: no foreign sentence has the id 'en-01'"),
        ({"gold": GOLD + GOLD}, "line 3: the pair 'de-01', 'en-02' is there a second"),
    ],
)
def test_bucc_files_that_do_not_fit_are_refused(put, files, says):
    message = _refused(readers.bucc, _bucc(put, **files), language="de")
    assert says in message


# --- parallel files -------------------------------------------------------------------


def test_parallel_files_are_matched_by_id(put):
    paths = put(en__tsv="7\tIt rains.\n8\tShe sings.\n", sw__tsv="8\tAnaimba.\n7\tM.\n")
    rows = _read(readers.parallel, paths, language="sw")
    assert [(row.id, row.answers) for row in rows[:2]] == [
        ("en-7", ("sw-7",)),
        ("en-8", ("sw-8",)),
    ]
    assert [(row.id, row.text) for row in rows[2:]] == [
        ("sw-8", "Anaimba."),
        ("sw-7", "M."),
    ]


def test_parallel_files_need_the_same_ids(put):
    paths = put(en__tsv="7\tIt rains.\n", sw__tsv="8\tAnaimba.\n")
    message = _refused(readers.parallel, paths, language="sw")
    assert "en.tsv: id '7' has no partner in" in message
    assert "two files are needed" in _refused(readers.parallel, paths[:1])


# --- LAReQA ---------------------------------------------------------------------------


def _paragraph(**changes):
    return {
        "context": "One. Two.",
        "sentence_breaks": [[0, 4], [5, 9]],
        "qas": [
            {
                "id": "q",
                "question": "What?",
                "answers": [{"text": "Two", "answer_start": 5}],
            }
        ],
    } | changes


def _xquad_r(*paragraphs):
    return json.dumps({"data": [{"title": "t", "paragraphs": list(paragraphs)}]})


def _asked(start, text="Two", **changes):
    answer = {"text": text, "answer_start": start}
    question = {"id": "q", "question": "What?", "answers": [answer]} | changes
    return {"qas": [question]}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "a JSON object is needed"),
        (json.dumps({"data": []}), "holds no question"),
        (_xquad_r({"context": "x"}), "field 'sentence_breaks' is missing"),
        (_xquad_r(_paragraph(sentence_breaks=[[0, 99]])), "sentence_breaks[0] is"),
        (_xquad_r(_paragraph(sentence_breaks=[[4, 4]])), "0 <= begin < end <= 9"),
        (_xquad_r(_paragraph(sentence_breaks=[[True, 4]])), "sentence_breaks[0] is"),
        (_xquad_r(_paragraph(sentence_breaks=[[4, 5]])), "a blank sentence"),
        (_xquad_r(_paragraph(**_asked(5, answers=[]))), "has 0 answers; XQuAD-R has"),
        (
            _xquad_r(_paragraph(**_asked(6))),
            "has not 'Two' at 6, but 'wo.'",
        ),
        (_xquad_r(_paragraph(**_asked("5"))), "field 'answer_start' must be a whole"),
        (_xquad_r(_paragraph(**_asked(5, text=" "))), "field 'text' is blank"),
        (_xquad_r(_paragraph(**_asked(5, question=""))), "field 'question' is blank"),
        (_xquad_r(_paragraph(), _paragraph()), "this question is there a second time"),
    ],
)
def test_xquad_r_files_that_are_none_are_refused(put, document, says):
    message = _refused(readers.lareqa, put(ar__json=document), language="ar")
    assert "ar.json" in message
    assert says in message


def test_a_question_between_sentences_is_left_out_and_counted(put):
    paths = put(
        ar__json=_xquad_r(_paragraph(), _paragraph(**_asked(4, text="x", id="between")))
    )
    dropped = Counter()
    rows = _read(readers.lareqa, paths, language="ar", dropped=dropped)
    assert [row.id for row in rows] == ["q_ar"]
    assert dropped == {"answer begins in no sentence": 1}
    # The paragraph nobody asks about gives no candidates.
    pool = _read(readers.lareqa, paths, language="pool")
    assert [row.id for row in pool] == ["ar_1_0", "ar_1_1"]


def test_a_language_without_a_file_is_named(put):
    message = _refused(readers.lareqa, put(ar__json=_xquad_r(_paragraph())))
    assert "none is the file of 'af'" in message


# --- Mewsli-X -------------------------------------------------------------------------


def _mention(**changes):
    return {
        "example_id": "m1",
        "mention_span": {"start": 3, "end": 6, "text": "Rom"},
        "entity_id": " Q220 ",
    } | changes


def _article(*mentions, **changes):
    context = {
        "language": "de",
        "text": "In Rom {heute}\nregnet  es. Ende.",
        "sentence_spans": [{"start": 0, "end": 26}, {"start": 27, "end": 32}],
    }
    return json.dumps({"context": context | changes, "mentions": list(mentions)}) + "\n"


def _entity(**changes):
    entity = {
        "entity_id": "Q220",
        "title": "Rom",
        "description": "Eine Stadt.\nIn Italien.",
        "sentence_spans": [{"start": 0, "end": 11}, {"start": 12, "end": 23}],
    }
    return json.dumps(entity | changes) + "\n"


def _mewslix(put, *, mentions=None, entities=None):
    return put(
        wikinews_mentions=mentions or _article(_mention()),
        candidate_set=entities or _entity(),
    )


def test_a_mention_is_marked_in_its_sentence(put):
    (row,) = _read(readers.mewslix, _mewslix(put), language="de")
    assert row.text == "Rom: In { Rom } (heute) regnet es."
    assert (row.id, row.side, row.answers) == ("m1", "query", ("Q220",))
    (entity,) = _read(readers.mewslix, _mewslix(put), language="pool")
    assert (entity.id, entity.text) == ("Q220", "Eine Stadt. In Italien.")
    assert entity.side == "candidate"


@pytest.mark.parametrize(
    ("mentions", "says"),
    [
        (_article(_mention(), text=""), "the article's text is missing"),
        (_article(_mention(), _mention()), "line 1, mentions[1]: id 'm1' is there a"),
        (_article(_mention(example_id="a b")), "the id 'a b' is blank or has white"),
        (
            _article(_mention(mention_span={"start": 4, "end": 7, "text": "Rom"})),
            "the article has 'om ' at 4, the mention is 'Rom'",
        ),
        (
            _article(_mention(mention_span={"start": 3, "end": 99, "text": "Rom"})),
            "0 <= start < end <= 32",
        ),
        (
            _article(_mention(), sentence_spans=[{"start": 0, "end": 4}]),
            "no sentence holds the mention 'Rom' at 3",
        ),
        (_article(_mention(mention_span="Rom")), "field 'mention_span' must be an obj"),
        (_article(_mention(entity_id=220)), "field 'entity_id' must be a text"),
        (_article(_mention()) + "\n", "line 2 is blank"),
        (_article(_mention()) + "{", "line 2: is not JSON"),
        (_article(_mention()) + "[]\n", "line 2: is no JSON object"),
        (_article(_mention(), language="en"), "holds nothing in 'de'"),
    ],
)
def test_mentions_that_cannot_be_are_refused(put, mentions, says):
    message = _refused(readers.mewslix, _mewslix(put, mentions=mentions), language="de")
    assert "wikinews_mentions" in message
    assert says in message


@pytest.mark.parametrize(
    ("entities", "says"),
    [
        (_entity() + _entity(), "line 2: id 'Q220' is there a second time"),
        (_entity(description=" ", sentence_spans=[]), "the text of 'Q220' is blank"),
        (_entity(entity_id=""), "the id '' is blank"),
        (_entity(sentence_spans=[{"start": 0}]), "field 'end' is missing"),
    ],
)
def test_entities_that_cannot_be_are_refused(put, entities, says):
    paths = _mewslix(put, entities=entities)
    assert says in _refused(readers.mewslix, paths, language="pool")


def test_the_file_of_entities_is_needed_for_the_pool_alone(put):
    mentions, entities = _mewslix(put)
    assert _read(readers.mewslix, [mentions], language="de")
    message = _refused(readers.mewslix, [mentions], language="pool")
    assert "candidate_set_entities.jsonl is needed" in message
    message = _refused(readers.mewslix, [entities], language="de")
    assert "wikinews_mentions-test.jsonl" in message
