"""XLM-R and BERT as Hugging Face's model folders hold them.

One folder has one head, or none, and its `config.json` says which: the name of a class,
such as `XLMRobertaForTokenClassification`. Tensors of the encoder begin with `roberta.`
or `bert.`, in a folder without a head with neither; some bare encoders were saved with
it all the same. Kernels lie transposed, [out, in].

The dense layer over the first token, which each of our heads has for itself, is the
encoder's *pooler* there for a choice, and for a classification of BERT. So a pooler
that is read stands in the encoder and in the head, and the head's is written.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
from etils import epath

from xtl_jax.checkpoint import names
from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import Architecture, EncoderConfig, Head, HeadKind

VOCABULARY = "sentencepiece.bpe.model"
MODEL_TYPES = get_args(Architecture)
_FAMILIES = {"xlm-roberta": "XLMRoberta", "bert": "Bert"}
_PREFIXES = {"xlm-roberta": "roberta.", "bert": "bert."}
_CLASSES: dict[str, HeadKind | None] = {
    "Model": None,
    "ForMaskedLM": "masked_lm",
    "ForPreTraining": "masked_lm",  # BERT's; it has a second head, which is not read
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tagging",
    "ForQuestionAnswering": "span",
    "ForMultipleChoice": "choice",
}
# Our key in config.json: the name of the head, which their format has no place for.
_HEAD_NAME = "xtl_head"

_EMBEDDINGS = {
    "word": "word_embeddings.weight",
    "position": "position_embeddings.weight",
    "segment": "token_type_embeddings.weight",
}
_LAYER = {
    "attention/query": "attention.self.query",
    "attention/key": "attention.self.key",
    "attention/value": "attention.self.value",
    "attention/out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "mlp/wi": "intermediate.dense",
    "mlp/wo": "output.dense",
    "mlp_norm": "output.LayerNorm",
}
_HEADS: dict[str, dict[HeadKind, dict[str, str]]] = {
    "xlm-roberta": {
        "classification": {"dense": "classifier.dense", "out": "classifier.out_proj"},
        "choice": {"dense": "roberta.pooler.dense", "out": "classifier"},
        "span": {"out": "qa_outputs"},
        "tagging": {"out": "classifier"},
        "masked_lm": {"dense": "lm_head.dense", "norm": "lm_head.layer_norm"},
    },
    "bert": {
        "classification": {"dense": "bert.pooler.dense", "out": "classifier"},
        "choice": {"dense": "bert.pooler.dense", "out": "classifier"},
        "span": {"out": "qa_outputs"},
        "tagging": {"out": "classifier"},
        "masked_lm": {
            "dense": "cls.predictions.transform.dense",
            "norm": "cls.predictions.transform.LayerNorm",
        },
    },
}
_MASKED_LM_BIAS = {"xlm-roberta": "lm_head.bias", "bert": "cls.predictions.bias"}
_LEAF = {"kernel": "weight", "scale": "weight", "bias": "bias"}

# What a folder may hold beyond its class: buffers that older versions saved; copies of
# the tied embedding and its bias; the heads of pre-training under another class.
_HARMLESS = {
    *(f"{prefix}embeddings.{buffer}" for prefix in ("", "roberta.", "bert.")
      for buffer in ("position_ids", "token_type_ids")),
    *(f"{head}.decoder.{leaf}" for head in ("lm_head", "cls.predictions")
      for leaf in ("weight", "bias")),
    *("lm_head.bias", "lm_head.dense.weight", "lm_head.dense.bias"),
    *("lm_head.layer_norm.weight", "lm_head.layer_norm.bias"),
    *("cls.predictions.bias", "cls.predictions.transform.dense.weight"),
    *("cls.predictions.transform.dense.bias",),
    *("cls.predictions.transform.LayerNorm.weight",),
    *("cls.predictions.transform.LayerNorm.bias",),
    *("cls.seq_relationship.weight", "cls.seq_relationship.bias"),
}  # fmt: skip


def source(
    folder: epath.Path,
    values: Mapping[str, Any],
    tensors: Mapping[str, Callable[[], np.ndarray]],
) -> names.Source:
    """An encoder, with the head that its class has.

    Args:
        folder: for errors, and for the vocabulary that may lie in it.
        values: of `config.json`.
        tensors: names to what reads each.

    Raises:
        UserError: a setting that is not supported; arrays missing or unknown.
    """
    path = folder / "config.json"
    config = _config(path, values)
    tensors = {_modern(name): read for name, read in tensors.items()}
    prefix = _PREFIXES[config.architecture]
    if not any(name.startswith(prefix) for name in tensors):
        prefix = ""
    config = dataclasses.replace(
        config, pooler=f"{prefix}pooler.dense.weight" in tensors
    )
    if (folder / VOCABULARY).is_file() and config.architecture == "bert":
        # XLM-R's vocabulary under BERT, as multilingual-e5 has it: padding is id 1,
        # whatever config.json says, and BERT's positions do not depend on it.
        config = dataclasses.replace(config, pad_id=1)
    return names.source(
        config,
        name=str(folder),
        step=0,
        foreign=lambda path, layer: foreign(config, path, layer, prefix=prefix),
        read=lambda name: names.as_float32(tensors[name](), name=f"{folder}: {name}"),
        known=set(tensors),
        transpose=lambda path: path.endswith("kernel"),
        ignored=_HARMLESS.__contains__,
    )


def foreign(
    config: EncoderConfig, path: str, layer: int | None, *, prefix: str | None = None
) -> str:
    """Hugging Face's name of one of our arrays.

    Args:
        config: decides what heads are called.
        path: ours.
        layer: of a stacked array.
        prefix: of the encoder's tensors; None: as the class of the head has it.
    """
    if prefix is None:
        prefix = _PREFIXES[config.architecture] if config.task_heads else ""
    part, _, leaf = path.rpartition("/")
    if part.startswith("heads/"):
        _, name, *rest = part.split("/")
        if not rest:
            return _MASKED_LM_BIAS[config.architecture]
        theirs = _HEADS[config.architecture][config.head(name).kind]
        return f"{theirs[rest[0]]}.{_LEAF[leaf]}"
    if part == "encoder/embeddings":
        return f"{prefix}embeddings.{_EMBEDDINGS[leaf]}"
    if part == "encoder/embeddings/norm":
        return f"{prefix}embeddings.LayerNorm.{_LEAF[leaf]}"
    if part == "encoder/pooler":
        return f"{prefix}pooler.dense.{_LEAF[leaf]}"
    theirs = _LAYER[part.removeprefix("encoder/layers/")]
    return f"{prefix}encoder.layer.{layer}.{theirs}.{_LEAF[leaf]}"


def writable(source: names.Source) -> names.Source:
    """The arrays that a folder of this class has.

    Raises:
        UserError: several heads.
    """
    config = source.config
    assert isinstance(config, EncoderConfig)
    if len(config.task_heads) > 1:
        raise UserError(
            f"{source.name} has the heads "
            f"{', '.join(head.name for head in config.task_heads)}, and a folder of "
            "Hugging Face holds one: name it with --head, or --head none for the "
            "encoder alone"
        )
    for head in config.task_heads:
        if head.layers != "last":
            raise UserError(
                f"{source.name}: the head {head.name!r} reads all layers "
                f"({head.layers}), and no class of Hugging Face's does: write the "
                "encoder alone (--head none), or keep this project's own format"
            )
    # The classes with a head have no pooler, or the head's dense layer in its place.
    pooler = config.pooler and not config.task_heads
    return dataclasses.replace(
        source, config=dataclasses.replace(config, pooler=pooler)
    )


def documents(
    config: EncoderConfig, *, tokenizer: bool
) -> dict[str, Mapping[str, Any]]:
    """The JSON files of a folder, by name.

    Args:
        config: with one head or none.
        tokenizer: whether a vocabulary lies beside them.
    """
    head = config.task_heads[0] if config.task_heads else None
    kind = head.kind if head else None
    (suffix,) = (s for s, k in _CLASSES.items() if k == kind and s != "ForPreTraining")
    values: dict[str, Any] = {
        "architectures": [_FAMILIES[config.architecture] + suffix],
        "model_type": config.architecture,
        "vocab_size": config.vocab,
        "hidden_size": config.embed,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.mlp,
        "hidden_act": "gelu",
        "max_position_embeddings": config.positions,
        "position_embedding_type": "absolute",
        "type_vocab_size": config.segment_types,
        "layer_norm_eps": config.norm_epsilon,
        "hidden_dropout_prob": config.dropout_rate,
        "attention_probs_dropout_prob": config.dropout_rate,
        "classifier_dropout": config.head_dropout_rate,
        "initializer_range": 0.02,
        "pad_token_id": config.pad_id,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }
    if config.architecture == "xlm-roberta":
        values |= {"bos_token_id": 0, "eos_token_id": 2}
    if head is not None:
        values[_HEAD_NAME] = head.name
        if head.labels:
            values["id2label"] = {str(i): name for i, name in enumerate(head.labels)}
            values["label2id"] = {name: i for i, name in enumerate(head.labels)}
    found: dict[str, Mapping[str, Any]] = {"config.json": values}
    if tokenizer:
        found["tokenizer_config.json"] = {
            "tokenizer_class": "XLMRobertaTokenizer",
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
            "model_max_length": config.longest,
        }
    return found


def _modern(name: str) -> str:
    """Checkpoints of BERT's first years call scale and bias of a norm otherwise."""
    name = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name)
    return re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name)


