"""What shape an encoder has, and which heads stand on it.

`EncoderConfig` says of XLM-R and BERT what `ModelConfig` says of mT5. The two differ in
few things: XLM-R counts positions over real tokens, from `pad_id + 1` on, and its
classification head drops its input; BERT counts all tokens from 0 and has two segment
types. A head is named after the task that trains it, and several may stand on one
encoder:

    >>> head = Head(name="xnli", kind="classification", labels=("yes", "maybe", "no"))
    >>> tiny = EncoderConfig(architecture="xlm-roberta", vocab=1000, embed=64, heads=4,
    ...                      mlp=128, layers=3, positions=514, task_heads=(head,))
    >>> tiny.longest, tiny.head("xnli").outputs
    (512, 3)
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal, get_args

from xtl_jax.errors import UserError, near
from xtl_jax.model.sizes import Dtype, Remat, check_numerics, vocabulary_rows

HeadKind = Literal["classification", "choice", "span", "tagging", "masked_lm"]
HeadLayers = Literal["last", "mixture", "attention"]
Architecture = Literal["xlm-roberta", "bert"]

# A head's name is part of array names, which are joined by dots and slashes.
_NAME = re.compile(r"[\w+-]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """What turns an encoder's states into answers to one task.

    Attributes:
        name: of the family that trains it, or the kind where no task is known.
        kind: "classification" of a text or a pair, "choice" of one of several texts,
            "span" of the answer in a text, "tagging" of each token, "masked_lm".
        labels: of classification and tagging: what each output means.
        layers: what it reads: the "last" layer's states, or all layers' in a learned
            "mixture" or by "attention" over them (`heads.OverLayers`).
    """

    name: str
    kind: HeadKind
    labels: tuple[str, ...] = ()
    layers: HeadLayers = "last"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UserError(
                f"Head.name must be letters, digits, '_', '+' and '-', got "
                f"{self.name!r}"
            )
        if self.kind not in get_args(HeadKind):
            raise UserError(
                f"Head.kind must be one of {get_args(HeadKind)}, got {self.kind!r}"
            )
        if self.layers not in get_args(HeadLayers):
            raise UserError(
                f"Head.layers must be one of {get_args(HeadLayers)}, got "
                f"{self.layers!r}"
            )
        labelled = self.kind in ("classification", "tagging")
        if labelled != bool(self.labels):
            raise UserError(
                f"head {self.name!r} of kind {self.kind!r} "
                + ("needs labels" if labelled else f"has no labels, got {self.labels}")
            )
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"head {self.name!r} has a label twice: {self.labels}")

    @property
    def outputs(self) -> int:
        """Columns of the head; 0 for a masked LM, whose are the vocabulary's rows."""
        return {"choice": 1, "span": 2, "masked_lm": 0}.get(self.kind, len(self.labels))


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Shape and numerics of an encoder, with the heads that stand on it.

    Attributes:
        architecture: decides how positions are counted and how heads are built.
        vocab: rows of the embedding; 0 takes the rows of the vocabulary in use.
        embed: width of the residual stream; the attention heads share it out.
        heads: attention heads.
        mlp: width of the feed-forward layer.
        layers: number of layers.
        positions: rows of the position table: 514 (XLM-R), 512 (BERT).
        segment_types: rows of the segment table.
        pad_id: padding. In XLM-R it also decides where positions begin.
        pooler: whether the checkpoint has a dense layer over the first token, from
            which the heads that have such a layer start.
        norm_epsilon: added to the variance in layer norm.
        dropout_rate: of embeddings, attention probabilities and what a sublayer adds.
        head_dropout_rate: of what a head takes in; None: as `dropout_rate`.
        dtype: of matrix products, as in `ModelConfig`.
        remat: what the backward pass recomputes, as in `ModelConfig`.
        unroll: layers that are written out one after another in training. With all of
            them nothing is stacked for the backward pass: a step on a CPU takes about a
            tenth less, its compilation half as much again.
        task_heads: the heads; dicts of their fields are taken too.
    """

    architecture: Architecture
    vocab: int
    embed: int
    heads: int
    mlp: int
    layers: int
    positions: int
    segment_types: int = 1
    pad_id: int = 1
    pooler: bool = False
    norm_epsilon: float = 1e-5
    dropout_rate: float = 0.1
    head_dropout_rate: float | None = None
    dtype: Dtype = "float32"
    remat: Remat = "none"
    unroll: int = 1
    task_heads: tuple[Head, ...] = ()

    def __post_init__(self) -> None:
        heads = tuple(
            Head(**head) if isinstance(head, Mapping) else head
            for head in self.task_heads
        )
        object.__setattr__(self, "task_heads", heads)
        if self.architecture not in get_args(Architecture):
            raise UserError(
                f"EncoderConfig.architecture must be one of {get_args(Architecture)}, "
                f"got {self.architecture!r}"
            )
        rates = ("dropout_rate",)
        if self.head_dropout_rate is not None:
            rates = (*rates, "head_dropout_rate")
        check_numerics(
            self,
            whole=(
                *("vocab", "embed", "heads", "mlp", "layers", "positions"),
                *("segment_types", "unroll"),
            ),
            rates=rates,
        )
        if not isinstance(self.pad_id, int) or self.pad_id < 0:
            raise UserError(
                f"EncoderConfig.pad_id must be a whole number of at least 0, got "
                f"{self.pad_id!r}"
            )
        if self.embed % self.heads:
            raise UserError(
                f"EncoderConfig.heads={self.heads} does not divide embed={self.embed}"
            )
        if self.longest < 1:
            raise UserError(
                f"EncoderConfig.positions={self.positions} leaves no row for a token: "
                f"the first has position {self.pad_id + 1}"
            )
        names = [head.name for head in heads]
        if len(set(names)) < len(names):
            raise UserError(f"EncoderConfig.task_heads has a name twice: {names}")

    def with_vocabulary(self, size: int) -> EncoderConfig:
        """This config with rows for a vocabulary of `size` ids.

        Raises:
            UserError: the model has fewer rows than the vocabulary has ids.
        """
        rows = vocabulary_rows(self, size)
        return self if rows == self.vocab else dataclasses.replace(self, vocab=rows)

    def with_heads(self, heads: tuple[Head, ...]) -> EncoderConfig:
        """The same encoder under these heads instead."""
        return dataclasses.replace(self, task_heads=heads)

    def head(self, name: str | None = None) -> Head:
        """The head of this name; without one, the only head.

        Raises:
            UserError: no such head, or none given among several; names them all.
        """
        names = [head.name for head in self.task_heads]
        if name is None and len(names) == 1:
            return self.task_heads[0]
        for head in self.task_heads:
            if head.name == name:
                return head
        if not names:
            raise UserError("the encoder has no head: fine-tune it on a task first")
        if name is None:
            raise UserError(f"the encoder has the heads {', '.join(names)}: name one")
        raise UserError(
            f"the encoder has no head {name!r}; near: {near(name, names)}; it has: "
            f"{', '.join(names)}"
        )

    @property
    def joined_kv(self) -> int:
        """Width of all attention heads together."""
        return self.embed

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.embed // self.heads

    @property
    def first_position(self) -> int:
        """Position of the first token."""
        return self.pad_id + 1 if self.architecture == "xlm-roberta" else 0

    @property
    def longest(self) -> int:
        """Tokens that an input may have."""
        return self.positions - self.first_position

    @property
    def parameters(self) -> int:
        """Number of parameters, those of all heads included."""
        embed, mlp = self.embed, self.mlp
        dense, norm = embed * embed + embed, 2 * embed
        tables = (self.vocab + self.positions + self.segment_types) * embed
        layer = 4 * dense + 2 * norm + 2 * embed * mlp + mlp + embed
        found = tables + norm + self.layers * layer + (dense if self.pooler else 0)
        for head in self.task_heads:
            found += {"mixture": self.layers, "attention": 2 * dense}.get(
                head.layers, 0
            )
            if head.kind == "masked_lm":
                found += dense + norm + self.vocab
                continue
            found += dense if has_dense(head) else 0
            found += (embed + 1) * head.outputs
        return found

    def train_flops(self, *, length: int, head: str | None = None) -> float:
        """Useful FLOPs of one training step for one sequence: 6 per weight and token.

        As in `ModelConfig.train_flops`, look-ups cost none and nothing recomputed is
        counted. A masked LM has logits at the 15 % of tokens that are hidden.

        Args:
            length: tokens of the sequence; a choice is one sequence per option.
            head: which head works on it; None: none does.
        """
        embed = self.embed
        weights = self.layers * (4 * embed * embed + 2 * embed * self.mlp) * length
        scores = 2 * self.layers * length * length * embed
        answers = 0.0
        if head is not None:
            chosen = self.head(head)
            if chosen.kind == "masked_lm":
                answers = 0.15 * length * (embed * embed + embed * self.vocab)
            elif has_dense(chosen):
                answers = embed * embed + embed * chosen.outputs
            else:
                answers = length * embed * chosen.outputs
            read = 1 if has_dense(chosen) else length
            if chosen.layers == "attention":  # a query, and a key of each layer
                answers += read * (self.layers + 1) * embed * embed
        return 6.0 * (weights + scores + answers)


def has_dense(head: Head) -> bool:
    """Whether a head reads the first token, through a dense layer of its own."""
    return head.kind in ("classification", "choice")
