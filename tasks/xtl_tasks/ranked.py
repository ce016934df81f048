"""The second format of a multiple-choice family: options ranked instead of listed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable

from xtl_jax.data.prompts import Example
from xtl_jax.data.rows import ChoiceRow
from xtl_tasks.family import Family


def ranked(
    family: Family,
    *,
    prompt: Callable[[ChoiceRow], Example],
    trains_on: str,
    selection: str = "English validation accuracy",
) -> Family:
    """The family `NAME_rank`: the same files and rows, in the other format.

    Args:
        family: the one whose prompt lists the options.
        prompt: the one that leaves them out.
        trains_on: the English training set, in this format.
        selection: what may choose a checkpoint.
    """
    return dataclasses.replace(
        family,
        name=f"{family.name}_rank",
        kind="ranking",
        prompt=prompt,
        labels=(),
        chance=functools.partial(_even, options=len(family.labels)),
        shares=dict.fromkeys(family.splits, family.name),
        shares_head=family.name,
        card=dataclasses.replace(
            family.card,
            summary=f"{family.card.summary} Options are scored, not named.",
            trains_on=trains_on,
            selection=selection,
            normaliser="none: the option of the highest log-likelihood is the answer",
        ),
    )


def _even(rows: Iterable[tuple[str, str]], *, language: str, options: int) -> float:
    """Accuracy of guessing, in percent."""
    return 100.0 / options
