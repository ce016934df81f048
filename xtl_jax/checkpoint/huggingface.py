"""Model folders as Hugging Face transformers writes them, read and written.

`config.json` beside `model.safetensors`, several shards of it with an index, or
`pytorch_model.bin`. What is said here of names is true of mT5; encoders are in
`huggingface_encoder.py`. Kernels lie transposed ([out, in]), the relative biases of a
stack in its first block, and `wi_0` is the branch that goes through gelu.

A model without `lm_head.weight` shares its embedding and scales the head's input by
1/sqrt(embed); here the head gets that product as a kernel of its own.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from etils import epath

from xtl_jax.checkpoint import huggingface_encoder, names, pytorch, safetensors
from xtl_jax.checkpoint.zarr import Done, nothing
from xtl_jax.data import xlmr_layout
from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import EncoderConfig
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
_EMBEDDING, _HEAD = "shared.weight", "lm_head.weight"
VOCABULARY = "spiece.model"
_GENERATION = "generation_config.json"

Read = Callable[[], np.ndarray]


def is_checkpoint(folder: epath.Path) -> bool:
    """Whether `folder` is a model folder of Hugging Face."""
    return (folder / "config.json").is_file()


def source(folder: epath.Path) -> names.Source:
    """A Hugging Face mT5, XLM-R or BERT.

    Raises:
        UserError: arrays are missing, unknown or damaged; each is named.
    """
    values = _json(folder / "config.json")
    if values.get("model_type") in huggingface_encoder.MODEL_TYPES:
        return huggingface_encoder.source(folder, values, _tensors(folder))
    config = _config(folder / "config.json", values)
    tensors = _tensors(folder)
    tied = _HEAD not in tensors and values.get("tie_word_embeddings", True)
    if tied and _EMBEDDING in tensors:
        embedding = tensors[_EMBEDDING]
        tensors = {
            **tensors,
            _HEAD: lambda: np.float32(config.embed**-0.5) * embedding(),
        }
    return names.source(
        config,
        name=str(folder),
        step=0,
        foreign=foreign,
        read=lambda name: tensors[name](),
        known=set(tensors),
        transpose=_transposed,
        ignored=lambda name: name in _COPIES,
    )


def vocabulary_size(folder: epath.Path, *, rows: int) -> int:
    """Ids that may be generated: all `rows`, or those before the ones never to be."""
    path = folder / _GENERATION
    if not path.is_file():
        return rows
    never = _json(path).get("suppress_tokens")
    size = rows - len(never) if isinstance(never, list) else rows
    return size if size > 0 and never == list(range(size, rows)) else rows


def foreign(path: str, layer: int | None) -> str:
    """Hugging Face's name of one of our arrays.

    Example:
        >>> foreign("encoder/layers/mlp/wo/kernel", 3)
        'encoder.block.3.layer.1.DenseReluDense.wo.weight'
    """
    if path == "token_embedder/embedding":
        return _EMBEDDING
    if path == "logits_dense/kernel":
        return _HEAD
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


def write(
    source: names.Source,
    folder: epath.Path,
    *,
    vocabulary: bytes | None = None,
    vocabulary_size: int | None = None,
    done: Done = nothing,
) -> None:
    """Write a folder that transformers loads.

    Args:
        source: what to write; an encoder has at most one head.
        folder: made where it is missing; whole shards in it are kept (a conversion that
            was stopped goes on).
        vocabulary: the SentencePiece model in mT5's layout, written as `spiece.model`;
            beside an encoder in XLM-R's, as `sentencepiece.bpe.model`.
        vocabulary_size: of an mT5: ids that exist, if fewer than rows: the others are
            kept from being generated, as they are here.
        done: told the name and bytes of each array.

    Raises:
        UserError: an encoder with several heads.
    """
    config = source.config
    if isinstance(config, EncoderConfig):
        source = huggingface_encoder.writable(source)
        _write_arrays(
            *(source, folder),
            foreign=functools.partial(huggingface_encoder.foreign, config),
            done=done,
        )
        documents = huggingface_encoder.documents(
            config, tokenizer=vocabulary is not None
        )
        if vocabulary is not None:
            path = folder / huggingface_encoder.VOCABULARY
            path.write_bytes(xlmr_layout.written(vocabulary))
    else:
        _write_arrays(source, folder, foreign=foreign, done=done)
        documents = _documents(config, vocabulary_size, vocabulary is not None)
        if vocabulary is not None:
            (folder / VOCABULARY).write_bytes(vocabulary)
    # Last: without config.json nothing takes the folder for a checkpoint.
    for name in sorted(documents, key="config.json".__eq__):
        (folder / name).write_text(_dumps(documents[name]))


def _write_arrays(
    source: names.Source,
    folder: epath.Path,
    *,
    foreign: Callable[[str, int | None], str],
    done: Done,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = []
    for entry in names.entries(source.config):
        for layer in names.layers(entry):
            turned = _transposed(entry.path)
            tensors.append(
                safetensors.Tensor(
                    name=foreign(entry.path, layer),
                    shape=entry.shape[::-1] if turned else entry.shape,
                    read=functools.partial(_turned, source, entry, layer, turned),
                )
            )
    safetensors.write(folder, tensors, done=done)


def _turned(
    source: names.Source, entry: names.Entry, layer: int | None, turned: bool
) -> np.ndarray:
    array = source.read(entry, layer)
    return array.T if turned else array


def _documents(
    config: ModelConfig, vocabulary_size: int | None, tokenizer: bool
) -> dict[str, Mapping[str, Any]]:
    """The JSON files of an mT5's folder, by name."""
    ids = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
    generation: dict[str, Any] = dict(ids)
    rows = config.vocab
    if vocabulary_size is not None and vocabulary_size < rows:
        generation["suppress_tokens"] = list(range(vocabulary_size, rows))
        generation["renormalize_logits"] = True  # probabilities of real ids add up to 1
    found: dict[str, Mapping[str, Any]] = {
        _GENERATION: generation,
        "config.json": _config_json(config, ids),
    }
    if tokenizer:
        found["tokenizer_config.json"] = {
            "tokenizer_class": "T5Tokenizer",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "extra_ids": 0,
        }
    return found


