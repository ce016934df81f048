"""A store that lies in memory: examples that are made to be asked about and dropped.

Attacked rows and the candidates of a search become examples as those of a cached store
do, and whoever reads a store reads these in the same way:

    >>> examples = [{"inputs": [5, 6, 1], "targets": [7, 1], "meta": {"id": "a"}}]
    >>> store = InMemory(examples, card={"kind": "classification"})
    >>> store.num_examples, store.tokens("inputs", 0).tolist(), store.meta(0)["id"]
    (1, [5, 6, 1], 'a')
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from xtl_jax.data.features import TASK_FEATURES
from xtl_jax.data.prompts import Example
from xtl_jax.data.store import OFFSETS, TOKENS, Store
from xtl_jax.data.store import Example as Stored
from xtl_jax.data.vocabulary import Vocabulary
from xtl_jax.errors import UserError


class InMemory(Store):
    """Examples with their texts, read by number.

    Args:
        examples: as `store.write` takes them; all of them have `meta`.
        card: what is known of them.
        name: what errors call them.

    Raises:
        UserError: there is no example.
    """

    def __init__(
        self,
        examples: Iterable[Stored],
        *,
        card: Mapping[str, Any],
        name: str = "examples in memory",
    ) -> None:
        found = list(examples)
        if not found:
            raise UserError(f"{name}: there is no example; give at least one row")
        self.folder = pathlib.Path(name)
        self.card = {**card, "examples": len(found)}
        self.num_examples = len(found)
        self.tokens_of, self.offsets_of = {}, {}
        for feature in TASK_FEATURES:
            columns = [np.asarray(each[feature], TOKENS) for each in found]
            self.tokens_of[feature] = np.concatenate(columns)
            ends = np.cumsum([0, *map(len, columns)])
            self.offsets_of[feature] = ends.astype(OFFSETS)
        self.has_meta = True
        self._metas = [each["meta"] for each in found]

    def meta(self, index: int) -> dict[str, Any]:
        """Text of one example: id, inputs, references, context."""
        return self._metas[index]


def text_to_text(
    examples: Sequence[Example], *, vocabulary: Vocabulary, name: str
) -> InMemory:
    """Prompts as mT5's stores keep them.

    Args:
        examples: of one task.
        vocabulary: to tokenise with.
        name: what errors call them.
    """
    inputs = vocabulary.encode_batch([each.inputs for each in examples])
    targets = vocabulary.encode_batch([each.targets for each in examples])
    stored = (
        {
            "inputs": [*into, vocabulary.eos_id],
            "targets": [*out, vocabulary.eos_id],
            "meta": text_meta(example),
        }
        for example, into, out in zip(examples, inputs, targets, strict=True)
    )
    card = {"eos": dict.fromkeys(TASK_FEATURES, True), "eos_id": vocabulary.eos_id}
    return InMemory(stored, card=card, name=name)


def text_meta(example: Example) -> dict[str, Any]:
    """What a text-to-text store keeps of an example beside its ids."""
    meta: dict[str, Any] = {
        "id": example.id,
        "inputs": example.inputs,
        "targets": example.targets,
        "references": list(example.references),
        "context": example.context or None,
    }
    if example.options:
        meta["options"] = list(example.options)
    if example.side:
        meta["side"] = example.side
    return meta
