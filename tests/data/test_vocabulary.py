"""Vocabularies in mT5's layout, equal to SeqIO's, the same pieces as before."""

from __future__ import annotations

import lzma

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import vocabulary
from xtl_jax.errors import UserError

SENTENCES = (
    "The ferry costs $3.50, and it leaves at 7:45 from Pier-9.",
    "Die Straßenbahn fährt außer sonntags alle zwölf Minuten.",
    "Ziwa hilo lina kina cha mita themanini na nne.",
    "Bu köprü 1987'de yapıldı; çok güzel.",
    "Старый колодец глубиной тридцать один метр.",
    "البئر القديمة عميقة جدا.",
    "पुराना कुआँ इकतीस मीटर गहरा है।",
    "小店每天九点开门，周日除外。",
    "ร้านเปิดเก้าโมงเช้า",
    "다리는 1987년에 지어졌다.",
    "１２３ ＡＢＣ ﬁn\u00a0e  two  spaces",
    "naïve — “quotes” … 🦜 <b>x</b>",
    "",
)


@pytest.fixture(scope="session")
def xlmr_file(shared):
    return shared / "data" / "tokenizer" / "xlmr_sentencepiece_rebuilt.model.xz"


@pytest.fixture(scope="session")
def xlmr(xlmr_file):
    return vocabulary.load(xlmr_file, extra_ids=100)


@pytest.fixture(scope="session")
def small_model():
    """A small model of our own, in mT5's layout."""
    return vocabulary.train(SENTENCES * 3, size=170)


@pytest.fixture
def small_file(tmp_path, small_model):
    path = tmp_path / "small.model"
    path.write_bytes(small_model)
    return path


def test_a_model_laid_out_otherwise_cuts_text_into_the_same_pieces(xlmr, xlmr_file):
    original = sentencepiece.SentencePieceProcessor(
        model_proto=lzma.decompress(xlmr_file.read_bytes())
    )
    assert [original.id_to_piece(n) for n in range(4)] == ["<unk>", "<s>", "</s>", ","]
    assert [xlmr.piece(n) for n in range(4)] == ["<pad>", "</s>", "<unk>", ","]
    for text in SENTENCES:
        was, now = original.encode(text), xlmr.encode(text)
        # <unk> 0 is 2 now; `<s>` went and padding came, so all others keep their id.
        assert now == [2 if token == 0 else token for token in was]
        assert xlmr.decode(now) == original.decode(was)


def test_xlmr_has_mt5s_number_of_ids(xlmr):
    assert xlmr.size == 250_100  # of 250,112 rows
    assert xlmr.sentinel_ids == tuple(range(250_099, 249_999, -1))
    assert xlmr.encode("<extra_id_0> a")[0] == 250_099
    assert xlmr.decode([250_111]) == xlmr.decode([2])


def test_relaying_depends_on_the_bytes_alone(xlmr, xlmr_file):
    model = lzma.decompress(xlmr_file.read_bytes())
    once = vocabulary.relay(model)
    assert once == vocabulary.relay(model)
    assert vocabulary.relay(once) == once


def test_seqio_agrees_with_a_re_laid_model(xlmr, monkeypatch, tmp_path):
    monkeypatch.setenv("XTL_CACHE_DIR", str(tmp_path))
    theirs = xlmr.seqio()
    assert theirs.vocab_size == xlmr.size
    assert (theirs.pad_id, theirs.eos_id, theirs.unk_id) == (0, 1, 2)
    for text in (*SENTENCES, "a <extra_id_0> b <extra_id_1>"):
        assert list(theirs.encode(text)) == xlmr.encode(text)
        assert theirs.encode_tf(text).numpy().tolist() == xlmr.encode(text)
        assert theirs.decode(xlmr.encode(text)) == xlmr.decode(xlmr.encode(text))
    (path,) = (tmp_path / "vocabulary").iterdir()
    assert xlmr.seqio() == theirs  # the same file: named by its content
    assert [p.name for p in (tmp_path / "vocabulary").iterdir()] == [path.name]


def test_training_is_deterministic_and_laid_out_as_mt5(small_model):
    assert small_model == vocabulary.train(SENTENCES * 3, size=170)
    assert vocabulary.relay(small_model) is small_model
    processor = sentencepiece.SentencePieceProcessor(model_proto=small_model)
    assert processor.get_piece_size() == 170
    assert (processor.pad_id(), processor.eos_id(), processor.unk_id()) == (0, 1, 2)
    assert processor.bos_id() == -1
    with pytest.raises(UserError, match="no SentencePiece model of 9000 pieces"):
        vocabulary.train(SENTENCES, size=9000)


