"""mT5 folders as Hugging Face transformers writes them: `config.json` + safetensors.

Kernels lie transposed ([out, in]), the relative biases of a stack in its first block,
and `wi_0` is the branch that goes through gelu.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from xtl_jax.checkpoint import names
from xtl_jax.errors import UserError
from xtl_jax.model.sizes import ModelConfig

_PARTS = {"query": "q", "key": "k", "value": "v", "out": "o"}
_BLOCKS = {
    # our name inside a layer -> theirs, by stack
    "encoder": {
        "pre_attention_layer_norm": "layer.0.layer_norm",
        "attention": "layer.0.SelfAttention",
        "pre_mlp_layer_norm": "layer.1.layer_norm",
        "mlp": "layer.1.DenseReluDense",
    },
    "decoder": {
        "pre_self_attention_layer_norm": "layer.0.layer_norm",
        "self_attention": "layer.0.SelfAttention",
        "pre_cross_attention_layer_norm": "layer.1.layer_norm",
        "encoder_decoder_attention": "layer.1.EncDecAttention",
        "pre_mlp_layer_norm": "layer.2.layer_norm",
        "mlp": "layer.2.DenseReluDense",
    },
}
# Copies of `shared.weight` that some versions write too.
_COPIES = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}


def is_checkpoint(folder: epath.Path) -> bool:
    """Whether `folder` is a model folder of Hugging Face."""
    return (folder / "config.json").is_file()


def read(folder: epath.Path) -> tuple[ModelConfig, dict[str, Any]]:
    """Shape and parameters (float32, layers stacked) of a Hugging Face mT5."""
    config = _config(folder / "config.json")
    files = _files(folder)
    params = names.assemble(
        config,
        source=str(folder),
        name=_name,
        read=lambda name: _tensor(files[name], name),
        known=set(files),
        transpose=_transposed,
        ignored=lambda name: name in _COPIES,
    )
    return config, params


def _name(path: str, layer: int | None) -> str:
    if path == "token_embedder/embedding":
        return "shared.weight"
    if path == "logits_dense/kernel":
        return "lm_head.weight"
    stack, rest = path.split("/", 1)
    if rest == "relpos_bias/rel_embedding":
        return f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    if layer is None:
        return f"{stack}.final_layer_norm.weight"
    _, block, *part = rest.split("/")
    theirs = f"{stack}.block.{layer}.{_BLOCKS[stack][block]}"
    if part[0] == "scale":
        return f"{theirs}.weight"
    return f"{theirs}.{_PARTS.get(part[0], part[0])}.weight"


def _transposed(path: str) -> bool:
    return path.endswith(("kernel", "rel_embedding"))


def _config(path: epath.Path) -> ModelConfig:
    values = _json(path)
    if values.get("model_type") not in ("mt5", "t5", "umt5"):
        raise UserError(
            f"{path}: model_type is {values.get('model_type')!r}; mt5 can be read"
        )
    activation = values.get("feed_forward_proj", "gated-gelu")
    if activation != "gated-gelu":
        raise UserError(
            f"{path}: feed_forward_proj is {activation!r}; mT5 has 'gated-gelu'"
        )
    try:
        return ModelConfig(
            vocab=values["vocab_size"],
            embed=values["d_model"],
            heads=values["num_heads"],
            head_dim=values["d_kv"],
            mlp=values["d_ff"],
            encoder_layers=values["num_layers"],
            decoder_layers=values.get("num_decoder_layers") or values["num_layers"],
            dropout_rate=values.get("dropout_rate", 0.1),
            buckets=values.get("relative_attention_num_buckets", 32),
            max_distance=values.get("relative_attention_max_distance", 128),
            norm_epsilon=values.get("layer_norm_epsilon", 1e-6),
        )
    except KeyError as error:
        raise UserError(f"{path} has no field {error}") from error


def _json(path: epath.Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no fields but {values!r:.60}")
    return values


def _files(folder: epath.Path) -> dict[str, epath.Path]:
    """Tensor names to the file each lies in."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        table = _json(index).get("weight_map")
        if not isinstance(table, dict):
            raise UserError(f"{index} has no weight_map: copy the checkpoint again")
        for name in table.values():
            if not re.fullmatch(r"[\w.-]+\.safetensors", str(name)):
                raise UserError(f"{index} names a file outside its folder: {name!r}")
        return {tensor: folder / name for tensor, name in table.items()}
    single = folder / "model.safetensors"
    if not single.is_file():
        raise UserError(
            f"{folder} has neither model.safetensors nor model.safetensors.index.json; "
            "save the model with safe_serialization=True"
        )
    with _opened(single) as file:
        return dict.fromkeys(file.keys(), single)


def _tensor(path: epath.Path, name: str) -> np.ndarray:
    with _opened(path) as file:
        return file.get_tensor(name)


@contextlib.contextmanager
def _opened(path: epath.Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is missing or damaged ({error}); copy the checkpoint again"
        ) from error
