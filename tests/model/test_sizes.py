"""Published sizes: names, shapes and numbers of parameters of the five mT5 models."""

from __future__ import annotations

import ast
import csv
import json
import pathlib

import pytest

from xtl_jax.checkpoint import huggingface, names, t5x
from xtl_jax.cli import config as cli_config
from xtl_jax.errors import UserError
from xtl_jax.model.sizes import ModelConfig

GIN = pathlib.Path(__file__).resolve().parents[2] / "gin/models"
SIZES = ("small", "base", "large", "xl", "xxl")


def _model(name):
    path = GIN / f"{name}.gin"
    bindings = cli_config.parse(path.read_text(), source=path.name)
    return ModelConfig(
        **{b.field: b.value for b in bindings if b.owner == "ModelConfig"}
    )


def _layers(entry):
    return range(entry.layers) if entry.layers else (None,)


@pytest.mark.parametrize("size", SIZES)
def test_arrays_are_those_that_t5x_stores(shared, size):
    path = shared / f"conformance/t5x/trees/mt5_{size}.tsv"
    with path.open() as file:
        theirs = {
            row["key"].removeprefix("target/"): ast.literal_eval(row["shape"])
            for row in csv.DictReader(file, delimiter="\t")
            if row["key"].startswith("target/")
        }
    ours = {
        t5x.foreign(entry.path, layer): entry.shape
        for entry in names.entries(_model(f"mt5_{size}"))
        for layer in _layers(entry)
    }
    assert ours == theirs


@pytest.mark.parametrize("size", SIZES)
def test_arrays_and_their_number_are_those_of_hugging_face(shared, size):
    document = json.loads(
        (shared / f"conformance/hf/shapes/mt5-{size}.json").read_text()
    )
    theirs = document["architectures"]["MT5ForConditionalGeneration"]
    config = _model(f"mt5_{size}")
    ours = {}
    for entry in names.entries(config):
        turned = huggingface._transposed(entry.path)
        for layer in _layers(entry):
            name = huggingface.foreign(entry.path, layer)
            ours[name] = list(entry.shape[::-1] if turned else entry.shape)
    assert ours == theirs["parameters"]
    assert config.parameters == theirs["total_parameters"]


def test_rows_for_a_vocabulary_are_rounded_up_or_refused():
    tiny = _model("tiny")
    assert tiny.vocab == 0
    assert tiny.with_vocabulary(384).vocab == 384
    assert tiny.with_vocabulary(385).vocab == 512
    small = _model("mt5_small")
    assert small.with_vocabulary(250_100) is small
    with pytest.raises(UserError, match=r"250113 ids but the model only 250112 rows"):
        small.with_vocabulary(250_113)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("heads", 0, r"ModelConfig\.heads must be a whole number of at least 1, got 0"),
        ("embed", 1.5, r"ModelConfig\.embed must be a whole number"),
        ("mlp", True, r"ModelConfig\.mlp must be a whole number"),
        ("dropout_rate", 1.0, r"dropout_rate must be in \[0, 1\), got 1\.0"),
        ("dtype", "float16", r"dtype must be one of .*bfloat16.*, got 'float16'"),
        ("remat", "some", r"remat must be one of .*minimal.*, got 'some'"),
    ],
)
def test_a_size_that_cannot_be_names_the_field_and_what_is_allowed(
    toy, field, value, message
):
    fields = {**{f: getattr(toy, f) for f in toy.__dataclass_fields__}, field: value}
    with pytest.raises(UserError, match=message):
        ModelConfig(**fields)


def test_training_costs_six_flops_per_weight_and_token():
    config = ModelConfig(
        vocab=10,
        embed=2,
        heads=1,
        head_dim=3,
        mlp=5,
        encoder_layers=1,
        decoder_layers=1,
    )
    # Encoder: 4 matrices 2x3 and 3 of 2x5 = 54 weights, and keys and values of cross
    # attention 12. Decoder: 24 + 12 (cross query and out) + 30, and the head 20 = 86.
    # Attention products: 7 * 7 in the encoder, 4 * 4 and 4 * 7 in the decoder, twice
    # (scores, mixing), 3 wide.
    flops = 6 * ((54 + 12) * 7 + 86 * 4 + 2 * (49 + 16 + 28) * 3)
    assert config.train_flops(inputs=7, targets=4) == flops
