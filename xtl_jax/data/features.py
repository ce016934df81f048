"""Names and lengths of what a model reads.

A task gives two token sequences, `inputs` and `targets`, each ending in EOS. A model
reads fixed rows under T5X's names:

    encoder_input_tokens    inputs, 0 where there is none (padding)
    decoder_target_tokens   targets, what the decoder shall say
    decoder_input_tokens    targets moved right by one, 0 first: what it has said so far
    decoder_loss_weights    1.0 where a target counts, 0.0 on padding

and, where several examples share a row (packing), which example each token belongs to
(1, 2, ... and 0 for padding) and its place in that example (0, 1, ...):

    encoder_segment_ids  encoder_positions  decoder_segment_ids  decoder_positions
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from xtl_jax.errors import UserError

TASK_FEATURES = ("inputs", "targets")

MODEL_FEATURES = (
    "encoder_input_tokens",
    "decoder_input_tokens",
    "decoder_target_tokens",
    "decoder_loss_weights",
)

PACKED_FEATURES = (
    *MODEL_FEATURES,
    "encoder_segment_ids",
    "encoder_positions",
    "decoder_segment_ids",
    "decoder_positions",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lengths:
    """Tokens in a row, EOS included."""

    inputs: int
    targets: int

    def __post_init__(self) -> None:
        for name, value in self.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 2:
                raise UserError(
                    f"the length of {name} is {value!r}; it must be a whole number of "
                    "tokens, at least 2 (one token and EOS)"
                )

    def items(self) -> tuple[tuple[str, int], ...]:
        """(feature, tokens) pairs.

        Example:
            >>> Lengths(inputs=8, targets=4).items()
            (('inputs', 8), ('targets', 4))
        """
        return (("inputs", self.inputs), ("targets", self.targets))

    @classmethod
    def of(cls, lengths: Mapping[str, int]) -> Lengths:
        """Lengths from T5X's `TASK_FEATURE_LENGTHS` mapping.

        Raises:
            UserError: a feature is missing or unknown.

        Example:
            >>> Lengths.of({"inputs": 512, "targets": 64})
            Lengths(inputs=512, targets=64)
        """
        if set(lengths) != set(TASK_FEATURES):
            raise UserError(
                f"lengths name the features {sorted(lengths)}; they must name exactly "
                "inputs and targets, for example inputs=512,targets=64"
            )
        return cls(inputs=lengths["inputs"], targets=lengths["targets"])

    @classmethod
    def parse(cls, text: str) -> Lengths:
        """Lengths from a flag.

        Raises:
            UserError: the text has another form.

        Example:
            >>> Lengths.parse("inputs=512,targets=64")
            Lengths(inputs=512, targets=64)
        """
        found: dict[str, int] = {}
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            if not value.strip().isdecimal():
                raise UserError(
                    f"lengths {text!r}: {part!r} is not NAME=TOKENS; write, for "
                    "example, inputs=512,targets=64"
                )
            found[name.strip()] = int(value)
        return cls.of(found)
