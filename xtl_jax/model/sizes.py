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
from typing import Literal, get_args

from xtl_jax.errors import UserError

Dtype = Literal["float32", "bfloat16"]
Remat = Literal["none", "minimal", "full"]


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

    def __post_init__(self) -> None:
        for field in (
            *("vocab", "embed", "heads", "head_dim", "mlp", "encoder_layers"),
            *("decoder_layers", "buckets", "max_distance", "loss_chunks"),
        ):
            value, least = getattr(self, field), 0 if field == "vocab" else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UserError(
                    f"ModelConfig.{field} must be a whole number of at least {least}, "
                    f"got {value!r}"
                )
        if not 0.0 <= self.dropout_rate < 1.0:
            raise UserError(
                f"ModelConfig.dropout_rate must be in [0, 1), got {self.dropout_rate!r}"
            )
        for field, allowed in (("dtype", get_args(Dtype)), ("remat", get_args(Remat))):
            if getattr(self, field) not in allowed:
                raise UserError(
                    f"ModelConfig.{field} must be one of {allowed}, "
                    f"got {getattr(self, field)!r}"
                )

    def with_vocabulary(self, size: int) -> ModelConfig:
        """This config with rows for a vocabulary of `size` ids.

        Raises:
            UserError: the model has fewer rows than the vocabulary has ids.
        """
        if self.vocab == 0:
            return dataclasses.replace(self, vocab=-(-size // 128) * 128)
        if self.vocab < size:
            raise UserError(
                f"the vocabulary has {size} ids but the model only {self.vocab} rows "
                "(ModelConfig.vocab): use the vocabulary that the checkpoint was "
                "trained with, or a model with more rows"
            )
        return self

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

    def train_flops(self, *, inputs: int, targets: int) -> float:
        """Useful FLOPs of one training step for one example: 6 per weight and token.

        Embedding look-ups cost none; attention adds its two length-by-length products;
        nothing recomputed is counted. `inputs` and `targets` are lengths in tokens.
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
        return 6.0 * (
            weights_on_inputs * inputs
            + weights_on_targets * targets
            + 2 * scores * self.joined_kv
        )
