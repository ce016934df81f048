"""An encoder as searches see it: rows in, how sure its head is of what is right out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xtl_jax.attacks import flips
from xtl_jax.attacks.flips import Sloped
from xtl_jax.cli.predict_answers import Answer, Move
from xtl_jax.data.in_memory import InMemory
from xtl_jax.data.rows import QuestionRow, Row

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.cli.predict_labelled import Labeller
    from xtl_jax.infer.moved import Ball


class EncoderTarget:
    """An encoder with the head that answers a family.

    Args:
        family: whose rows are attacked.
        by: the encoder and its settings.
    """

    def __init__(self, family: Family, by: Labeller) -> None:
        from xtl_jax.cli import labelled_caching, predict_labelled
        from xtl_jax.infer import label

        self.family = family
        self.by = by
        self.head = predict_labelled.head_for(family, by.model, chosen=by.run.head)
        self.layout = labelled_caching.layout_of(by.run, by.vocabulary)
        self.margins = self.head.kind in ("classification", "choice")
        self._classes = label.class_names(family, self.head)
        self._table: flips.Table | None = None

    def store(self, rows: Sequence[Row]) -> InMemory:
        """Rows as the head reads them, one after another."""
        from xtl_jax.data import labelled

        vocabulary = self.by.vocabulary
        card: dict[str, Any] = {
            "kind": labelled.kind_of(self.family),
            "length": self.layout.length,
            "ids": {"pad": vocabulary.pad_id},
        }
        is_tagging = self.head.kind == "tagging"
        made = labelled.examples(
            rows,
            family=self.family,
            task=self.family.name,
            split="attacked",
            layout=self.layout,
            labels=self.head.labels if is_tagging else self.family.labels,
            keep_text=True,
            card=card,
        )
        return InMemory(list(made), card=card, name=f"{self.family.name}, attacked")

    def answers(
        self,
        rows: Sequence[Row],
        *,
        move: Callable[[InMemory], Move] | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[tuple[Mapping[str, Any], Answer]]:
        """What is answered to each row, with the texts of its example."""
        from xtl_jax.cli import predict_labelled

        store = self.store(rows)
        found = predict_labelled.answer(
            self.family,
            store,
            by=self.by,
            examples=len(rows),
            move=move and move(store),
            progress=progress,
        )
        return [(each.meta, each.answer) for each in found]

    def ask(self, rows: Sequence[Row]) -> list[float]:
        """How sure it is of what is right in each row (`infer/sure.py`)."""
        from xtl_jax.cli import predict_sets
        from xtl_jax.infer import sure

        store = self.store(rows)
        by = self.by
        said = sure.of_encoder(
            *(by.model, by.params, store),
            head=self.head,
            right=self._right(rows, store),
            pad_id=by.vocabulary.pad_id,
            batch_size=by.run.predict_batch_size,
            put=by.put,
        )
        return [
            sure.joined(said[of_one.start : of_one.stop], kind=self.head.kind)
            for of_one in predict_sets.rows_of(store, len(rows))
        ]

    def slopes(self, rows: Sequence[Row]) -> list[list[Sloped]]:
        """Tokens of the texts of questions and pairs, with their slopes."""
        from xtl_jax.cli import predict_sets
        from xtl_jax.infer import sure

        store = self.store(rows)
        by = self.by
        slopes = sure.slopes_of_encoder(
            *(by.model, by.params, store),
            head=self.head,
            right=self._right(rows, store),
            pad_id=by.vocabulary.pad_id,
            batch_size=by.run.predict_batch_size,
            put=by.put,
        )
        return [
            self._sloped(
                row,
                [store.meta(number) for number in of_one],
                [slopes[number] for number in of_one],
            )
            for row, of_one in zip(
                rows, predict_sets.rows_of(store, len(rows)), strict=True
            )
        ]

    def mover(
        self, rows: Sequence[Row], *, radius: float, ball: Ball, seed: int
    ) -> Any:
        """Of the store of rows, the worst addition in a ball (`infer/moved.py`)."""
        from xtl_jax.infer import moved, sure

        by, head = self.by, self.head

        def of_store(store: InMemory) -> Move:
            right = self._right(rows, store)
            spans = 0
            if head.kind == "span":
                spans = max((len(each) for each in right), default=1)
            names = [f"{store.meta(i)['id']}/{i}" for i in range(store.num_examples)]
            seeds = moved.keys_of(names, seed=seed)

            def move(indices: np.ndarray, tokens: Any) -> Any:
                labels = sure.labels_of(
                    right,
                    indices,
                    tokens,
                    head=head,
                    spans=spans,
                )
                return moved.of_encoder(
                    *(by.model, by.params, tokens, by.put(labels)),
                    by.put(seeds[np.maximum(indices, 0)]),
                    np.float32(radius),
                    head=head,
                    pad_id=by.vocabulary.pad_id,
                    ball=ball,
                )

            return move

        return of_store

    @property
    def table(self) -> flips.Table:
        """The pieces of words, with their vectors."""
        if self._table is None:
            words = self.by.params["encoder"]["embeddings"]["word"]
            self._table = flips.Table.of(self.by.vocabulary, np.asarray(words))
        return self._table

    def how(self) -> dict[str, Any]:
        """How answers are made, for records."""
        from xtl_jax.cli import predict_labelled

        return predict_labelled.method(self.family, self.by)

    def scored(self, text: str, meta: Mapping[str, Any]) -> str:
        """An answer as it is scored: as it is."""
        del meta
        return text

    def _right(self, rows: Sequence[Row], store: InMemory) -> list[np.ndarray]:
        """What is right of each row of the store, in the head's numbers."""
        kind = self.head.kind
        if kind == "tagging":
            return [store.tokens("targets", i) for i in range(store.num_examples)]
        if kind == "choice":
            return [store.tokens("targets", i)[0] for i in range(store.num_examples)]
        if kind == "span":
            metas = [store.meta(i) for i in range(store.num_examples)]
            return [_spans(rows[meta["example"]], meta) for meta in metas]
        return [
            np.array(self._classes.index(store.meta(i)["targets"]), np.int32)
            for i in range(store.num_examples)
        ]

    def _sloped(
        self, row: Row, metas: Sequence[Mapping[str, Any]], slopes: Sequence[np.ndarray]
    ) -> list[Sloped]:
        vocabulary = self.by.vocabulary
        if isinstance(row, QuestionRow):
            asked, spans = vocabulary.encode_with_offsets(row.question)
            most = self.layout.question_length
            found = [
                Sloped(
                    "question",
                    begin,
                    end,
                    token,
                    np.sum([s[1 + i] for s in slopes], axis=0),
                )
                for i, (token, (begin, end)) in enumerate(
                    zip(asked[:most], spans[:most], strict=True)
                )
            ]
            ids = vocabulary.encode(row.context)
            of_context: dict[int, Sloped] = {}
            for meta, slope in zip(metas, slopes, strict=True):
                for i, (begin, end) in enumerate(meta["spans"]):
                    number = meta["offset"] + i
                    own = slope[meta["first"] + i]
                    if number in of_context:
                        own = own + of_context[number].slope
                    of_context[number] = Sloped("context", begin, end, ids[number], own)
            return [*found, *of_context.values()]
        if self.head.kind != "classification":
            return []
        return self._sloped_pair(row, slopes[0])

    def _sloped_pair(self, row: Any, slope: np.ndarray) -> list[Sloped]:
        from xtl_jax.data import encoder_layout

        vocabulary = self.by.vocabulary
        texts = [vocabulary.encode_with_offsets(t) for t in (row.first, row.second)]
        keep = encoder_layout.longest_first(
            *(len(ids) for ids, _ in texts),
            room=self.layout.length - encoder_layout.PAIR,
        )
        begins = (1, keep[0] + 3)  # behind `<s>`, and `</s> </s>` too
        found = []
        fields = zip(("first", "second"), texts, keep, begins, strict=True)
        for field, (ids, spans), kept, first in fields:
            for i, (token, (begin, end)) in enumerate(
                zip(ids[:kept], spans[:kept], strict=True)
            ):
                found.append(Sloped(field, begin, end, token, slope[first + i]))
        return found


def _spans(row: Any, meta: Mapping[str, Any]) -> np.ndarray:
    """Gold spans in one window [spans, 2], as input positions."""
    from xtl_jax.data import labelled_spans

    if not row.answers:
        return np.zeros((1, 2), np.int32)  # at `<s>`: no answer
    places: dict[tuple[int, int], None] = {}
    for answer, start in zip(row.answers, row.answer_starts, strict=True):
        begin = start + len(answer) - len(answer.lstrip())
        found = labelled_spans.answer_tokens(
            meta["spans"], begin=begin, end=begin + len(answer.strip())
        )
        if found is not None:
            places[meta["first"] + found[0], meta["first"] + found[1]] = None
    return np.array(list(places), np.int32).reshape(-1, 2)
