"""ByT5's vocabulary: each byte of UTF-8 is its value plus 3, sentinels come after.

`<extra_id_0>` in a text is one id, as it is in a SentencePiece model, and not its
twelve bytes: tagging numbers the tokens of a sentence so. Only the canonical spelling
is (no leading zero), so that what is decoded is what was encoded:

    >>> vocabulary = ByteVocabulary(extra_ids=2)
    >>> vocabulary.encode("a <extra_id_0>")
    [100, 35, 260]
    >>> vocabulary.decode([100, 35, 260])
    'a <extra_id_0>'

SeqIO's class of the same name spells sentinels out and drops them when it decodes;
`seqio` gives one that does as this one does.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xtl_jax.data.special_ids import EOS_ID, PAD_ID, UNK_ID, until_end

if TYPE_CHECKING:
    import seqio

BYTES = "bytes"
_SPECIAL = 3  # ids before the first byte
_LITERAL = re.compile(r"<extra_id_(0|[1-9][0-9]{0,8})>")


class ByteVocabulary:
    """UTF-8 bytes plus 3, and `extra_ids` sentinels, the highest id first."""

    pad_id = PAD_ID
    eos_id = EOS_ID
    unk_id = UNK_ID
    spec = BYTES

    def __init__(self, *, extra_ids: int) -> None:
        self.extra_ids = extra_ids
        self.size = _SPECIAL + 256 + extra_ids
        self.sentinel_ids = tuple(self.size - 1 - n for n in range(extra_ids))
        content = f"bytes, {extra_ids} sentinels"
        self.sha256 = hashlib.sha256(content.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without end of sequence."""
        ids: list[int] = []
        start = 0
        for match in _LITERAL.finditer(text):
            number = int(match[1])
            if number < self.extra_ids:
                ids += _bytes(text[start : match.start()])
                ids.append(self.sentinel_ids[number])
                start = match.end()
        return ids + _bytes(text[start:])

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts."""
        return [self.encode(text) for text in texts]

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of a text, and which bytes of its UTF-8 each stands for: first, end."""
        ids = self.encode(text)
        sizes = [
            1 if token < _SPECIAL + 256 else len(self.piece(token)) for token in ids
        ]
        ends = list(itertools.accumulate(sizes))
        return ids, list(zip([0, *ends], ends, strict=False))

    def decode(self, ids: Iterable[int]) -> str:
        """Text up to the first end of sequence; broken characters are left out."""
        data = bytearray()
        for token in until_end(ids):
            if _SPECIAL <= token < _SPECIAL + 256:
                data.append(token - _SPECIAL)
            elif _SPECIAL <= token < self.size:
                data += self.piece(token).encode()
        return data.decode("utf-8", errors="ignore")

    def piece(self, token: int) -> str:
        """How one id looks in a listing."""
        if token < _SPECIAL:
            return ("<pad>", "</s>", "<unk>")[token]
        if token < _SPECIAL + 256:
            return f"<0x{token - _SPECIAL:02X}>"
        return (
            f"<extra_id_{self.size - 1 - token}>" if token < self.size else "<unused>"
        )

    def seqio(self) -> seqio.Vocabulary:
        """The same vocabulary for SeqIO."""
        from xtl_jax.data.seqio_bytes import SeqioByteVocabulary

        return SeqioByteVocabulary(extra_ids=self.extra_ids)


def _bytes(text: str) -> list[int]:
    return [byte + _SPECIAL for byte in text.encode("utf-8")]
