"""Row attacks: one function that writes the row anew."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Protocol

from xtl_jax.attacks.attack import Attacked, Place, Resources
from xtl_jax.data.rows import Row


class Change(Protocol):
    """The function of a row attack."""

    def __call__(
        self,
        row: Row,
        *,
        language: str,
        rng: random.Random,
        budget: float,
        resources: Resources,
    ) -> Attacked:
        """The changed row, or the row and a reason."""
        ...


@dataclasses.dataclass(frozen=True)
class ByRow:
    """A row attack: one function that writes the row anew."""

    change: Change

    def perturb(
        self,
        row: Row,
        *,
        name: str,
        language: str,
        seed: int,
        budget: float,
        resources: Resources,
        fields: Sequence[str],
    ) -> Attacked:
        """The function's answer."""
        del fields
        rng = random.Random(f"{seed}/{name}/{row.id}")
        return self.change(
            row, language=language, rng=rng, budget=budget, resources=resources
        )

    def places(
        self, row: Row, *, language: str, resources: Resources, fields: Sequence[str]
    ) -> tuple[Place, ...]:
        """None: it does not work place by place."""
        return ()

    def candidates_at(
        self,
        row: Row,
        place: Place,
        *,
        name: str,
        language: str,
        seed: int,
        k: int,
        resources: Resources,
    ) -> tuple[Attacked, ...]:
        """None: it does not work place by place."""
        return ()
