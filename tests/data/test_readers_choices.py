"""Multiple choice, in each release's format: rows checked, each defect named."""

from __future__ import annotations

import csv
import io
import json

import pytest

from xtl_jax.data import readers
from xtl_jax.errors import UnlabelledError, UserError

HELLASWAG = {
    "ind": 24,
    "ctx": "A dog runs. it",
    "endings": ["reads.", "votes.", "pays.", "barks."],
    "label": 3,
}
COSMOS = {
    "id": "3Q##q1",
    "context": "I left my keys.",
    "question": "Why did I wait ?",
    "answer0": "For fun .",
    "answer1": "I was locked out .",
    "answer2": "It rained .",
    "answer3": "None of the above choices .",
    "label": 1,
}
COMMONSENSE = {
    "id": "c1",
    "answerKey": "B",
    "question": {
        "stem": "Where is bread sold?",
        "choices": [
            {"label": letter, "text": text}
            for letter, text in zip(
                "ABCDE", ("pond", "bakery", "moon", "choir", "tunnel"), strict=True
            )
        ],
    },
}
SOCIAL = {
    "context": "Alex lent Kim a tent.",
    "question": "How would Kim feel?",
    "answerA": "bored",
    "answerB": "thankful",
    "answerC": "angry",
    "correct": "B",
}
COPA = {
    "idx": 0,
    "premise": "The lamp went out.",
    "question": "effect",
    "choice1": "It got warm.",
    "choice2": "It got dark.",
    "label": 1,
}
GOOD = {
    "hellaswag": (readers.hellaswag, HELLASWAG),
    "cosmos_qa": (readers.cosmos_qa, COSMOS),
    "commonsense_qa": (readers.commonsense_qa, COMMONSENSE),
    "social_iqa": (
        lambda path, **settings: readers.social_iqa((path,), **settings),
        SOCIAL,
    ),
    "copa": (readers.copa, COPA),
}
LABELS = {
    "hellaswag": "label",
    "cosmos_qa": "label",
    "commonsense_qa": "answerKey",
    "social_iqa": "correct",
    "copa": "label",
}


def _read(tmp_path, kind, *records, split="validation"):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    read, _ = GOOD[kind]
    return list(read(path, language="en", split=split))


@pytest.mark.parametrize(
    ("kind", "id", "context", "question", "answer"),
    [
        ("hellaswag", "24", "A dog runs. it", "", "barks."),
        ("cosmos_qa", "3Q##q1", COSMOS["context"], COSMOS["question"], "I was lock"),
        ("commonsense_qa", "c1", "", "Where is bread sold?", "bakery"),
        ("social_iqa", "line 1", SOCIAL["context"], SOCIAL["question"], "thankful"),
        ("copa", "0", "The lamp went out.", "effect", "It got dark."),
    ],
)
def test_good_rows(tmp_path, kind, id, context, question, answer):
    (row,) = _read(tmp_path, kind, GOOD[kind][1])
    assert (row.id, row.context, row.question) == (id, context, question)
    assert row.options[row.answer].startswith(answer)
    assert len(row.options) == {"commonsense_qa": 5, "copa": 2, "social_iqa": 3}.get(
        kind, 4
    )


@pytest.mark.parametrize("kind", list(GOOD))
def test_rows_without_label_are_refused_as_a_split(tmp_path, kind):
    good = GOOD[kind][1]
    stripped = {key: value for key, value in good.items() if key != LABELS[kind]}
    with pytest.raises(UnlabelledError) as error:
        _read(tmp_path, kind, stripped)
    assert "rows.jsonl: the split 'validation' is unlabelled" in str(error.value)
    with pytest.raises(UnlabelledError, match=r"line 1 has no label"):
        _read(tmp_path, kind, {**good, LABELS[kind]: ""})


@pytest.mark.parametrize("kind", list(GOOD))
@pytest.mark.parametrize("label", ["Z", 7, -1, True, 1.0, ["B"], "10"])
def test_labels_outside_the_set_are_named(tmp_path, kind, label):
    with pytest.raises(UserError, match=r"line 1: unknown label .*; allowed: [0A1]"):
        _read(tmp_path, kind, {**GOOD[kind][1], LABELS[kind]: label})


