"""Training rows some of which are attacked: noise and mixed languages as augmentation.

A share of the rows is replaced by what an attack makes of them, so that a set keeps its
size and its order. Which rows, and of several attacks which one, follows from the seed
and the row's id alone. Labels stay right, as attacks guarantee it; attacks that do not
(probes) are refused, and so is what would need other sets. A row that its attack does
not apply to stays as it is and is counted with the reason.

    >>> from xtl_jax.data.rows import PairRow
    >>> rows = [PairRow(id=str(i), first="It rained all night.", second="It was dry.",
    ...                 label="contradiction") for i in range(100)]
    >>> how = augmentation(("upper_case:fields=second",), share=0.5, seed=1)
    >>> counts = collections.Counter()
    >>> made = list(augmented(rows, language="en", how=how, counts=counts))
    >>> counts
    Counter({'rows': 100, 'attacked': 45})
    >>> sorted({row.second for row in made})
    ['IT WAS DRY.', 'It was dry.']

Sources: Belinkov and Bisk 2018 (training on noise), Qin et al. 2020 (CoSDA-ML, mixed
languages); Huang et al. 2021 (2104.08645) augment with synonyms.
"""

from __future__ import annotations

import collections
import dataclasses
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from xtl_jax import fields
from xtl_jax.attacks import named, sentences
from xtl_jax.attacks.attack import NOTHING, Resources
from xtl_jax.attacks.named import Named
from xtl_jax.data.rows import Row
from xtl_jax.errors import UserError

_HAD = ("lexicons", "sentences")  # what attacks may need; of other sets nothing is read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Which rows are attacked, and how."""

    attacks: tuple[Named, ...]
    share: float  # of the rows
    seed: int

    def needs(self, what: str) -> bool:
        """Whether one of the attacks needs such a resource."""
        return any(what in each.of_catalogue.needs for each in self.attacks)

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the rows, beside the resources."""
        return {
            "attacks": [str(attack) for attack in self.attacks],
            "share": self.share,
            "seed": self.seed,
        }


def augmentation(
    attacks: Sequence[str], *, share: float, seed: int
) -> Augmentation | None:
    """What a run's settings mean; None where they name no attack.

    Args:
        attacks: as `named.parse` reads them, such as `character_noise:budget=0.2`.
        share: of the rows that are attacked.
        seed: of which ones, and of attacks that name none.

    Raises:
        UserError: an unknown attack, a search, a probe, or one that needs other sets; a
            share outside of [0, 1].
    """
    if not fields.is_number(share) or not 0.0 <= share <= 1.0:
        raise UserError(
            f"RunConfig.augmentation_share must be a number in [0, 1], got {share!r}"
        )
    if not fields.is_whole(seed, least=0):
        raise UserError(
            f"RunConfig.augmentation_seed must be a whole number of at least 0, got "
            f"{seed!r}"
        )
    found = tuple(named.parse(text, seed=seed) for text in attacks)
    for each in found:
        place = f"RunConfig.augmentation: {each.title}"
        if each.method != named.DRAW:
            raise UserError(
                f"{place} searches with the model's answers, and rows are augmented "
                "before there are any; give an attack of `xtl attacks`"
            )
        attack = each.of_catalogue
        if not attack.keeps_label:
            raise UserError(
                f"{place} is a probe, after which a label may be wrong: it is for "
                "evaluation alone"
            )
        missing = [need for need in attack.needs if need not in _HAD]
        if missing:
            raise UserError(
                f"{place} needs {missing[0].replace('_', ' ')}, which training rows "
                "alone do not give; leave it out"
            )
    return Augmentation(attacks=found, share=share, seed=seed) if found else None


def augmented(
    rows: Iterable[Row],
    *,
    language: str,
    how: Augmentation,
    resources: Resources = NOTHING,
    counts: collections.Counter[str],
) -> Iterator[Row]:
    """The rows in their order, a share of them attacked.

    Args:
        rows: clean ones.
        language: of their texts.
        how: which attacks, how many rows.
        resources: lexicons; sentences are taken from the rows themselves.
        counts: `rows`, `attacked`, and `left clean: REASON`; complete at the end.

    Raises:
        UserError: a lexicon is needed and not there.
    """
    if how.needs("sentences"):
        rows = list(rows)
        resources = dataclasses.replace(
            resources, sentences=sentences.pool(rows, language=language)
        )
    for row in rows:
        counts["rows"] += 1
        draw = random.Random(f"augmentation/{how.seed}/{row.id}")
        chosen, attack = draw.random() < how.share, draw.choice(how.attacks)
        if not chosen:
            yield row
            continue
        made = attack.of_catalogue.perturb(
            row,
            language=language,
            seed=attack.seed,
            budget=attack.budget,
            resources=resources,
            fields=attack.fields,
        )
        if made.not_applied:
            counts[f"left clean: {attack.attack}: {made.not_applied}"] += 1
        else:
            counts["attacked"] += 1
        yield made.row
