"""States, vectors and logits are those of Hugging Face's XLM-R and BERT."""

from __future__ import annotations

import numpy as np
import pytest

import xtl_jax

pytestmark = pytest.mark.usefixtures("quick_compiles")

STATES = {"atol": 2e-5, "rtol": 2e-5}
LOGITS = {"atol": 1e-4, "rtol": 2e-5}
LAYERS = 3


@pytest.fixture(scope="module")
def expected(shared):
    """Both reference files, by model."""
    folder = shared / "conformance/hf"
    found = {}
    for name in ("xlmr_tiny", "bert_tiny"):
        with np.load(folder / f"{name}_expected.npz") as file:
            found[name] = dict(file)
    return found


@pytest.fixture(scope="module")
def loaded(shared):
    """A checkpoint by its folder, opened once."""
    opened = {}

    def load(name):
        if name not in opened:
            opened[name] = xtl_jax.load(str(shared / "conformance/hf" / name))
        return opened[name]

    return load


@pytest.mark.parametrize(
    ("checkpoint", "case"),
    [
        *(("xlmr_tiny/base", case) for case in ("short", "full", "hole")),
        *(("bert_tiny", case) for case in ("short", "pair", "full")),
    ],
)
def test_states_and_vectors_agree_after_every_layer(loaded, expected, checkpoint, case):
    model, theirs = loaded(checkpoint), expected[checkpoint.split("/")[0]]
    mask = theirs[f"{case}.attention_mask"]
    inputs = {"inputs": theirs[f"{case}.input_ids"], "mask": mask}
    if f"{case}.token_type_ids" in theirs:
        inputs["segments"] = theirs[f"{case}.token_type_ids"]
    states = model.hidden_states(**inputs)
    assert len(states) == LAYERS + 1
    compared = 0
    for layer in range(LAYERS + 1):
        if f"{case}.hidden_states.{layer}" in theirs:
            other = theirs[f"{case}.hidden_states.{layer}"]
            np.testing.assert_allclose(
                states[layer][mask == 1], other[mask == 1], **STATES
            )
            compared += 1
        vectors = model.embed(**inputs, layer=layer)
        np.testing.assert_allclose(
            vectors, theirs[f"{case}.mean_pooled"][layer], **STATES
        )
    assert compared == (2 if case == "full" else LAYERS + 1)
    assert np.array_equal(model.embed(**inputs), model.embed(**inputs, layer=LAYERS))
    np.testing.assert_allclose(
        model.pooled(**inputs), theirs[f"{case}.pooler_output"], **STATES
    )


def test_segments_count_in_bert(loaded, expected):
    theirs = expected["bert_tiny"]
    inputs = {
        "inputs": theirs["pair.input_ids"],
        "mask": theirs["pair.attention_mask"],
    }
    pair = loaded("bert_tiny").embed(**inputs, segments=theirs["pair.token_type_ids"])
    assert np.abs(pair - loaded("bert_tiny").embed(**inputs)).max() > 1e-3


def test_without_a_mask_padding_is_the_padding_id(loaded, expected):
    """In `short` the two are the same; BERT's config.json names another id."""
    theirs = expected["xlmr_tiny"]
    found = loaded("xlmr_tiny/base").embed(inputs=theirs["short.input_ids"])
    np.testing.assert_allclose(found, theirs["short.mean_pooled"][-1], **STATES)


def test_every_checkpoint_holds_the_same_encoder(loaded, expected):
    theirs = expected["xlmr_tiny"]
    first = loaded("xlmr_tiny/base").params["encoder"]["layers"]["mlp"]["wo"]["kernel"]
    for name in ("masked_lm", "token_classification", "question_answering"):
        params = loaded(f"xlmr_tiny/{name}").params
        assert np.array_equal(params["encoder"]["layers"]["mlp"]["wo"]["kernel"], first)
    assert theirs["short.hidden_states.3"].shape[-1] == first.shape[-1]


@pytest.mark.parametrize(
    ("name", "kind", "outputs"),
    [
        ("masked_lm", "masked_lm", 0),
        ("sequence_classification", "classification", 3),
        ("token_classification", "tagging", 7),
        ("multiple_choice", "choice", 1),
    ],
)
def test_logits_of_each_head_agree(loaded, expected, name, kind, outputs):
    model, theirs = loaded(f"xlmr_tiny/{name}"), expected["xlmr_tiny"]
    head = model.config.head()
    assert (head.name, head.kind, head.outputs) == (kind, kind, outputs)
    if outputs > 1:
        assert head.labels == tuple(f"LABEL_{i}" for i in range(outputs))
    case = name if name == "multiple_choice" else "short"
    inputs, mask = (
        theirs[f"{case}.{part}"] for part in ("input_ids", "attention_mask")
    )
    logits, other = model.logits(inputs=inputs), theirs[f"{name}.logits"]
    assert logits.shape == other.shape
    if kind in ("masked_lm", "tagging"):
        logits, other = logits[mask == 1], other[mask == 1]
    np.testing.assert_allclose(logits, other, **LOGITS)


def test_logits_of_first_and_last_tokens_agree(loaded, expected):
    theirs = expected["xlmr_tiny"]
    logits = loaded("xlmr_tiny/question_answering").logits(
        inputs=theirs["short.input_ids"], head="span"
    )
    real = theirs["short.attention_mask"] == 1
    for column, side in enumerate(("start", "end")):
        other = theirs[f"question_answering.{side}_logits"]
        np.testing.assert_allclose(logits[..., column][real], other[real], **LOGITS)