def _config(path: epath.Path, values: Mapping[str, Any]) -> EncoderConfig:
    architecture = values["model_type"]
    for field, supported in (
        ("hidden_act", "gelu"),
        ("position_embedding_type", "absolute"),
        ("is_decoder", False),
        ("tie_word_embeddings", True),
    ):
        if values.get(field, supported) != supported:
            raise UserError(
                f"{path}: {field} is {values[field]!r}; only {supported!r} can be read"
            )
    try:
        return EncoderConfig(
            architecture=architecture,
            vocab=values["vocab_size"],
            embed=values["hidden_size"],
            heads=values["num_attention_heads"],
            mlp=values["intermediate_size"],
            layers=values["num_hidden_layers"],
            positions=values["max_position_embeddings"],
            segment_types=values["type_vocab_size"],
            pad_id=values["pad_token_id"],
            norm_epsilon=values["layer_norm_eps"],
            dropout_rate=values.get("hidden_dropout_prob", 0.1),
            head_dropout_rate=values.get("classifier_dropout"),
            task_heads=_heads(path, values),
        )
    except KeyError as error:
        raise UserError(f"{path} has no field {error}") from error


def _heads(path: epath.Path, values: Mapping[str, Any]) -> tuple[Head, ...]:
    """The head of the class that `architectures` names; none without that field."""
    family = _FAMILIES[values["model_type"]]
    name, *_ = values.get("architectures") or [f"{family}Model"]
    known: dict[str, HeadKind | None] = {
        family + suffix: kind for suffix, kind in _CLASSES.items()
    }
    if name not in known:
        raise UserError(
            f"{path}: architectures is {name!r}; of a {values['model_type']} these can "
            f"be read: {', '.join(known)}"
        )
    if (kind := known[name]) is None:
        return ()
    called = values.get(_HEAD_NAME, kind)
    return (Head(name=called, kind=kind, labels=_labels(path, values, kind)),)


def _labels(
    path: epath.Path, values: Mapping[str, Any], kind: HeadKind
) -> tuple[str, ...]:
    if kind not in ("classification", "tagging"):
        return ()
    # Two nameless ones are what transformers assumes, too.
    found = values.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    if not isinstance(found, Mapping) or set(found) != set(map(str, range(len(found)))):
        raise UserError(
            f"{path}: id2label must name the outputs '0', '1', …, got {found!r:.80}"
        )
    return tuple(str(found[str(i)]) for i in range(len(found)))