def _config_json(config: ModelConfig, ids: Mapping[str, int]) -> dict[str, Any]:
    return {
        "architectures": ["MT5ForConditionalGeneration"],
        "model_type": "mt5",
        "vocab_size": config.vocab,
        "d_model": config.embed,
        "num_heads": config.heads,
        "d_kv": config.head_dim,
        "d_ff": config.mlp,
        "num_layers": config.encoder_layers,
        "num_decoder_layers": config.decoder_layers,
        "dropout_rate": config.dropout_rate,
        "relative_attention_num_buckets": config.buckets,
        "relative_attention_max_distance": config.max_distance,
        "layer_norm_epsilon": config.norm_epsilon,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": True,
        "tie_word_embeddings": False,
        "tokenizer_class": "T5Tokenizer",
        "dtype": "float32",
        **ids,
    }


def _dumps(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def _transposed(path: str) -> bool:
    return path.endswith(("kernel", "rel_embedding"))


def _config(path: epath.Path, values: Mapping[str, Any]) -> ModelConfig:
    if values.get("model_type") not in ("mt5", "t5"):
        raise UserError(
            f"{path}: model_type is {values.get('model_type')!r}; mt5, "
            f"{' and '.join(huggingface_encoder.MODEL_TYPES)} can be read"
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
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not JSON: {error}; copy the checkpoint again"
        ) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no fields but {values!r:.60}")
    return values


def _tensors(folder: epath.Path) -> dict[str, Read]:
    """Tensor names to what reads each."""
    for index, suffix in (
        ("model.safetensors.index.json", "safetensors"),
        ("pytorch_model.bin.index.json", "bin"),
    ):
        single = folder / index.removesuffix(".index.json")
        if (folder / index).is_file():
            return _sharded(folder, folder / index, suffix)
        if single.is_file():
            return _of_file(single)
    raise UserError(
        f"{folder} has none of model.safetensors, model.safetensors.index.json, "
        "pytorch_model.bin and pytorch_model.bin.index.json: copy the weights too"
    )


def _of_file(path: epath.Path) -> dict[str, Read]:
    return (pytorch if path.suffix == ".bin" else safetensors).tensors(path)


def _sharded(folder: epath.Path, index: epath.Path, suffix: str) -> dict[str, Read]:
    table = _json(index).get("weight_map")
    if not isinstance(table, dict):
        raise UserError(f"{index} has no weight_map: copy the checkpoint again")
    for name in table.values():
        if not re.fullmatch(rf"[\w.-]+\.{suffix}", str(name)):
            raise UserError(f"{index} names a file outside its folder: {name!r}")
    found: dict[str, Read] = {}
    for name in sorted(set(table.values())):
        found |= _of_file(folder / name)
    if lost := sorted(set(table) - set(found)):
        raise UserError(
            f"{index} names {len(lost)} tensors that its files lack ({lost[:3]}): copy "
            "the checkpoint again"
        )
    return found