@pytest.mark.parametrize("kind", list(GOOD))
def test_other_defects_of_a_row_are_named(tmp_path, kind):
    good = GOOD[kind][1]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(good) + '\n{"a": \n')
    with pytest.raises(UserError, match=r"line 2: is not JSON"):
        list(GOOD[kind][0](path, language="en", split="train"))
    if kind != "social_iqa":  # which has no ids
        with pytest.raises(UserError, match=r"line 2: id .* is there a second time"):
            _read(tmp_path, kind, good, good)
    for field in good:
        if field in ("ind", "id", "idx", LABELS[kind]):
            continue
        rest = {key: value for key, value in good.items() if key != field}
        with pytest.raises(UserError, match=rf"line 1: field '{field}' is missing"):
            _read(tmp_path, kind, rest)
        with pytest.raises(UserError, match=rf"line 1: field '{field}' must be"):
            _read(tmp_path, kind, {**good, field: 5})
        if isinstance(good[field], str):
            with pytest.raises(UserError, match=r"line 1: .*blank|asks for ' '"):
                _read(tmp_path, kind, {**good, field: " "})


@pytest.mark.parametrize(
    ("kind", "changes", "wanted"),
    [
        ("hellaswag", {"endings": ["a", "b", "c"]}, "has 3 options, 4 are needed"),
        ("hellaswag", {"endings": ["a", "b", "c", 4]}, "'endings' must hold texts"),
        ("hellaswag", {"endings": ["a", "b", "c", " "]}, "an option or another text"),
        ("copa", {"question": "why"}, "asks for 'why'; allowed: cause, effect"),
        (
            "commonsense_qa",
            {
                "question": {
                    "stem": "q",
                    "choices": COMMONSENSE["question"]["choices"][1:],
                }
            },
            "labelled ['B', 'C', 'D', 'E']; needed: A, B",
        ),
        (
            "commonsense_qa",
            {"question": {"stem": "q", "choices": [3]}},
            "a JSON object",
        ),
    ],
)
def test_options_and_questions_of_another_shape(tmp_path, kind, changes, wanted):
    with pytest.raises(UserError) as error:
        _read(tmp_path, kind, {**GOOD[kind][1], **changes})
    assert wanted in str(error.value)


def test_a_blank_file_and_one_with_one_label_only(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n")
    with pytest.raises(UserError, match="holds no row of the split 'test'"):
        list(readers.copa(path, language="en", split="test"))
    rows = [{**COPA, "idx": number, "label": 0} for number in range(50)]
    with pytest.raises(UnlabelledError, match="all 50 labels are 0, as XTREME writes"):
        _read(tmp_path, "copa", *rows, split="test")
    assert len(_read(tmp_path, "copa", *rows[:49], split="test")) == 49
    assert len(_read(tmp_path, "copa", *rows[:49], {**COPA, "idx": 49})) == 50


def test_hellaswag_may_call_its_context_so(tmp_path):
    named = {"context": HELLASWAG["ctx"], **HELLASWAG}
    del named["ctx"], named["ind"]
    (row,) = _read(tmp_path, "hellaswag", named)
    assert (row.id, row.context) == ("line 1", "A dog runs. it")


def test_cosmos_qa_as_csv(tmp_path):
    path = tmp_path / "valid.csv"

    def write(rows):
        with io.StringIO(newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COSMOS)
            writer.writerows(rows)
            path.write_bytes(stream.getvalue().encode())
        return list(readers.cosmos_qa(path, language="en", split="validation"))

    quoted = {**COSMOS, "context": 'He said, "no".\nThen he left.'}
    (row,) = write([quoted.values()])
    assert row.context == quoted["context"]
    assert row.answer == 1
    with pytest.raises(UserError, match="line 2: has 7 columns, 8"):
        write([list(COSMOS.values())[:-1]])
    with pytest.raises(UnlabelledError, match="line 2 has no label"):
        write([[*list(COSMOS.values())[:-1], ""]])


def _social(tmp_path, records, labels):
    texts, numbers = tmp_path / "train.jsonl", tmp_path / "train-labels.lst"
    texts.write_text("".join(json.dumps(record) + "\n" for record in records))
    numbers.write_text(labels)
    paths = (numbers, texts)  # in any order
    return list(readers.social_iqa(paths, language="en", split="train"))


def test_social_iqas_labels_may_lie_beside(tmp_path):
    bare = {key: value for key, value in SOCIAL.items() if key != "correct"}
    rows = _social(tmp_path, [bare] * 3, "3\n1\r\n2\n\n")
    assert [row.answer for row in rows] == [2, 0, 1]
    assert [row.id for row in rows] == ["line 1", "line 2", "line 3"]
    assert _social(tmp_path, [SOCIAL], "2\n")[0].answer == 1


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ("1\n", "has 1 labels and "),
        ("1\n2\n3\n", "has 3 labels and "),
        ("2\n0\n", "train-labels.lst: line 2: unknown label '0'; allowed: 1, 2, 3"),
        ("2\n1\n", "line 2: label 1 is not the one in "),
    ],
)
def test_labels_that_do_not_fit_are_named(tmp_path, labels, wanted):
    with pytest.raises(UserError) as error:
        _social(tmp_path, [SOCIAL, SOCIAL], labels)
    assert wanted in str(error.value)


