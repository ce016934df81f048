"""No text makes a scorer die of anything but its own error.

Whatever a model writes, and whatever stands in a gold or prediction file: a value from
0 to 100, or a `UserError`. Families are those of the catalogue, so a new one is tried
without a line here.
"""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xtl_tasks import catalog
from xtl_tasks.family import scored_language

from xtl_jax.data import prompts
from xtl_jax.errors import UserError
from xtl_jax.metrics import official, official_lines, scoring, xtreme
from xtl_jax.metrics.scoring import Row

fuzzed = settings(max_examples=50, deadline=None, derandomize=True, database=None)
SCORED = [family for family in catalog.FAMILIES if family.metric is not None]
# One family for each metric with its labels, and for each way from text to answer.
BY_METRIC = {(each.metric.name, each.labels): each for each in reversed(SCORED)}
BY_ANSWER = {(each.kind, each.postprocess): each for each in reversed(SCORED)}

# All of Unicode, with more of what scorers look at: white space of every kind, marks,
# punctuation, sentinels, tags, numbers.
_pieces = st.sampled_from(
    [
        *(" ", "  ", "\t", "\n", "\r", "\u2028", "\u00a0", "\u3000", "\u200b"),
        *("\ufeff", "\0", "a", "an", "the", "The", "die", "ال", "của", "不", "१", "é"),
        *("e\u0301", "ß", "İ", "", "0", "1", "-1", "NaN", "1e999", "٣", "²", "$", "。"),
        *("«", "\U0001f600", "B-PER", "I-LOC", "O", "NOUN", "PER: a", " $$ ", "LOC:"),
        *("<extra_id_0>", "<extra_id_99>", "<extra_id_100>", "<", "entailment"),
        *("choice1", "unanswerable", "en-1", "de-1", "Q1", "S[dcl]\\NP", "(", ")"),
        *("{", "}", '"', "\\", ",", ":"),
    ]
)
_texts = st.one_of(
    st.text(max_size=20),
    st.lists(_pieces, max_size=8).map("".join),
    st.lists(_pieces, max_size=8).map(" ".join),
)


def _value_or_error(metric, rows, language):
    """The values if they can be had; they are percentages."""
    try:
        score = scoring.score(
            metric,
            rows,
            task="t",
            family="t",
            language=language,
            split="test",
            resamples=3,
        )
    except UserError:
        return None
    assert set(score.values) == set(metric.keys)
    for value in score.values.values():
        assert math.isfinite(value)
        assert -1e-9 <= value <= 100 + 1e-9
    json.dumps(score.to_json())
    return score


def _rows(draw, family, references):
    """A few examples: a prediction each, or none, or one of the right answers."""
    rows = []
    for number in range(draw(st.integers(1, 3))):
        gold = draw(references)
        said = draw(st.one_of(st.none(), _texts, st.sampled_from(gold or ("",))))
        rows.append(Row(id=str(number), references=gold, prediction=said))
    return rows


@pytest.mark.parametrize("family", BY_METRIC.values(), ids=lambda family: family.name)
def test_any_prediction_and_gold_of_a_family_has_a_value_or_an_error(family):
    languages = st.sampled_from(family.languages)
    anything = st.lists(_texts, max_size=3).map(tuple)
    proper = (
        st.sampled_from(family.labels).map(lambda label: (label,))
        if (family.labels)
        else st.lists(_texts, min_size=1, max_size=3).map(tuple)
    )

    @fuzzed
    @given(st.data())
    def check(data):
        references = data.draw(st.sampled_from([anything, proper]))
        rows = _rows(data.draw, family, references)
        language = scored_language(data.draw(languages))
        _value_or_error(family.metric, rows, language)

    check()


@pytest.mark.parametrize("family", BY_ANSWER.values(), ids=lambda family: family.name)
def test_whatever_a_model_writes_can_be_scored(family):
    """Raw text to what is scored: as many tags as tokens, a text elsewhere."""
    tokens = st.lists(
        _texts.map(lambda text: "".join(text.split()) or "x"), min_size=1, max_size=5
    )
    contexts = tokens.map("\t".join) if family.kind == "tagging" else _texts

    @fuzzed
    @given(_texts, contexts)
    def check(raw, context):
        if family.postprocess is not None:
            said = family.postprocess(raw, context=context)
        else:
            said = prompts.postprocess(raw, kind=family.kind, context=context)
        assert isinstance(said, str)
        if family.kind == "tagging":
            placed = family.place(raw, context=context)
            assert len(placed.tags) == len(context.split("\t"))
            assert 0 <= placed.unplaced <= placed.total
            gold = " ".join("O" for _ in context.split("\t"))
            row = Row(id="1", references=(gold,), prediction=said)
            assert _value_or_error(family.metric, [row], "en") is not None

    check()


