"""Rows to labelled examples, held against Hugging Face's tokenizer and by hand."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import types

import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import TaskSettings

from xtl_jax.data import (
    encoder_vocabulary,
    labelled,
    labelled_spans,
    labelled_tags,
    prompts,
)
from xtl_jax.data.encoder_layout import Layout
from xtl_jax.data.rows import (
    ChoiceRow,
    PairRow,
    QuestionRow,
    RetrievalRow,
    TaggedRow,
    TextRow,
)
from xtl_jax.errors import UserError

BYTES = encoder_vocabulary.load("bytes")  # each ASCII character is its code plus 4


@pytest.fixture(scope="module")
def reference(request):
    """Windows, labels and cut pairs by Hugging Face's tokenizer and script."""
    path = request.config.rootpath / "tests" / "golden" / "encoders" / "tokenizers.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def xlmr(shared):
    name = "xlmr_sentencepiece_rebuilt.model.xz"
    return encoder_vocabulary.load(shared / "data" / "tokenizer" / name)


def ids(text):
    return [ord(character) + 4 for character in text]


def make(rows, task, *, length=64, labels=None, keep_text=True, card=None, **layout):
    family, _ = catalog.find(task)
    if labels is None:
        labels = labelled.declared_labels(family)
    made = labelled.examples(
        rows,
        family=family,
        task=task,
        split="train",
        layout=Layout(vocabulary=BYTES, length=length, **layout),
        labels=labels,
        keep_text=keep_text,
        card={} if card is None else card,
    )
    return list(made)


def question(text, *, asked="Who?", answer="", id="q1"):
    answers = (answer,) if answer else ()
    starts = (text.index(answer),) if answer else ()
    return QuestionRow(
        id=id, question=asked, context=text, answers=answers, answer_starts=starts
    )


def windows_of(rows, *, vocabulary=BYTES, **layout):
    counts = collections.Counter()
    made = labelled_spans.examples(
        rows,
        layout=Layout(vocabulary=vocabulary, **layout),
        prompt=prompts.question_answer,
        keep_text=True,
        counts=counts,
        place=lambda row: f"row {row.id}",
    )
    return list(made), counts


# --- which head -----------------------------------------------------------------------


def test_every_family_of_the_catalogue_has_a_kind():
    found = collections.defaultdict(set)
    for family in catalog.FAMILIES:
        found[labelled.kind_of(family)].add(family.name)
    assert {"mnli", "xnli", "pawsx", "qqp", "anli_plus"} <= found["classification"]
    assert {"copa", "copa_rank", "xcopa", "hellaswag"} <= found["choice"]
    assert {"squad_v1", "squad_v2", "mlqa", "tydiqa_goldp"} <= found["span"]
    assert {"udpos", "panx", "panx_spans", "uner", "ccg"} <= found["tagging"]
    assert {"span_corruption", "world_text"} == found["masked_lm"]
    assert {"bucc", "tatoeba", "lareqa", "mewslix", "world_retrieval"} == found[None]


def test_labels_are_the_catalogues_where_they_are_known():
    by = {family.name: labelled.declared_labels(family) for family in catalog.FAMILIES}
    assert by["xnli"] == ("0", "1", "2")
    assert len(by["udpos"]) == 17
    assert len(by["uner_spans"]) == 7
    assert by["ccg"] == by["copa"] == by["squad_v1"] == by["lareqa"] == ()


# --- pairs ----------------------------------------------------------------------------


def test_a_pair_is_laid_out_and_its_class_is_that_of_mt5s_target():
    row = PairRow(id="7", first="ab", second="c", label="contradiction")
    (example,) = make([row], "xnli.en")
    assert example["inputs"] == [0, *ids("ab"), 2, 2, *ids("c"), 2]
    assert example["targets"] == [2]
    assert example["meta"]["references"] == ["2"]
    assert example["meta"]["inputs"] == "ab </s> </s> c"


def test_training_examples_keep_no_text():
    row = PairRow(id="7", first="ab", second="c", label="neutral")
    (example,) = make([row], "mnli", keep_text=False)
    assert set(example) == {"inputs", "targets"}


def test_pairs_are_cut_as_hugging_face_cuts_them(reference, xlmr):
    for pair in reference["pairs"]:
        layout = Layout(vocabulary=xlmr, length=pair["length"])
        made = layout.pair(xlmr.encode(pair["first"]), xlmr.encode(pair["second"]))
        assert made.tokens == pair["ids"]
        assert made.is_cut == (made.texts + 4 > pair["length"])