def test_social_iqa_needs_one_file_of_texts(tmp_path):
    for paths in ([], ["a.lst"], ["a.jsonl", "b.jsonl"], ["a.jsonl", "b.lst", "c.lst"]):
        with pytest.raises(UserError, match=r"needed is one \.jsonl"):
            readers.social_iqa(paths, language="en", split="train")


# --- COPA's original --------------------------------------------------------------

ITEM = (
    '<item id="{id}" asks-for="effect" most-plausible-alternative="2">'
    "<p>The lamp went out.</p><a1>It got warm.</a1><a2>It got dark &amp; cold.</a2>"
    "</item>"
)


def _xml(tmp_path, *items, split):
    path = tmp_path / "copa-all.xml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE copa-corpus SYSTEM '
        f'"copa.dtd">\n<copa-corpus version="1.0">{"".join(items)}</copa-corpus>'
    )
    return list(readers.copa(path, language="en", split=split))


def test_the_original_is_split_as_superglue_is(tmp_path):
    ids = (1, 400, 401, 500, 501, 1000, 1001, 1401, 1500)
    items = [ITEM.format(id=id) for id in ids]
    wanted = {
        "train": ["1", "400", "1001"],
        "validation": ["401", "500", "1401", "1500"],
        "test": ["501", "1000"],
    }
    for split, kept in wanted.items():
        rows = _xml(tmp_path, *items, split=split)
        assert [row.id for row in rows] == kept
    assert rows[0].options == ("It got warm.", "It got dark & cold.")
    assert (rows[0].answer, rows[0].question) == (1, "effect")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ('id="7"', 'id="seven"', "item 1: id 'seven' is no number"),
        ('id="7"', f'id="{"9" * 5000}"', "is no number"),
        ('id="7"', "", "item 1: 'id' is missing or empty"),
        ("<a1>It got warm.</a1>", "", "'a1' is missing or empty"),
        ("It got warm.", " ", "item 1 (id 7): an option or another text is blank"),
        ('asks-for="effect"', 'asks-for="why"', "asks for 'why'; allowed: cause, eff"),
        ('alternative="2"', 'alternative="0"', "unknown label '0'; allowed: 1, 2"),
        ('most-plausible-alternative="2"', "", "is unlabelled (item 1 (id 7) has no"),
        ("</a2>", "", "is not XML (mismatched tag: line"),
        ("&amp;", "&unknown;", "is not XML (undefined entity"),
    ],
)
def test_defects_of_the_original_are_named(tmp_path, old, new, wanted):
    item = ITEM.format(id=7)
    assert old in item
    with pytest.raises(UserError) as error:
        _xml(tmp_path, item.replace(old, new), split="train")
    assert wanted in str(error.value)
