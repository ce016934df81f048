"""The question in another language than its context: MLQA's cross-lingual setting.

Sets whose items are parallel (XQuAD, MLQA, XNLI, PAWS-X) give a translation by id. Of a
question its translation is asked; of a pair the second text is exchanged.
"""

from __future__ import annotations

import random

from xtl_jax.attacks import texts
from xtl_jax.attacks.attack import Attack, Attacked, Budget, Edit, Resources
from xtl_jax.attacks.by_row import ByRow
from xtl_jax.data.rows import PairRow, QuestionRow, Row


def translate(
    row: Row,
    *,
    language: str,
    rng: random.Random,
    budget: float,
    resources: Resources,
) -> Attacked:
    """The question, or a pair's second text, in a language that the seed chooses."""
    field = "question" if isinstance(row, QuestionRow) else "second"
    value = getattr(row, field)
    twins = {
        other: rows[row.id]
        for other, rows in sorted(resources.parallel.items())
        if other != language and type(rows.get(row.id)) is type(row)
    }
    if not twins:
        why = f"no other language has a row with the id {row.id!r}"
        return Attacked(row=row, not_applied=why)
    twin = twins[rng.choice(list(twins))]
    if (
        isinstance(row, PairRow)
        and isinstance(twin, PairRow)
        and row.label != twin.label
    ):
        why = f"its translation is labelled {twin.label!r}, not {row.label!r}"
        return Attacked(row=row, not_applied=why)
    new = getattr(twin, field)
    edits = [Edit(field, 0, 0, len(value), new)] if new != value else []
    return texts.changed(row, edits, otherwise="its translation is the same text")


ATTACKS = (
    Attack(
        name="question_translated",
        group="languages",
        summary="the question, or the second text of a pair, in another language",
        source="Lewis et al. 2020 (MLQA), cross-lingual questions",
        budget=Budget(means="1: the whole text", default=1, largest=1, whole=True),
        method=ByRow(translate),
        kinds=(QuestionRow, PairRow),
        needs=("parallel",),
    ),
)