def test_a_trained_model_knows_every_character_it_saw(small_file):
    small = vocabulary.load(small_file, extra_ids=3)
    for text in SENTENCES:
        assert small.unk_id not in small.encode(text), text
    assert small.sentinel_ids == (172, 171, 170)
    assert small.encode_batch(list(SENTENCES)) == [small.encode(s) for s in SENTENCES]


def test_decoding_stops_at_the_end_and_drops_padding(small_file):
    small = vocabulary.load(small_file)
    ids = small.encode("Ziwa hilo")
    assert small.decode([0, *ids, 1, 5, 6, 0]) == "Ziwa hilo"
    assert small.decode([]) == ""


def test_what_is_in_a_vocabulary_decides_its_hash(small_file, tmp_path):
    copy = tmp_path / "copy.model.xz"
    copy.write_bytes(lzma.compress(small_file.read_bytes()))
    first = vocabulary.load(small_file, extra_ids=2)
    assert first.sha256 == vocabulary.load(copy, extra_ids=2).sha256
    others = {
        first.sha256,
        vocabulary.load(small_file).sha256,
        vocabulary.load("bytes").sha256,
        vocabulary.load("bytes", extra_ids=2).sha256,
    }
    assert len(others) == 4


def test_a_changed_file_is_read_again(small_file):
    assert vocabulary.load(small_file).size == 170
    small_file.write_bytes(vocabulary.train(SENTENCES * 3, size=160))
    assert vocabulary.load(small_file).size == 160


def test_files_that_are_no_vocabulary_are_named(tmp_path, small_file):
    path = tmp_path / "bad.model"
    path.write_bytes(b"{}")
    with pytest.raises(UserError, match=r"bad\.model: is not a SentencePiece model"):
        vocabulary.load(path)
    path.write_bytes(small_file.read_bytes()[:500])
    with pytest.raises(UserError, match=r"bad\.model"):
        vocabulary.load(path)
    with pytest.raises(UserError, match="no such file"):
        vocabulary.load(tmp_path / "none.model")
    with pytest.raises(UserError, match="no vocabulary given"):
        vocabulary.load("")
    with pytest.raises(UserError, match="extra_ids must be 0 or more, got -1"):
        vocabulary.load("bytes", extra_ids=-1)


def _with_twins(proto):
    proto.pieces.add(piece=proto.pieces[9].piece, type=1, score=0.0)


def _with_text_as_padding(proto):
    proto.pieces[0].type = 1  # NORMAL: `<pad>` in a text would be this piece


def _with_a_gap(proto):
    for number in (3, 0):
        proto.pieces.add(piece=f"▁<extra_id_{number}>", type=4, score=0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with_twins, "is not a SentencePiece model, or is cut short"),
        (_with_text_as_padding, "'<pad>' is an ordinary piece of it, .* train a model"),
        (_with_a_gap, r"its sentinels are numbered \[0, 3\]…, 0, 1, 2, … is needed"),
    ],
)
def test_a_model_that_cannot_be_laid_out_as_mt5s_is_named(
    tmp_path, small_model, change, message
):
    from sentencepiece import sentencepiece_model_pb2 as pb

    proto = pb.ModelProto.FromString(small_model)
    change(proto)
    path = tmp_path / "odd.model"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(UserError, match=rf"odd\.model: {message}"):
        vocabulary.load(path)


def test_sentinels_are_not_added_twice(tmp_path, small_file):
    from sentencepiece import sentencepiece_model_pb2 as pb

    proto = pb.ModelProto.FromString(small_file.read_bytes())
    for number in (1, 0):
        proto.pieces.add(piece=f"▁<extra_id_{number}>", type=4, score=0.0)
    path = tmp_path / "own.model"
    path.write_bytes(proto.SerializeToString())
    assert vocabulary.load(path).sentinel_ids == (171, 170)
    with pytest.raises(UserError, match="use extra_ids=0"):
        vocabulary.load(path, extra_ids=2)


@pytest.mark.parametrize("extra_ids", [0, 3])
def test_bytes_are_byt5s(extra_ids):
    ours = vocabulary.load("bytes", extra_ids=extra_ids)
    theirs = ours.seqio()
    assert ours.size == theirs.vocab_size == 259 + extra_ids
    for text in SENTENCES:
        ids = ours.encode(text)
        assert ids == list(theirs.encode(text))
        assert ours.decode([*ids, 1, 70]) == theirs.decode([*ids, 1, 70]) == text
        assert ours.decode(ids[:-1]) == theirs.decode(ids[:-1])  # may cut a character


@given(st.text())
def test_every_text_survives_bytes(text):
    ours = vocabulary.load("bytes")
    assert ours.decode(ours.encode(text)) == text


def test_text_lines_for_training(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\n\ntwo\n")
    assert list(vocabulary.text_lines([path, path])) == ["one", "two"] * 2