# --- files --------------------------------------------------------------------------

_SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "Ada came.",
                    "qas": [
                        {
                            "id": id,
                            "question": "Who?",
                            "answers": [{"text": "Ada", "answer_start": 0}],
                        }
                        for id in ("1", "2")
                    ],
                }
            ]
        }
    ]
}
# Of each task a label file and a prediction file that fit.
FILES = {
    "xnli": ("neutral\nentailment\n", "neutral\nneutral\n"),
    "pawsx": ("0\n1\n", "0\n0\n"),
    "panx": ("B-PER\nO\n\nO\n\n", "B-PER\nB-LOC\n\nO\n\n"),
    "udpos": ("NOUN\nVERB\n\nX\n\n", "NOUN\nNOUN\n\nX\n\n"),
    "bucc2018": ("de-1\ten-1\nde-2\ten-2\n", "de-1\ten-1\nde-2\ten-9\n"),
    "tatoeba": ("0\n1\n", "1\n1\n"),
    "xcopa": ('{"label": 0}\n{"label": 1}\n', '{"label": 0}\n{"label": 0}\n'),
    "mewslix": ('{"1": ["Q1"], "2": ["Q2"]}', '{"1": ["Q1", "Q3"], "2": []}'),
    "xquad": (json.dumps(_SQUAD), '{"1": "Ada", "2": "no"}'),
    "mlqa": (json.dumps(_SQUAD), '{"1": "Ada", "2": "no"}'),
    "tydiqa": (json.dumps(_SQUAD), '{"1": "Ada", "2": "no"}'),
}


@st.composite
def _spoilt(draw, text):
    """A file's text with one or two of its parts taken out, doubled or replaced."""
    for _ in range(draw(st.integers(0, 2))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 30)))
        put = draw(
            st.one_of(
                _texts,
                st.sampled_from(["\n", "\n\n", "\r\n", "\ufeff", "null", "[" * 3000]),
                st.just("9" * 5000),
                st.just(text[first:last] * 2),
            )
        )
        text = text[:first] + put + text[last:]
    return text


def test_files_of_every_task_are_tried():
    assert set(FILES) == set(xtreme.LAYOUTS)


@pytest.mark.parametrize("task", FILES)
def test_any_pair_of_files_has_values_or_an_error(task):
    gold, said = FILES[task]
    whole = xtreme.score_file(task, gold=gold, predictions=said, language="de")
    assert all(0 <= value <= 100 for value in whole.values())

    @fuzzed
    @given(st.one_of(_spoilt(gold), _texts), st.one_of(_spoilt(said), _texts))
    def check(gold, said):
        for one, other in ((gold, FILES[task][1]), (FILES[task][0], said)):
            try:
                values = xtreme.score_file(
                    task, gold=one, predictions=other, language="de"
                )
            except UserError:
                continue
            assert all(0 <= value <= 100 + 1e-9 for value in values.values())

    check()


@pytest.mark.parametrize(
    ("read", "valid"),
    [
        (official.questions, json.dumps(_SQUAD)),
        (official.answers, '{"1": "Ada"}'),
        (official.rankings, '{"1": ["Q1"]}'),
        (official.probabilities, '{"1": 0.5, "2": 1}'),
        (official_lines.options, '{"label": 0}\n'),
        (official_lines.option_rows, '{"label": 0}\n'),
    ],
)
def test_any_text_of_an_official_file_is_read_or_refused(read, valid):
    read(valid, source="here.json")

    @fuzzed
    @given(st.one_of(_spoilt(valid), _texts))
    def check(text):
        try:
            read(text, source="here.json")
        except UserError as error:
            said = str(error)
            assert "here.json" in said

    check()


@pytest.mark.parametrize(
    "read", [official_lines.lines, official_lines.labels, official_lines.sentences,
             official_lines.pairs]
)  # fmt: skip
def test_any_text_is_lines(read):
    @fuzzed
    @given(_texts)
    def check(text):
        assert isinstance(read(text), list)

    check()
