"""XLM-R and BERT in Hugging Face's format and ours: names, shapes, round trips."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy
from etils import epath

from xtl_jax.checkpoint import convert, huggingface, huggingface_encoder, names, ours
from xtl_jax.cli import config as cli_config
from xtl_jax.data import encoder_vocabulary
from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import EncoderConfig, Head

XLMR = (
    *("base", "masked_lm", "sequence_classification", "token_classification"),
    *("question_answering", "multiple_choice"),
)
CHECKPOINTS = (*(f"xlmr_tiny/{name}" for name in XLMR), "bert_tiny")
LABELLED = ("classification", "tagging")
KINDS = ("classification", "choice", "span", "tagging", "masked_lm")


def _read(folder):
    return huggingface.source(epath.Path(folder))


@pytest.fixture
def copy(shared, tmp_path):
    """A function that copies a reference checkpoint to be changed."""

    def make(name):
        return shutil.copytree(shared / "conformance/hf" / name, tmp_path / "copy")

    return make


@pytest.fixture
def rename(copy):
    """Copies a reference checkpoint and changes its tensors and config."""

    def make(name, *, change, **values):
        folder = copy(name)
        path = folder / "model.safetensors"
        tensors = change(safetensors.numpy.load_file(path))
        safetensors.numpy.save_file(tensors, path)
        config = folder / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), **values}))
        return folder

    return make


# --- published sizes ------------------------------------------------------------------


def _published(size):
    path = cli_config.folder() / f"models/xlmr_{size}.gin"
    bindings = cli_config.parse(path.read_text(), source=path.name)
    return EncoderConfig(**{binding.field: binding.value for binding in bindings})


@pytest.mark.parametrize("size", ["base", "large"])
@pytest.mark.parametrize("name", ["XLMRobertaModel", "XLMRobertaForMaskedLM"])
def test_arrays_and_their_number_are_those_of_hugging_face(shared, size, name):
    path = shared / f"conformance/hf/shapes/xlm-roberta-{size}.json"
    theirs = json.loads(path.read_text())["architectures"][name]
    config = _published(size)
    if name.endswith("MaskedLM"):
        config = config.with_heads((Head(name="text", kind="masked_lm"),))
    else:
        config = dataclasses.replace(config, pooler=True)
    found = {}
    for entry in names.entries(config):
        turned = entry.path.endswith("kernel")
        for layer in names.layers(entry):
            theirs_name = huggingface_encoder.foreign(config, entry.path, layer)
            found[theirs_name] = list(entry.shape[::-1] if turned else entry.shape)
    assert found == theirs["parameters"]
    assert config.parameters == theirs["total_parameters"]
    assert sum(convert.parts(config).values()) == theirs["total_parameters"]


# --- round trips ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_what_was_read_is_written_bitwise(shared, tmp_path, name):
    folder = shared / "conformance/hf" / name
    huggingface.write(_read(folder), epath.Path(tmp_path / "hf"))
    before, after = (
        safetensors.numpy.load_file(path / "model.safetensors")
        for path in (folder, tmp_path / "hf")
    )
    assert before.keys() == after.keys()
    for tensor in before:
        assert before[tensor].tobytes() == after[tensor].tobytes(), tensor
    theirs, mine = (
        json.loads((path / "config.json").read_text())
        for path in (folder, tmp_path / "hf")
    )
    theirs.pop("transformers_version")
    theirs.pop("use_cache")  # of decoders
    assert {key: mine.get(key) for key in theirs} == theirs


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_ours_holds_the_same(shared, tmp_path, convert_to, same, name):
    folder = shared / "conformance/hf" / name
    own = convert_to(folder, tmp_path / "own", "xtl")
    same(folder, own)
    again = convert_to(own, tmp_path / "again", "huggingface")
    one, other = (
        safetensors.numpy.load_file(path / "model.safetensors")
        for path in (folder, again)
    )
    assert {k: v.tobytes() for k, v in one.items()} == {
        k: v.tobytes() for k, v in other.items()
    }


@pytest.mark.parametrize("architecture", ["xlm-roberta", "bert"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_head_comes_back_with_its_name_and_labels(
    encoder_source, tmp_path, architecture, kind
):
    config = dataclasses.replace(
        encoder_source.config, architecture=architecture, norm_epsilon=1e-12
    )
    (head,) = (head for head in config.task_heads if head.kind == kind)
    source = dataclasses.replace(encoder_source, config=config.with_heads((head,)))
    huggingface.write(source, epath.Path(tmp_path / "hf"))
    back = _read(tmp_path / "hf")
    assert back.config.task_heads == (head,)
    # Only where the head's dense layer is what they call the pooler is there one.
    pooled = kind == "choice" or (kind == "classification" and architecture == "bert")
    assert back.config.pooler == pooled
    assert dataclasses.replace(back.config, pooler=True) == source.config
    for entry in names.entries(dataclasses.replace(source.config, pooler=False)):
        for layer in names.layers(entry):
            array = source.read(entry, layer)
            assert back.read(entry, layer).tobytes() == array.tobytes(), entry.path
    document = json.loads((tmp_path / "hf/config.json").read_text())
    assert ("id2label" in document) == (kind in LABELLED)


def test_all_heads_go_into_ours_and_one_into_a_folder_of_hugging_face(
    encoder_source, tmp_path, convert_to, same
):
    ours.write(encoder_source, epath.Path(tmp_path / "ours"))
    same(encoder_source, ours.source(epath.Path(tmp_path / "ours")))
    with pytest.raises(UserError, match=r"has the heads xnli, .*name it with --head"):
        convert.plan(str(tmp_path / "ours"), str(tmp_path / "hf"), to="huggingface")
    with pytest.raises(UserError, match=r"no head 'xnl'; near: xnli"):
        convert.plan(
            str(tmp_path / "ours"), str(tmp_path / "hf"), to="huggingface", head="xnl"
        )
    one = convert_to(tmp_path / "ours", tmp_path / "one", "huggingface", head="udpos")
    assert [head.name for head in _read(one).config.task_heads] == ["udpos"]
    bare = convert_to(tmp_path / "ours", tmp_path / "bare", "huggingface", head="none")
    assert _read(bare).config == encoder_source.config.with_heads(())
    with pytest.raises(UserError, match=r"is an encoder, and T5X has none"):
        convert.plan(str(one), str(tmp_path / "t5x"), to="t5x")


def test_an_mt5_has_no_heads_to_choose(hf_toy, tmp_path):
    with pytest.raises(UserError, match=r"--head xnli: .* is an mT5, which has no hea"):
        convert.plan(str(hf_toy), str(tmp_path / "x"), to="huggingface", head="xnli")


def test_float16_weights_are_read_as_float32(rename):
    def half(tensors):
        return {name: array.astype(np.float16) for name, array in tensors.items()}

    source = _read(rename("bert_tiny", change=half))
    tree = names.tree(source)
    table = tree["encoder"]["embeddings"]["word"]
    assert table.dtype == np.float32
    assert np.array_equal(table, table.astype(np.float16).astype(np.float32))


# --- other layouts of the same thing --------------------------------------------------


def _gamma(tensors):
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array
        for name, array in tensors.items()
    }


def _prefixed(tensors):
    return {f"roberta.{name}": array for name, array in tensors.items()}


def _buffers(tensors):
    ids = np.arange(514)[None]
    return {**tensors, "roberta.embeddings.position_ids": ids}


def _tied(tensors):
    words = tensors["roberta.embeddings.word_embeddings.weight"]
    return {
        **tensors,
        "lm_head.decoder.weight": words.copy(),
        "lm_head.decoder.bias": tensors["lm_head.bias"].copy(),
    }


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bert_tiny", _gamma),
        ("xlmr_tiny/base", _prefixed),
        ("xlmr_tiny/token_classification", _buffers),
        ("xlmr_tiny/masked_lm", _tied),
    ],
)
def test_older_layouts_are_the_same_checkpoint(shared, rename, same, name, change):
    same(shared / "conformance/hf" / name, rename(name, change=change))


def test_heads_of_pre_training_are_passed_over_in_a_bare_encoder(shared, rename):
    folder = rename(
        "xlmr_tiny/masked_lm",
        change=lambda tensors: tensors,
        architectures=["XLMRobertaModel"],
    )
    config = _read(folder).config
    assert config.task_heads == ()
    assert not config.pooler


def test_padding_of_xlmr_s_vocabulary_under_bert_is_id_1(shared, copy):
    folder = copy("bert_tiny")
    assert _read(folder).config.pad_id == 0
    (folder / huggingface_encoder.VOCABULARY).write_bytes(b"")
    assert _read(folder).config.pad_id == 1


def test_missing_and_unknown_tensors_are_named(rename):
    def change(tensors):
        tensors.pop("classifier.bias")
        return {**tensors, "classifier.gate": np.zeros(3, np.float32)}

    with pytest.raises(UserError) as caught:
        _read(rename("xlmr_tiny/token_classification", change=change))
    message = str(caught.value)
    assert "is not XLM-R of the expected layout" in message
    assert "1 arrays missing ['classifier.bias']" in message
    assert "1 unknown ['classifier.gate']" in message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_act": "relu"}, r"hidden_act is 'relu'; only 'gelu' can be read"),
        ({"is_decoder": True}, r"is_decoder is True; only False can be read"),
        ({"position_embedding_type": "relative_key"}, r"type is 'relative_key'; only"),
        ({"tie_word_embeddings": False}, r"tie_word_embeddings is False; only True"),
        (
            {"architectures": ["XLMRobertaForCausalLM"]},
            r"these can be read: XLMRoberta",
        ),
        ({"id2label": {"0": "A", "2": "B"}}, r"id2label must name the outputs '0', '1"),
        ({"id2label": {"0": "A"}}, r"classifier.weight has shape \(64, 7\), expected"),
        ({"num_hidden_layers": 2}, r"unknown \['roberta\.encoder\.layer\.2\.atten"),
        (
            {"num_attention_heads": 5},
            r"EncoderConfig\.heads=5 does not divide embed=64",
        ),
    ],
)
def test_a_config_that_does_not_fit_names_its_field(rename, values, message):
    folder = rename(
        "xlmr_tiny/token_classification", change=lambda tensors: tensors, **values
    )
    with pytest.raises(UserError, match=message):
        names.tree(_read(folder))


def test_a_field_that_is_not_there_is_named(copy):
    folder = copy("bert_tiny")
    values = json.loads((folder / "config.json").read_text())
    values.pop("layer_norm_eps")
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"config\.json has no field 'layer_norm_eps'"):
        _read(folder)


# --- vocabularies ---------------------------------------------------------------------


def test_the_vocabulary_is_written_as_xlmr_s_and_means_the_same_ids(
    encoder_source, small_vocabulary, tmp_path, convert_to
):
    import sentencepiece

    source = dataclasses.replace(
        encoder_source, config=encoder_source.config.with_heads(())
    )
    before = encoder_vocabulary.load(small_vocabulary)
    ours.write(
        source,
        epath.Path(tmp_path / "ours"),
        vocabulary={"vocabulary_size": before.size, "vocabulary_sha256": before.sha256},
    )
    folder = convert_to(
        tmp_path / "ours",
        tmp_path / "hf",
        "huggingface",
        vocabulary=str(small_vocabulary),
    )
    path = folder / huggingface_encoder.VOCABULARY
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert [pieces.id_to_piece(i) for i in range(3)] == ["<unk>", "<s>", "</s>"]
    assert (pieces.unk_id(), pieces.bos_id(), pieces.eos_id()) == (0, 1, 2)
    after = encoder_vocabulary.load(path)
    assert after.size == before.size
    for text in ("abc def ja", "", "unknown ☃", "bad  cab"):
        assert after.encode(text) == before.encode(text)
        # Fairseq's shift, as Hugging Face's tokenizer applies it to this file.
        shifted = [piece + 1 if piece else 3 for piece in pieces.encode(text)]
        assert shifted == before.encode(text)
    own = convert_to(folder, tmp_path / "own", "xtl")
    assert ours.describe(epath.Path(own)).vocabulary_size == before.size
    convert_to(own, tmp_path / "back", "huggingface")
    assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def test_another_vocabulary_than_the_run_s_is_refused(
    encoder_source, small_vocabulary, tmp_path
):
    ours.write(
        encoder_source,
        epath.Path(tmp_path / "ours"),
        vocabulary={"vocabulary_size": 102, "vocabulary_sha256": "0" * 64},
    )
    with pytest.raises(UserError, match=r"not the one that .* was trained with"):
        convert.plan(
            str(tmp_path / "ours"),
            str(tmp_path / "x"),
            to="xtl",
            vocabulary=str(small_vocabulary),
        )


def test_a_bert_under_this_vocabulary_pads_as_it_does(
    shared, small_vocabulary, tmp_path, convert_to
):
    folder = convert_to(
        shared / "conformance/hf/bert_tiny",
        tmp_path / "hf",
        "huggingface",
        vocabulary=str(small_vocabulary),
    )
    assert json.loads((folder / "config.json").read_text())["pad_token_id"] == 1
