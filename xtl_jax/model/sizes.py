"""What shape a model has.

`ModelConfig` holds plain values; `gin/models/*.gin` give it the published sizes. One
word for each number, the same as the axis names of the arrays: `vocab` rows of the
embedding (250,112 for mT5: 250,100 pieces and padding), `embed` the width of the
residual stream, `heads` times `head_dim` the width of attention, `mlp` the width of the
feed-forward layer.

Example:
    >>> tiny = ModelConfig(vocab=384, embed=64, heads=4, head_dim=16, mlp=128,
    ...                    encoder_layers=2, decoder_layers=2)
    >>> tiny.parameters
    246784
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from xtl_jax.errors import UserError

Dtype = Literal["float32", "bfloat16"]
Remat = Literal["none", "minimal", "full"]
_FROM_ZERO = ("vocab", "attention_queries")  # 0 has a meaning of its own


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Shape and numerics of an mT5-like encoder-decoder.

    Attributes:
        vocab: rows of the embedding and columns of the head, padding rows included; 0
            takes the rows of the vocabulary in use (`with_vocabulary`).
        embed: width of the residual stream.
        heads: attention heads, in all three kinds of attention.
        head_dim: width of one head; `heads * head_dim` need not equal `embed`.
        mlp: width of the gated feed-forward layer.
        encoder_layers: layers of the encoder.
        decoder_layers: layers of the decoder.
        dropout_rate: share of activations dropped while training.
        buckets: buckets of the relative position bias.
        max_distance: distance in tokens from which on all share the last bucket.
        norm_epsilon: added to the mean square in RMS norm.
        dtype: dtype of matrix products; parameters, softmax, norms and the loss stay
            float32.
        remat: what the backward pass recomputes: "none" keeps every activation,
            "minimal" keeps matrix products with parameters, "full" keeps only the
            residual stream between layers.
        loss_chunks: pieces of the target length whose logits exist at one time. It
            divides the target length.
        attention_queries: query positions whose attention weights exist at one time, at
            most; the backward pass computes them again. 0: all, and nothing is computed
            again. Where attention is a TPU kernel (`model/flash.py`) it says nothing.
    """

    vocab: int
    embed: int
    heads: int
    head_dim: int
    mlp: int
    encoder_layers: int
    decoder_layers: int
    dropout_rate: float = 0.1
    buckets: int = 32
    max_distance: int = 128
    norm_epsilon: float = 1e-6
    dtype: Dtype = "float32"
    remat: Remat = "none"
    loss_chunks: int = 1
    attention_queries: int = 0

    def __post_init__(self) -> None:
        check_numerics(
            self,
            whole=(
                *("vocab", "embed", "heads", "head_dim", "mlp", "encoder_layers"),
                *("decoder_layers", "buckets", "max_distance", "loss_chunks"),
                "attention_queries",
            ),
            rates=("dropout_rate",),
        )

    def with_vocabulary(self, size: int) -> ModelConfig:
        """This config with rows for a vocabulary of `size` ids.

        Raises:
            UserError: the model has fewer rows than the vocabulary has ids.
        """
        rows = vocabulary_rows(self, size)
        return self if rows == self.vocab else dataclasses.replace(self, vocab=rows)

    @property
    def joined_kv(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_dim

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        attention = 4 * self.embed * self.joined_kv
        mlp = 3 * self.embed * self.mlp
        encoder = self.encoder_layers * (attention + mlp + 2 * self.embed)
        decoder = self.decoder_layers * (2 * attention + mlp + 3 * self.embed)
        bias = 2 * self.heads * self.buckets
        return 2 * self.vocab * self.embed + encoder + decoder + bias + 2 * self.embed

    def train_flops(self, *, inputs: int, targets: int, frozen: bool = False) -> float:
        """Useful FLOPs of one training step for one example: 6 per weight and token.

        Embedding look-ups cost none; attention adds its two length-by-length products;
        nothing recomputed is counted. `inputs` and `targets` are lengths in tokens. A
        `frozen` weight costs 4, as it needs no gradient of its own (LoRA; what its
        factors cost besides is left out).
        """
        attention = 4 * self.embed * self.joined_kv
        mlp = 3 * self.embed * self.mlp
        weights_on_inputs = self.encoder_layers * (attention + mlp)
        # Keys and values of cross attention are computed once per input token.
        weights_on_inputs += self.decoder_layers * attention // 2
        weights_on_targets = self.decoder_layers * (attention + attention // 2 + mlp)
        weights_on_targets += self.embed * self.vocab
        scores = self.encoder_layers * inputs * inputs
        scores += self.decoder_layers * (targets * targets + targets * inputs)
        weights = weights_on_inputs * inputs + weights_on_targets * targets
        return (4.0 if frozen else 6.0) * weights + 12.0 * scores * self.joined_kv


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lora:
    """What LoRA trains of a model (`model/lora.py`).

    Attributes:
        rank: columns of A and rows of B.
        alpha: the difference is scaled by alpha / rank.
        targets: parts of paths; a matrix whose path has one of them gets factors.
    """

    rank: int
    alpha: float
    targets: tuple[str, ...]

    @property
    def scale(self) -> float:
        """Factor of A B."""
        return self.alpha / self.rank


def check_numerics(
    config: Any, *, whole: tuple[str, ...], rates: tuple[str, ...]
) -> None:
    """Refuse what no model can have; `dtype` and `remat` are checked too.

    Args:
        config: a dataclass of a model.
        whole: its whole numbers: at least 1, or 0 where that means something.
        rates: its shares, at least 0 and less than 1.

    Raises:
        UserError: names the field and what is allowed.
    """
    owner = type(config).__name__
    for field in whole:
        value, least = getattr(config, field), 0 if field in _FROM_ZERO else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(
                f"{owner}.{field} must be a whole number of at least {least}, "
                f"got {value!r}"
            )
    for field in rates:
        value = getattr(config, field)
        if not isinstance(value, (int, float)) or not 0.0 <= value < 1.0:
            raise UserError(f"{owner}.{field} must be in [0, 1), got {value!r}")
    for field, allowed in (("dtype", get_args(Dtype)), ("remat", get_args(Remat))):
        if getattr(config, field) not in allowed:
            raise UserError(
                f"{owner}.{field} must be one of {allowed}, "
                f"got {getattr(config, field)!r}"
            )


def vocabulary_rows(config: Any, size: int) -> int:
    """Rows of a model for a vocabulary of `size` ids: its own, or a multiple of 128.

    Raises:
        UserError: the model has fewer rows than the vocabulary has ids.
    """
    if config.vocab == 0:
        return -(-size // 128) * 128
    if config.vocab < size:
        raise UserError(
            f"the vocabulary has {size} ids but the model only {config.vocab} rows "
            f"({type(config).__name__}.vocab): use the vocabulary that the checkpoint "
            "was trained with, or a model with more rows"
        )
    return config.vocab