def test_the_share_of_cut_pairs_is_in_the_card():
    rows = [
        PairRow(id=str(n), first="a" * n, second="b", label="neutral")
        for n in (1, 2, 30, 40)
    ]
    card = {}
    made = make(rows, "mnli", length=16, card=card)
    assert [len(example["inputs"]) for example in made] == [6, 7, 16, 16]
    assert card["counts"]["rows"] == 4
    assert card["cut_share"] == 0.5


def test_a_row_of_which_nothing_is_left_is_named(xlmr):
    row = PairRow(id="row-9", first="\u200b", second="\u200d\u200b", label="neutral")
    family, _ = catalog.find("mnli")
    made = labelled.examples(
        [row],
        family=family,
        task="mnli",
        split="train",
        layout=Layout(vocabulary=xlmr, length=32),
        labels=family.labels,
        keep_text=False,
        card={},
    )
    with pytest.raises(UserError, match=r"mnli train, example 'row-9': .* no token"):
        list(made)


def test_a_target_that_is_no_label_is_named():
    family, _ = catalog.find("mnli")
    row = PairRow(id="3", first="a", second="b", label="maybe")
    with pytest.raises(UserError, match=r"mnli train, example '3': .*'maybe' is none"):
        make([row], family.name)


# --- choices --------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["copa", "copa_rank"])
def test_options_are_inputs_of_their_own_beside_what_is_asked(task):
    row = ChoiceRow(
        id="1", context="It fell.", question="cause", options=("A", "Bcd "), answer=1
    )
    (example,) = make([row], task)
    asked = ids("It fell. What was the cause of this?")
    first = [0, *asked, 2, 2, *ids("A"), 2]
    second = [0, *asked, 2, 2, *ids("Bcd"), 2]
    assert example["inputs"] == first + second
    assert example["targets"] == [1, len(first), len(second)]
    assert example["meta"]["options"] == ["A", "Bcd"]
    right = {"copa": "choice2", "copa_rank": "Bcd"}[task]
    assert example["meta"]["references"] == [right]


def test_rows_with_other_numbers_of_options_are_refused():
    rows = [
        ChoiceRow(id=n, context="", question="q", options=options, answer=0)
        for n, options in (("1", ("a", "b")), ("2", ("a", "b", "c")))
    ]
    with pytest.raises(UserError, match=r"example '2': has 3 options, .* before it 2"):
        make(rows, "copa")


# --- questions ------------------------------------------------------------------------


def test_windows_and_labels_are_those_of_hugging_faces_script(reference, xlmr):
    seen = collections.Counter()
    for each in reference["questions"]:
        row = question(
            reference["context"], asked=each["question"], answer=each["answer"] or ""
        )
        made, _ = windows_of(
            [row], vocabulary=xlmr, length=each["length"], stride=each["stride"]
        )
        assert [window["inputs"] for window in made] == [
            window["ids"] for window in each["windows"]
        ]
        assert [window["targets"] for window in made] == [
            window["label"] for window in each["windows"]
        ]
        seen.update(window["label"] != [0, 0] for window in each["windows"])
    assert seen[True] > 20
    assert seen[False] > 40


def test_a_window_without_the_answer_says_that_there_is_none():
    row = question("abcdefghij klm", answer="klm")
    made, counts = windows_of([row], length=16, stride=2)
    # 16 tokens, less 4 special ones and 4 of "Who?", leave 8 for the context.
    texts = ["abcdefgh", "ghij klm"]
    assert [BYTES.decode(each["inputs"][7:-1]) for each in made] == texts
    assert [each["targets"] for each in made] == [[0, 0], [12, 14]]
    assert counts["rows"] == 1
    assert counts["windows"] == 2
    assert counts["answers_lost"] == 0


def test_windows_say_where_their_tokens_stand():
    rows = [question("abcdefghij klm", answer="klm"), question("no", id="q2")]
    made, _ = windows_of(rows, length=16, stride=2)
    metas = [each["meta"] for each in made]
    assert [meta["example"] for meta in metas] == [0, 0, 1]
    assert [meta["offset"] for meta in metas] == [0, 6, 0]
    assert [meta["first"] for meta in metas] == [7, 7, 7]
    for example in made:
        meta = example["meta"]
        context = example["inputs"][meta["first"] : -1]
        assert len(meta["spans"]) == len(context)
        for token, (begin, end) in zip(context, meta["spans"], strict=True):
            assert ids(meta["context"][begin:end] or " ") == [token]


def test_an_answer_that_no_window_holds_is_counted():
    row = question("abcdefghijklmnop", answer="cdefghijklmn")
    made, counts = windows_of([row], length=16, stride=2)
    assert all(each["targets"] == [0, 0] for each in made)
    assert counts["answers_lost"] == 1


