"""Parallel text: every layout read, pairs as an encoder gets them, attacked rows."""

from __future__ import annotations

import collections

import numpy as np
import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import Augmented, TaskSettings

from xtl_jax.attacks import augment
from xtl_jax.attacks.lexicon import Lexicon
from xtl_jax.data import encoder_vocabulary, labelled, labelled_batches, readers
from xtl_jax.data import store as stores
from xtl_jax.data.encoder_layout import Layout
from xtl_jax.data.rows import QuestionRow, RetrievalRow
from xtl_jax.errors import UserError

ENGLISH, SWAHILI = ("Thank you.", "It rains."), ("Asante.", "Mvua inanyesha.")
LAYOUTS = {
    "one file": {"pairs.tsv": "Thank you.\tAsante.\nIt rains.\tMvua inanyesha.\n"},
    "Tatoeba": {
        "tatoeba.swh-eng.swh": "Asante.\nMvua inanyesha.\n",
        "tatoeba.swh-eng.eng": "Thank you.\nIt rains.\n",
    },
    "ids": {
        "en.tsv": "a\tThank you.\nb\tIt rains.\n",
        "sw.tsv": "b\tMvua inanyesha.\na\tAsante.\n",
    },
    "BUCC": {
        "sw-en.sw": "sw-1\tMvua inanyesha.\nsw-2\tAsante.\nsw-3\tHaya.\n",
        "sw-en.en": "en-1\tThank you.\nen-2\tIt rains.\n",
        "sw-en.gold": "sw-1\ten-2\nsw-2\ten-1\n",
    },
}


def _paths(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder / name) for name in files]


def _read(folder, files):
    paths = _paths(folder, files)
    return list(readers.translations(paths, language="sw", split="train"))


def _examples(rows):
    vocabulary = encoder_vocabulary.load("bytes")
    card: dict = {}
    made = list(
        labelled.examples(
            rows,
            family=catalog.family("parallel_text"),
            task="parallel_text.sw",
            split="train",
            layout=Layout(vocabulary=vocabulary, length=32),
            labels=(),
            keep_text=False,
            card=card,
        )
    )
    return made, card, vocabulary


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_same_pairs(tmp_path, layout):
    made, card, vocabulary = _examples(_read(tmp_path, LAYOUTS[layout]))
    texts = set()
    for example in made:
        first, second = np.split(example["inputs"], [example["targets"][0]])
        assert len(second) == example["targets"][1]
        texts.add(frozenset(vocabulary.decode(list(part)) for part in (first, second)))
    assert texts == {frozenset(pair) for pair in zip(ENGLISH, SWAHILI, strict=True)}
    assert card["counts"]["rows"] == 2
    assert card["counts"]["left_out"] == (1 if layout == "BUCC" else 0)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.tsv": "one\ttwo\tthree\n"}, "3 columns"),
        ({"a.tsv": "one\n"}, "1 columns"),
        ({"a.tsv": "one\t \n"}, "second column is blank"),
        ({"a.x": "1\ta\n", "b.x": "2\tb\n"}, "has no partner"),
        ({f"{name}.tsv": "a\tb\n" for name in "abcd"}, "4 files"),
        ({"a.tsv": "\ufeff"}, r"a\.tsv: holds no pair; write an English text, a tab"),
    ],
)
def test_what_is_no_set_of_translations_is_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        _read(tmp_path, files)


def test_sides_without_pairs_are_refused():
    rows = [
        RetrievalRow(id="en-0", text="Thank you.", side="query"),
        RetrievalRow(id="0", text="Asante.", side="candidate"),
    ]
    with pytest.raises(UserError, match="no sentence has a translation"):
        _examples(rows)


@pytest.mark.parametrize(
    ("answer", "text", "message"),
    [
        ("1", "Asante.", r"sw.*train.*'en-0'.*its translation '1' is not there"),
        ("0", "", r"sw.*train.*'0'.*its text has no token; mend or remove the row"),
    ],
)
def test_a_pair_that_lacks_a_sentence_is_named(answer, text, message):
    rows = [
        RetrievalRow(id="en-0", text="Thank you.", side="query", answers=(answer,)),
        RetrievalRow(id="0", text=text, side="candidate"),
    ]
    with pytest.raises(UserError, match=message):
        _examples(rows)


