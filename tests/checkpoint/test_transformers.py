"""What we write loads in transformers and says the same; skipped where it is absent.

docs/checkpoints.md says how to make an environment that has it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import huggingface, t5x
from xtl_jax.data import vocabulary as vocabularies

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# About their own settings, and what their imports do.
pytestmark = pytest.mark.filterwarnings("ignore")

LENGTH = 20
VOCABULARY = 200  # of 256 rows: the others are the likeliest now and then


@pytest.fixture(scope="module")
def folder(toy_source, tmp_path_factory):
    """Random parameters, sharp enough that rounding changes no choice."""

    def read(entry, layer):
        array = toy_source.read(entry, layer)
        return 4.0 * array if entry.path == "logits_dense/kernel" else array

    path = tmp_path_factory.mktemp("hf") / "toy"
    sharp = dataclasses.replace(toy_source, read=read)
    huggingface.write(sharp, epath.Path(path), vocabulary_size=VOCABULARY)
    return path


@pytest.fixture(scope="module")
def theirs(folder):
    return transformers.MT5ForConditionalGeneration.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def ours(folder):
    return xtl_jax.load(str(folder))


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(1)
    ids = rng.integers(3, VOCABULARY, (4, 12)).astype(np.int32)
    for row, used in zip(ids, (12, 9, 5, 2), strict=True):
        row[used - 1] = 1
        row[used:] = 0
    return ids


def _generated(model, inputs, **settings):
    """Their ids without the start id, 0 after the end id, to our width."""
    import torch

    ids = torch.tensor(inputs.astype(np.int64))
    with torch.no_grad():
        found = model.generate(
            input_ids=ids,
            attention_mask=(ids != 0).long(),
            max_new_tokens=LENGTH,
            do_sample=False,
            **settings,
        ).numpy()[:, 1:]
    tokens = np.zeros((len(inputs), LENGTH), np.int32)
    tokens[:, : found.shape[1]] = found
    ended = np.cumsum(tokens == 1, axis=1) - (tokens == 1)
    return np.where(ended > 0, 0, tokens)


def test_every_tensor_is_loaded_and_none_is_missing(folder):
    _, told = transformers.MT5ForConditionalGeneration.from_pretrained(
        folder, output_loading_info=True
    )
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys"))
    assert not told["mismatched_keys"]


def test_logits_agree(theirs, ours, inputs):
    import torch

    decoder = np.pad(inputs[:, :7], ((0, 0), (1, 0)))
    ids = torch.tensor(inputs.astype(np.int64))
    with torch.no_grad():
        expected = theirs(
            input_ids=ids,
            attention_mask=(ids != 0).long(),
            decoder_input_ids=torch.tensor(decoder.astype(np.int64)),
        ).logits.numpy()
    found = ours.logits(inputs=inputs, decoder_inputs=decoder)
    # Ours masks padding of the decoder's targets too; the first row has none.
    np.testing.assert_allclose(found[0], expected[0], atol=1e-4, rtol=2e-5)


def test_greedy_ids_are_the_same(theirs, ours, inputs):
    expected = _generated(theirs, inputs)
    assert np.array_equal(ours.generate(inputs=inputs, max_length=LENGTH), expected)
    assert len(np.unique(expected)) > 5
    everything = dataclasses.replace(ours, vocabulary_size=256)
    unlimited = everything.generate(inputs=inputs, max_length=LENGTH)
    assert unlimited.max() >= VOCABULARY > expected.max()


@pytest.mark.parametrize("length_penalty", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_beam_ids_are_the_same(theirs, ours, inputs, length_penalty, early_stopping):
    expected = _generated(
        theirs,
        inputs,
        num_beams=4,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
    )
    found = ours.generate(
        inputs=inputs,
        max_length=LENGTH,
        beams=4,
        rule="huggingface",
        length_penalty=length_penalty,
        early_stopping=early_stopping,
    )
    assert np.array_equal(found, expected)


def test_the_reference_checkpoint_generates_the_same(shared, tmp_path):
    """T5X's own checkpoint, through us, in transformers: T5X's greedy ids come out."""
    source = t5x.source(
        epath.Path(shared / "conformance/t5x/random_legacy/checkpoint_0")
    )
    huggingface.write(source, epath.Path(tmp_path / "hf"))
    model = transformers.MT5ForConditionalGeneration.from_pretrained(tmp_path / "hf")
    ours = xtl_jax.load(str(tmp_path / "hf"))
    with np.load(shared / "conformance/t5x/random_expected.npz") as file:
        inputs = file["encoder_input_tokens"]
    expected = _generated(model.eval(), inputs)
    assert np.array_equal(ours.generate(inputs=inputs, max_length=LENGTH), expected)


# --- tokenizers -----------------------------------------------------------------------

TEXTS = (
    *("the cat sat on a mat", "der Hund lief über Straße ñandú", "猫坐在 Привет мир"),
    *("the  cat  <extra_id_0> sat <extra_id_1>", "x<extra_id_3>y", " leading"),
    *("trailing ", "a\tb\nc", "unknown ☃ Ω", "ＦＵＬＬ width ½", "", "é combining"),
    *(
        "the cat.the",
        "▁under score",
        "مرحبا بالعالم",
        "ไทย ภาษา",
        "हिन्दी में",
        "I'm—here…",
    ),
)


def _written(source, tmp_path, vocabulary):
    folder = tmp_path / "with_tokenizer"
    huggingface.write(source, epath.Path(folder), vocabulary=vocabulary.content)
    return folder


def _same_ids(folder, vocabulary):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == vocabulary.size
    for text in TEXTS:
        expected = [*vocabulary.encode(text), vocabulary.eos_id]
        assert tokenizer(text).input_ids == expected, text
        named = transformers.T5Tokenizer.from_pretrained(folder)
        assert named(text).input_ids == expected, text


@pytest.mark.parametrize("extra_ids", [0, 20])
def test_the_tokenizer_gives_our_ids(toy_source, tmp_path, extra_ids):
    words = " ".join(TEXTS[:3]).split()
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz ")
    texts = [" ".join(rng.choice(words, 12)) for _ in range(200)]
    texts += ["".join(rng.choice(letters, 30)) for _ in range(200)]
    (tmp_path / "v.model").write_bytes(vocabularies.train(texts, size=150))
    vocabulary = vocabularies.load(tmp_path / "v.model", extra_ids=extra_ids)

    _same_ids(_written(toy_source, tmp_path, vocabulary), vocabulary)


def test_a_vocabulary_that_was_laid_out_anew_gives_our_ids(
    shared, toy_source, tmp_path
):
    """XLM-R's pieces have other ids for the special ones in their own file."""
    file = shared / "data/tokenizer/xlmr_sentencepiece_rebuilt.model.xz"
    vocabulary = vocabularies.load(file)

    _same_ids(_written(toy_source, tmp_path, vocabulary), vocabulary)
