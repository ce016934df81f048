"""`<extra_id_0>` in a text is one id, in every vocabulary and for SeqIO's tools too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import tagging, vocabulary
from xtl_jax.data.rows import TaggedRow

LENGTH = 103  # tokens: sentinels 0, 1 and 2 are used twice
ROW = TaggedRow(
    id="1",
    tokens=("Ｖｅｒａ", "น้ำ", "।", "'s", *["w"] * (LENGTH - 4)),
    tags=("PROPN", "NOUN", "PUNCT", "PART", *["X"] * (LENGTH - 4)),
)
CATEGORIES = TaggedRow(
    id="2", tokens=("eats", "."), tags=("((S[b]\\NP)/PP)/NP[nb=1,x]", ".")
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small model like the toy world's, to which sentinels are added."""
    texts = [f"{chr(97 + n)} w" * 3 for n in range(26)]
    texts += ["PROPN NOUN PUNCT PART X pos: ner: ccg:", "((S[b]\\NP)/PP)/NP[nb=1,x] ."]
    texts += ["Vera 's น้ำ । ."]
    path = tmp_path_factory.mktemp("vocabulary") / "small.model"
    path.write_bytes(vocabulary.train(texts, size=65))
    return vocabulary.load(path, extra_ids=100)


@pytest.fixture(scope="module")
def real(shared):
    name = "xlmr_sentencepiece_rebuilt.model.xz"
    return vocabulary.load(shared / "data" / "tokenizer" / name, extra_ids=100)


@pytest.fixture(params=["trained", "real", "bytes"])
def loaded(request):
    if request.param == "bytes":
        return vocabulary.load("bytes", extra_ids=100)
    return request.getfixturevalue(request.param)


def numbers(ids, *, of):
    """Sentinel numbers among ids, in order."""
    number = {token: place for place, token in enumerate(of.sentinel_ids)}
    return [number[token] for token in ids if token in number]


@pytest.mark.parametrize(
    ("form", "row"), [(tagging.POS, ROW), (tagging.CCG, CATEGORIES)]
)
def test_each_token_and_tag_has_its_sentinel_and_tags_survive(loaded, form, row):
    example = form.prompt(row)
    wanted = [place % 100 for place in range(len(row.tokens))]
    for text in (example.inputs, example.targets):
        assert numbers(loaded.encode(text), of=loaded) == wanted
    written = loaded.decode(loaded.encode(example.targets))
    placed = form.place(written, context=example.context)
    assert (placed.tags, placed.unplaced) == (row.tags, 0)


def test_seqio_and_tensorflow_have_the_same_ids(loaded):
    theirs = loaded.seqio()
    for text in (tagging.POS.prompt(ROW).targets, "é <extra_id_7>", "no sentinel"):
        ids = loaded.encode(text)
        assert list(theirs.encode(text)) == ids
        assert theirs.encode_tf(text).numpy().tolist() == ids
        assert theirs.decode([*ids, 1, 5]) == loaded.decode(ids)


def test_bytes_in_tensorflow_decode_batches():
    ours = vocabulary.load("bytes", extra_ids=3)
    ids = np.array([[*ours.encode("ab<extra_id_2>"), 1, 70], [100, 0, 0, 1, 1]])
    ids = np.stack([ids, ids[::-1]])
    found = ours.seqio().decode_tf(ids).numpy()
    wanted = [[b"ab<extra_id_2>", b"a"], [b"a", b"ab<extra_id_2>"]]
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    "text",
    ["<extra_id_3>", "<extra_id_00>", "<extra_id_-1>", "<extra_id_٣>", "<extra_"],
)
def test_what_is_no_sentinel_of_the_vocabulary_is_spelled_out(text):
    ours = vocabulary.load("bytes", extra_ids=3)
    assert ours.encode(text) == [byte + 3 for byte in text.encode()]


@given(st.text(alphabet="<extra_id_0>12é "))
def test_every_text_survives_bytes_with_sentinels(text):
    ours = vocabulary.load("bytes", extra_ids=3)
    assert ours.decode(ours.encode(text)) == text