def test_an_answer_inside_of_a_token_is_counted(xlmr):
    context = "It was built in 1687 (by Jan Maas)."
    whole = question(context, answer="Jan Maas")
    made, counts = windows_of([whole], vocabulary=xlmr, length=64)
    assert counts["answers_inexact"] == 0
    first, last = made[0]["targets"]
    assert xlmr.decode(made[0]["inputs"][first : last + 1]) == "Jan Maas"
    _, counts = windows_of(
        [question(context, answer="an Ma")], vocabulary=xlmr, length=64
    )
    assert counts["answers_inexact"] == 1


def test_questions_are_cut_and_unanswerable_ones_counted():
    row = question("abc", asked="What is it that one asks?")
    made, counts = windows_of([row], length=32, question_length=5)
    assert made[0]["inputs"] == [0, *ids("What "), 2, 2, *ids("abc"), 2]
    assert made[0]["targets"] == [0, 0]
    assert counts["cut"] == counts["no_answer"] == 1


def test_windows_that_could_not_move_on_are_refused_with_the_settings_that_help():
    row = question("abcdefghijklmnop", answer="c")
    with pytest.raises(UserError, match=r"row q1: .* 8 of 16 tokens.*window_stride"):
        windows_of([row], length=16, stride=8)
    long = question("abcdefghijklmnop", asked="?" * 40)
    with pytest.raises(UserError, match="question_length"):
        windows_of([long], length=16, stride=0)
    short = question("abc", answer="c")  # one window: the stride does not matter
    assert len(windows_of([short], length=16, stride=100)[0]) == 1


def test_a_context_without_tokens_is_named(xlmr):
    row = dataclasses.replace(question("x"), context="\u200b")
    with pytest.raises(UserError, match="row q1: its context has no token"):
        windows_of([row], vocabulary=xlmr, length=32)


# --- tags -----------------------------------------------------------------------------


def tagged(rows, *, length=64, labels=("DET", "NOUN"), vocabulary=BYTES, **layout):
    counts = collections.Counter()
    made = labelled_tags.examples(
        rows,
        layout=Layout(vocabulary=vocabulary, length=length, **layout),
        labels=labels,
        prompt=lambda row: types.SimpleNamespace(references=(" ".join(row.tags),)),
        keep_text=True,
        counts=counts,
    )
    return list(made), counts


def sentence(words, tags):
    return TaggedRow(id="1", tokens=tuple(words.split()), tags=tuple(tags.split()))


def test_a_tag_stands_on_the_first_token_of_its_word():
    (example,), _ = tagged([sentence("The hut", "DET NOUN")])
    assert example["inputs"] == [0, *ids("The"), *ids("hut"), 2]
    assert example["targets"] == [-1, 0, -1, -1, 1, -1, -1, -1]
    assert example["meta"]["positions"] == [1, 4]
    assert example["meta"]["context"] == "The\thut"


@pytest.mark.parametrize(("piece", "places"), [("first", [1, 2]), ("text", [1, 3])])
def test_a_tag_can_stand_after_a_lone_word_mark(xlmr, piece, places):
    row = TaggedRow(id="1", tokens=("the", "会"), tags=("DET", "NOUN"))
    assert [xlmr.piece(token) for token in xlmr.encode("会")] == ["▁", "会"]
    (example,), _ = tagged([row], vocabulary=xlmr, tagged_piece=piece)
    assert example["meta"]["positions"] == places
    labelled_at = [n for n, label in enumerate(example["targets"]) if label >= 0]
    assert labelled_at == places


def test_a_word_that_is_a_lone_mark_has_its_tag_there(xlmr):
    row = TaggedRow(id="1", tokens=("▁",), tags=("DET",))
    (example,), _ = tagged([row], vocabulary=xlmr, tagged_piece="text")
    assert example["meta"]["positions"] == [1]


def test_a_tag_that_is_no_label_is_not_trained_on_and_counted():
    (example,), counts = tagged([sentence("a b", "DET X")])
    assert example["targets"] == [-1, 0, -1, -1]
    assert example["meta"]["references"] == ["DET X"]
    assert counts["unknown_tags"] == 1


def test_a_word_without_a_token_is_unknown_and_counted(xlmr):
    row = TaggedRow(id="1", tokens=("a", "\u200b", "b"), tags=("DET", "NOUN", "DET"))
    (example,), counts = tagged([row], vocabulary=xlmr)
    first, second = xlmr.encode("a"), xlmr.encode("b")
    assert example["inputs"] == [0, *first, xlmr.unk_id, *second, 2]
    assert [label for label in example["targets"] if label >= 0] == [0, 1, 0]
    assert counts["without_token"] == 1