def test_a_batch_has_both_sentences_of_each_pair(tmp_path):
    made, card, vocabulary = _examples(_read(tmp_path, LAYOUTS["one file"]))
    ids = {"pad": vocabulary.pad_id, "mask": vocabulary.mask_id}
    card |= {"kind": "contrastive", "length": 32, "ids": ids}
    store = stores.Store(stores.write(tmp_path / "store", made, card))
    found = labelled_batches.arrays(store, np.array([1, 0]), width=32)
    assert found.tokens.shape == (2, 2, 32)
    for row, index in enumerate((1, 0)):
        for side, texts in enumerate((ENGLISH, SWAHILI)):
            tokens = found.tokens[row, side]
            real = tokens[tokens != vocabulary.pad_id].tolist()
            assert vocabulary.decode(real) == texts[index]
    assert labelled_batches.input_lengths(store).max() == len("Mvua inanyesha.") + 2


# --- attacked training rows -----------------------------------------------------------


def _rows(settings, name="world_qa.en", split="train"):
    family, language = catalog.find(name)
    return list(loading.rows(family, language, split=split, settings=settings))


def _augmented(*attacks, share=0.5, **fields):
    how = augment.augmentation(attacks, share=share, seed=1)
    return Augmented(how=how, **fields)


def test_a_share_of_training_rows_is_attacked_and_answers_stay(world_data):
    clean = TaskSettings(data_dir=str(world_data))
    change = _augmented("character_noise:budget=0.5")
    settings = TaskSettings(data_dir=str(world_data), augmented=change)
    before, after = _rows(clean), _rows(settings)
    assert [row.id for row in after] == [row.id for row in before]
    changed = [new for old, new in zip(before, after, strict=True) if new != old]
    counts = change.counts["world_qa.en"]
    assert len(changed) == counts["attacked"]
    assert 0.3 * len(before) < len(changed) < 0.7 * len(before)
    for row in after:
        assert isinstance(row, QuestionRow)
        for answer, start in zip(row.answers, row.answer_starts, strict=True):
            assert row.context[start : start + len(answer)] == answer
    assert after == _rows(settings)
    assert _rows(clean, split="validation") == _rows(settings, split="validation")
    text = _rows(settings, name="world_text.en")
    assert text == _rows(clean, name="world_text.en")


def test_words_are_exchanged_by_the_lexicons_of_the_language(world_data):
    lexicon = Lexicon("en", "de", {"the": ("der",), "is": ("ist",), "in": ("im",)})
    change = _augmented("code_mixed", share=1.0, lexicons={("en", "de"): lexicon})
    settings = TaskSettings(data_dir=str(world_data), augmented=change)
    mixed = " ".join(row.context for row in _rows(settings))
    assert " der " in mixed or " ist " in mixed or " im " in mixed
    german = _rows(settings, name="world_qa.de")
    assert german == _rows(TaskSettings(data_dir=str(world_data)), name="world_qa.de")
    (why,) = set(change.counts["world_qa.de"]) - {"rows"}
    assert "no lexicon from 'de'" in why


def test_sentences_of_the_set_itself_distract(world_data):
    change = _augmented("distractor", share=1.0)
    settings = TaskSettings(data_dir=str(world_data), augmented=change)
    before = _rows(TaskSettings(data_dir=str(world_data)))
    longer = sum(
        len(new.context) > len(old.context)
        for old, new in zip(before, _rows(settings), strict=True)
    )
    assert longer == change.counts["world_qa.en"]["attacked"] > 0


def test_no_share_and_all_of_it():
    rows = [RetrievalRow(id=str(i), text="it rained", side="query") for i in range(20)]
    for share, attacked in ((0.0, 0), (1.0, 20)):
        how = augment.augmentation(("upper_case",), share=share, seed=0)
        counts: collections.Counter[str] = collections.Counter()
        made = list(augment.augmented(rows, language="en", how=how, counts=counts))
        assert sum(row.text == "IT RAINED" for row in made) == attacked
        assert counts["attacked"] == attacked


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ("worst_of:keyboard", "searches"),
        ("words_shuffled", "probe"),
        ("distractor_foreign", "foreign sentences"),
        ("keybord", "near: keyboard"),
    ],
)
def test_attacks_that_rows_cannot_be_trained_on_are_refused(attack, message):
    with pytest.raises(UserError, match=message):
        augment.augmentation((attack,), share=0.5, seed=0)
