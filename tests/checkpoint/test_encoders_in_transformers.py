"""Encoders that we write load in transformers and say the same; skipped without it.

docs/checkpoints.md says how to make an environment that has it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import safetensors.numpy
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import huggingface
from xtl_jax.data import encoder_vocabulary
from xtl_jax.data import vocabulary as vocabularies
from xtl_jax.errors import UserError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# About their own settings, and what their imports do.
pytestmark = pytest.mark.filterwarnings("ignore")

CLASSES = {
    None: "AutoModel",
    "xnli": "AutoModelForSequenceClassification",
    "copa": "AutoModelForMultipleChoice",
    "squad_v2": "AutoModelForQuestionAnswering",
    "udpos": "AutoModelForTokenClassification",
    "text": "AutoModelForMaskedLM",
}


@pytest.fixture(scope="module")
def inputs():
    ids = np.random.default_rng(1).integers(4, 250, (3, 12)).astype(np.int32)
    for row, used in zip(ids, (12, 9, 4), strict=True):
        row[0], row[used - 1], row[used:] = 0, 2, 1
    return ids


def _written(source, folder, *, architecture, head):
    config = dataclasses.replace(
        source.config,
        architecture=architecture,
        dropout_rate=0.1,
        task_heads=() if head is None else (source.config.head(head),),
    )
    huggingface.write(dataclasses.replace(source, config=config), epath.Path(folder))
    return str(folder)


@pytest.mark.parametrize("architecture", ["xlm-roberta", "bert"])
@pytest.mark.parametrize("head", CLASSES)
def test_each_head_answers_the_same_there(
    encoder_source, tmp_path, inputs, architecture, head
):
    folder = _written(
        encoder_source, tmp_path / "hf", architecture=architecture, head=head
    )
    theirs, told = getattr(transformers, CLASSES[head]).from_pretrained(
        folder, output_loading_info=True
    )
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys"))
    assert not told["mismatched_keys"]
    ours = xtl_jax.load(folder)
    if head == "copa":
        inputs = np.stack([inputs, inputs[:, ::-1]], axis=1)
    mask = (inputs != 1).astype(np.int32)
    with torch.no_grad():
        found = theirs.eval()(
            input_ids=torch.tensor(inputs).long(),
            attention_mask=torch.tensor(mask).long(),
        )
    real = mask == 1
    if head is None:
        states = ours.hidden_states(inputs=inputs, mask=mask)[-1]
        _close(states[real], found.last_hidden_state.numpy()[real])
        _close(ours.pooled(inputs=inputs, mask=mask), found.pooler_output.numpy())
        return
    logits = ours.logits(inputs=inputs, mask=mask)
    if head == "squad_v2":
        pair = (found.start_logits, found.end_logits)
        _close(logits[real], np.stack([x.numpy() for x in pair], axis=-1)[real])
    elif head in ("udpos", "text"):
        _close(logits[real], found.logits.numpy()[real])
    else:
        _close(logits, found.logits.numpy())
    assert np.abs(logits).max() > 0.1
    labels = encoder_source.config.head(head).labels
    if labels:
        assert theirs.config.id2label == dict(enumerate(labels))


def _close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=2e-5)


def test_a_bin_file_of_earlier_years_is_read(encoder_source, tmp_path, inputs):
    """With the tied table twice, a pooler and position ids, as the public ones have."""
    folder = _written(
        encoder_source, tmp_path / "hf", architecture="xlm-roberta", head="text"
    )
    before = xtl_jax.load(folder)
    weights = tmp_path / "hf/model.safetensors"
    tensors = {
        name: torch.tensor(array)
        for name, array in safetensors.numpy.load_file(weights).items()
    }
    tensors |= {
        "roberta.embeddings.position_ids": torch.arange(40)[None],
        "roberta.pooler.dense.weight": torch.zeros(32, 32),
        "roberta.pooler.dense.bias": torch.ones(32),
        "lm_head.decoder.weight": tensors["roberta.embeddings.word_embeddings.weight"],
        "lm_head.decoder.bias": tensors["lm_head.bias"],
    }
    weights.unlink()
    torch.save(tensors, tmp_path / "hf/pytorch_model.bin")
    after = xtl_jax.load(folder)
    assert np.array_equal(after.logits(inputs=inputs), before.logits(inputs=inputs))
    assert np.allclose(after.pooled(inputs=inputs), np.tanh(1.0))
    torch.save(
        tensors | {"lm_head.dense.bias": torch.arange(32)},
        tmp_path / "hf/pytorch_model.bin",
    )
    with pytest.raises(UserError, match=r"lm_head\.dense\.bias holds int64; weights"):
        xtl_jax.load(folder)


def test_the_tokenizer_gives_our_ids(encoder_source, tmp_path):
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz ")
    texts = ["".join(rng.choice(letters, 30)) for _ in range(300)]
    (tmp_path / "v.model").write_bytes(vocabularies.train(texts, size=100))
    pieces = vocabularies.load(tmp_path / "v.model")
    assert isinstance(pieces, vocabularies.PieceVocabulary)
    vocabulary = encoder_vocabulary.load(tmp_path / "v.model")
    source = dataclasses.replace(
        encoder_source, config=encoder_source.config.with_heads(())
    )
    huggingface.write(source, epath.Path(tmp_path / "hf"), vocabulary=pieces.content)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    assert tokenizer.mask_token_id == vocabulary.mask_id
    assert len(tokenizer) == vocabulary.size
    for text in ("hello there", "the  cat ", "unknown ☃ Ω", "ＦＵＬＬ width", ""):
        expected = [0, *vocabulary.encode(text), 2]
        assert tokenizer(text).input_ids == expected, text
    pair = tokenizer("one", "two").input_ids
    one, two = map(vocabulary.encode, ("one", "two"))
    assert pair == [0, *one, 2, 2, *two, 2]