def test_a_long_sentence_is_cut_between_words_and_none_is_lost():
    words = [f"w{number}" for number in range(23)] + ["x" * 40, "end"]
    tags = ["DET", "NOUN"] * 12 + ["DET"]
    row = sentence(" ".join(words), " ".join(tags))
    made, counts = tagged([row, sentence("a", "DET")], length=16)
    assert all(len(example["inputs"]) <= 16 for example in made)
    found = []
    for example in made[:-1]:
        meta = example["meta"]
        assert meta["example"] == 0
        assert meta["offset"] == len(found)
        found += [example["targets"][place] for place in meta["positions"]]
    assert found == [0, 1] * 12 + [0]
    assert made[-1]["meta"]["example"] == 1
    assert counts["split"] == 1
    assert counts["cut"] == 1  # the word that is longer than a window


def test_tag_sets_that_only_rows_tell_are_sorted():
    rows = [sentence("a b", "NP N"), sentence("c", "(S\\NP)")]
    assert labelled.found_tags(rows) == ("(S\\NP)", "N", "NP")


# --- texts ----------------------------------------------------------------------------


def test_a_text_is_cut_into_pieces_that_fill_an_input():
    card = {}
    made = make([TextRow(id="1", text="abcdefghijklm")], "world_text.en", length=8)
    texts = [BYTES.decode(example["inputs"]) for example in made]
    assert texts == ["abcdef", "ghijkl"]  # one token cannot be hidden in part
    make([TextRow(id="1", text="abcdefg")], "world_text.en", length=8, card=card)
    assert card["counts"]["left_out"] == 1


def test_a_sentence_to_be_found_is_one_text_with_its_context():
    row = RetrievalRow(id="1", text="ab", side="candidate", context="ab cd")
    (example,) = make([row], "lareqa.pool")
    assert example["inputs"] == [0, *ids("ab ab cd"), 2]
    assert list(example["targets"]) == []
    assert example["meta"]["side"] == "candidate"


def test_a_length_without_room_is_refused():
    with pytest.raises(UserError, match="length is 7 tokens; it must be at least 8"):
        Layout(vocabulary=BYTES, length=7)


# --- real rows ------------------------------------------------------------------------


@functools.cache
def real_rows(folder, task, split, files):
    family, language = catalog.find(task)
    settings = TaskSettings(data_dir=folder, files=dict(files))
    return list(loading.rows(family, language, split=split, settings=settings))


@pytest.mark.parametrize("language", ["en", "ar", "th", "zh"])
def test_labelled_tokens_hold_the_answer_of_every_real_question(shared, xlmr, language):
    rows = real_rows(str(shared / "data"), f"xquad.{language}", "test", ())[:300]
    made, counts = windows_of(rows, vocabulary=xlmr, length=384)
    assert counts["answers_lost"] == 0
    found = {}
    for example in made:
        meta = example["meta"]
        first, last = (place - meta["first"] for place in example["targets"])
        if example["targets"] != [0, 0]:
            begin, end = meta["spans"][first][0], meta["spans"][last][1]
            found[meta["example"]] = meta["context"][begin:end]
    assert len(found) == len(rows)
    inexact = 0
    for number, row in enumerate(rows):
        assert row.answers[0].strip() in found[number]
        inexact += found[number].split() != row.answers[0].split()
    assert inexact == counts["answers_inexact"] < 0.1 * len(rows)


def test_every_word_of_real_sentences_has_one_labelled_token(shared, xlmr):
    files = (("udpos/validation", "udpos/xtreme/dev-{language}.tsv"),)
    labels = labelled.declared_labels(catalog.family("udpos"))
    for language in ("zh", "ar", "ta"):
        rows = real_rows(str(shared / "data"), f"udpos.{language}", "validation", files)
        made, counts = tagged(rows[:200], length=64, vocabulary=xlmr, labels=labels)
        tags = collections.defaultdict(list)
        for example in made:
            here = [labels[label] for label in example["targets"] if label >= 0]
            tags[example["meta"]["example"]] += here
        assert [tuple(each) for each in tags.values()] == [
            row.tags for row in rows[:200]
        ]
        assert counts["unknown_tags"] == 0


def test_a_split_without_rows_has_no_share_of_cut_ones():
    card = {}
    assert make([], "mnli", card=card) == []
    assert card["cut_share"] == 0.0
