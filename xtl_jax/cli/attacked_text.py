"""An mT5 as searches see it: rows in, how sure it is of what is right out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xtl_jax.attacks import flips, texts
from xtl_jax.attacks.flips import Sloped
from xtl_jax.cli.predict_answers import Answer, Move
from xtl_jax.data import in_memory
from xtl_jax.data.in_memory import InMemory
from xtl_jax.data.rows import Row

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.cli.predict_answers import Predictor
    from xtl_jax.data.features import Lengths
    from xtl_jax.infer.moved import Ball
    from xtl_jax.infer.sure import Gold

# Fields that prompts put last; the others are found from the beginning.
_LAST = ("second", "context")


class TextTarget:
    """An mT5 that answers a family.

    Args:
        family: whose rows are attacked.
        by: the model and its settings.
    """

    def __init__(self, family: Family, by: Predictor) -> None:
        self.family = family
        self.by = by
        self.margins = family.kind in ("classification", "ranking")
        self._table: flips.Table | None = None

    def store(self, rows: Sequence[Row]) -> InMemory:
        """The prompts of rows."""
        return in_memory.text_to_text(
            [self.family.prompt(row) for row in rows],
            vocabulary=self.by.vocabulary,
            name=f"{self.family.name}, attacked",
        )

    def answers(
        self,
        rows: Sequence[Row],
        *,
        move: Callable[[InMemory], Move] | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[tuple[Mapping[str, Any], Answer]]:
        """What is answered to each row, with the texts of its example."""
        from xtl_jax.cli import predict_answers

        store = self.store(rows)
        found = predict_answers.answer(
            self.family,
            store,
            by=self.by,
            examples=len(rows),
            move=move and move(store),
            progress=progress,
        )
        return [(store.meta(number), each) for number, each in enumerate(found)]

    def ask(self, rows: Sequence[Row]) -> list[float]:
        """How sure it is of what is right in each row (`infer/sure.py`)."""
        from xtl_jax.infer import sure

        store = self.store(rows)
        return sure.of_text(
            *(self.by.model, self.by.params, store),
            gold=self._gold(store),
            lengths=self._lengths,
            batch_size=self.by.run.predict_batch_size,
            put=self.by.put,
        )

    def slopes(self, rows: Sequence[Row]) -> list[list[Sloped]]:
        """Tokens of the texts of questions and pairs, with their slopes."""
        from xtl_jax.infer import sure

        store = self.store(rows)
        slopes = sure.slopes_of_text(
            *(self.by.model, self.by.params, store),
            gold=self._gold(store),
            lengths=self._lengths,
            batch_size=self.by.run.predict_batch_size,
            put=self.by.put,
        )
        return [
            self._sloped(row, store.meta(number)["inputs"], slopes[number])
            for number, row in enumerate(rows)
        ]

    def mover(
        self, rows: Sequence[Row], *, radius: float, ball: Ball, seed: int
    ) -> Any:
        """Of the store of rows, the worst addition in a ball (`infer/moved.py`)."""
        from xtl_jax.infer import moved, sure

        by = self.by

        def of_store(store: InMemory) -> Move:
            gold = self._gold(store)
            seeds = moved.keys_of([row.id for row in rows], seed=seed)

            def move(indices: np.ndarray, inputs: Any) -> Any:
                targets, right = sure.targets_of(gold, indices)
                return moved.of_text(
                    *(by.model, by.params, inputs, by.put(targets), by.put(right)),
                    by.put(seeds[np.maximum(indices, 0)]),
                    np.float32(radius),
                    ball=ball,
                )

            return move

        return of_store

    @property
    def table(self) -> flips.Table:
        """The pieces of words, with their vectors."""
        if self._table is None:
            vectors = self.by.params["token_embedder"]["embedding"]
            self._table = flips.Table.of(self.by.vocabulary, np.asarray(vectors))
        return self._table

    def how(self) -> dict[str, Any]:
        """How answers are made, for records."""
        from xtl_jax.cli import predict_answers

        return predict_answers.method(self.family, self.by)

    def scored(self, text: str, meta: Mapping[str, Any]) -> str:
        """An answer as it is scored."""
        from xtl_jax.cli import predict_answers

        return predict_answers.processed(self.family, text, meta)

    @property
    def _lengths(self) -> Lengths:
        from xtl_jax.data.features import Lengths

        return Lengths(**self.by.run.lengths)

    def _gold(self, store: InMemory) -> list[Gold]:
        """Of labels and options all of them, of other answers the gold target."""
        from xtl_jax.infer.sure import Gold

        vocabulary = self.by.vocabulary
        known: dict[str, list[int]] = {}

        def ids(text: str) -> list[int]:
            if text not in known:
                known[text] = [*vocabulary.encode(text), vocabulary.eos_id]
            return known[text]

        found = []
        for number in range(store.num_examples):
            meta = store.meta(number)
            options = meta.get("options") or self.family.labels
            if not self.margins:
                options = (meta["targets"],)
            right = list(options).index(meta["targets"])
            found.append(Gold([ids(text) for text in options], right))
        return found

    def _sloped(self, row: Row, prompt: str, slope: np.ndarray) -> list[Sloped]:
        """Tokens of the prompt that lie in a field of the row, white space aside."""
        from xtl_jax.data.encoder_vocabulary import EncoderVocabulary

        shifted, spans = EncoderVocabulary(self.by.vocabulary).encode_with_offsets(
            prompt
        )
        kept = min(len(slope) - 1, len(shifted))  # the end id comes behind
        of_prompt = _squeezed(prompt)
        number_of = {place: number for number, place in enumerate(of_prompt)}
        whole = "".join(prompt[place] for place in of_prompt)
        found: list[Sloped] = []
        for text in texts.texts(row):
            places = _squeezed(text.value)
            wanted = "".join(text.value[place] for place in places)
            begin = (whole.rfind if text.field in _LAST else whole.find)(wanted)
            if begin < 0:
                continue
            for i, (token, (start, end)) in enumerate(
                zip(shifted[:kept], spans[:kept], strict=True)
            ):
                if start == end:
                    continue
                first = number_of[start] - begin
                last = number_of[end - 1] - begin
                if first < 0 or last >= len(places):
                    continue
                found.append(
                    Sloped(
                        *(text.field, places[first], places[last] + 1),
                        token - 1,  # that vocabulary's ids are one higher
                        slope[i],
                    )
                )
        return found


def _squeezed(text: str) -> list[int]:
    """Places of all characters but white space."""
    return [place for place, character in enumerate(text) if not character.isspace()]
