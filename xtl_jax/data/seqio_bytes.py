"""The byte vocabulary for SeqIO's and T5X's tools; importing this imports SeqIO."""

from __future__ import annotations

from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from xtl_jax.data.byte_vocabulary import ByteVocabulary


class SeqioByteVocabulary(seqio.ByteVocabulary):
    """SeqIO's byte vocabulary, in which `<extra_id_0>` is one id in both directions."""

    def __init__(self, extra_ids: int = 0) -> None:
        super().__init__(extra_ids=extra_ids)
        self._bytes = ByteVocabulary(extra_ids=extra_ids)

    def _encode(self, s: Any) -> list[int]:
        return self._bytes.encode(s.decode() if isinstance(s, bytes) else s)

    def decode(self, ids: Any) -> str:
        """Text up to the first end of sequence."""
        return self._bytes.decode(np.asarray(ids).tolist())

    def _encode_tf(self, s: Any) -> Any:
        def encode(text: Any) -> np.ndarray:
            # Bytes in a graph, an array of no dimension outside of one.
            return np.asarray(self._encode(np.asarray(text).item()), np.int32)

        ids = tf.numpy_function(encode, [s], tf.int32)
        ids.set_shape((None,))
        return ids

    def decode_tf(self, ids: Any) -> Any:
        """Texts of a batch of ids, of any number of dimensions."""

        def decode(array: np.ndarray) -> np.ndarray:
            rows = array.reshape(-1, array.shape[-1])
            texts = np.array([self.decode(row).encode() for row in rows], object)
            return texts.reshape(array.shape[:-1])

        texts = tf.numpy_function(decode, [ids], tf.string)
        texts.set_shape(ids.shape[:-1])
        return texts
