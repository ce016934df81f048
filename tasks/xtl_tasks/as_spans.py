"""The second format of an entity family: mT5's list of spans instead of tags."""

from __future__ import annotations

import dataclasses

from xtl_jax.data import tagging
from xtl_tasks.family import Family


def as_spans(family: Family, *, summary: str, traps: str) -> Family:
    """The family `NAME_spans`: the same files and rows, in the other format.

    Args:
        family: the one that gives every token its tag.
        summary: of the card, one sentence.
        traps: what this format adds to the family's own traps.
    """
    name = f"{family.name}_spans"
    return dataclasses.replace(
        family,
        name=name,
        prompt=tagging.SPANS.prompt,
        postprocess=tagging.SPANS.postprocess,
        place=tagging.SPANS.place,
        shares=dict.fromkeys(family.splits, family.name),
        shares_head=family.name,
        card=dataclasses.replace(
            family.card,
            summary=summary,
            trains_on=f"{name}.en",
            selection=f"{name}.en validation F1 (English only)",
            traps=(
                "Entities are put back on tokens from left to right, on the first that "
                f"read so; the share that cannot be placed is reported. {traps} "
                f"{family.card.traps}"
            ),
        ),
    )
