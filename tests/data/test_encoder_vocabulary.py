"""Vocabularies in XLM-R's layout: the ids and offsets of Hugging Face's tokenizer."""

from __future__ import annotations

import json
import lzma

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import encoder_vocabulary, vocabulary
from xtl_jax.errors import UserError

BYTES = encoder_vocabulary.load("bytes")


@pytest.fixture(scope="module")
def xlmr_file(shared):
    return shared / "data" / "tokenizer" / "xlmr_sentencepiece_rebuilt.model.xz"


@pytest.fixture(scope="module")
def xlmr(xlmr_file):
    return encoder_vocabulary.load(xlmr_file)


@pytest.fixture(scope="module")
def tokenizers_reference(request):
    """What Hugging Face's tokenizer says of texts that are written for this test."""
    path = request.config.rootpath / "tests" / "golden" / "encoders" / "tokenizers.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _stripped(text, span):
    """The same characters without white space at their ends."""
    begin, end = span
    while begin < end and text[begin].isspace():
        begin += 1
    return begin, end


def test_every_id_is_that_of_hugging_faces_tokenizer(shared, xlmr):
    name = "multilingual-e5-small_tokenizer.json.xz"
    with lzma.open(shared / "data" / "tokenizer" / name) as file:
        document = json.load(file)
    pieces = [piece for piece, _ in document["model"]["vocab"]]
    assert [xlmr.piece(token) for token in range(xlmr.size)] == pieces
    added = {each["content"]: each["id"] for each in document["added_tokens"]}
    assert added == {
        "<s>": xlmr.start_id,
        "<pad>": xlmr.pad_id,
        "</s>": xlmr.end_id,
        "<unk>": xlmr.unk_id,
        "<mask>": xlmr.mask_id,
    }


def test_ids_are_fairseqs_shift_of_the_file(xlmr_file, xlmr, tokenizers_reference):
    original = sentencepiece.SentencePieceProcessor(
        model_proto=lzma.decompress(xlmr_file.read_bytes())
    )
    for row in tokenizers_reference["texts"]:
        found = original.encode(row["text"])
        assert xlmr.encode(row["text"]) == [
            token + 1 if token else xlmr.unk_id for token in found
        ]


def test_ids_and_offsets_are_those_of_hugging_faces_tokenizer(
    xlmr, tokenizers_reference
):
    texts = tokenizers_reference["texts"]
    assert xlmr.encode_batch([row["text"] for row in texts]) == [
        row["ids"] for row in texts
    ]
    for row in texts:
        ids, spans = xlmr.encode_with_offsets(row["text"])
        assert ids == row["ids"] == xlmr.encode(row["text"])
        for token, ours, theirs in zip(ids, spans, row["offsets"], strict=True):
            if xlmr.piece(token) == "▁":  # stands for no character, or for a space
                assert ours[0] == ours[1]
            else:
                assert ours == _stripped(row["text"], theirs)


def test_a_text_cannot_write_special_ids(xlmr):
    ids = xlmr.encode("<s> </s> <pad> <mask> <unk>")
    assert not {0, 1, 2, xlmr.mask_id} & set(ids)


def test_decoding_leaves_special_ids_out_wherever_they_stand(xlmr):
    first, second = xlmr.encode("One text."), xlmr.encode("Another one.")
    ids = [0, *first, 2, 2, xlmr.mask_id, *second, 2, 1, 1]
    assert xlmr.decode(ids) == "One text. Another one."


def test_any_sentencepiece_layout_gives_the_same_layout(tmp_path):
    texts = ["the cat sat on the mat", "a dog ran over the hill"] * 20
    path = tmp_path / "small.model"
    path.write_bytes(vocabulary.train(texts, size=22))
    small = encoder_vocabulary.load(path)
    assert small.size == 24  # <s> before the pieces, <mask> behind them
    assert [small.piece(n) for n in (0, 1, 2, 3, 23)] == [
        *("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    ]
    ids, spans = small.encode_with_offsets("the  cat!")
    assert small.decode(ids[:-1]) == "the cat"
    assert ids[-1] == small.unk_id
    assert spans[-1] == (8, 9)
    plain = vocabulary.load(path)
    assert small.sha256 != plain.sha256


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_bytes_come_back_and_stand_for_their_characters(text):
    ids, spans = BYTES.encode_with_offsets(text)
    assert BYTES.decode(ids) == text
    assert ids == BYTES.encode(text)
    for token, (begin, end) in zip(ids, spans, strict=True):
        assert end - begin == (not text[begin : begin + 1].isspace() and begin < end)
        if begin < end:
            assert token - BYTES.first_id in text[begin:end].encode()


def test_a_file_that_is_no_vocabulary_is_named(tmp_path):
    path = tmp_path / "broken.model"
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"broken\.model: is not a SentencePiece model"):
        encoder_vocabulary.load(path)
    with pytest.raises(UserError, match="no such file"):
        encoder_vocabulary.load(tmp_path / "absent.model")
