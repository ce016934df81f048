"""What an attack is: a row, a language, a seed and a budget to a perturbed row.

Attacks change *rows* (`xtl_jax.data.rows`), before any prompt, so that the same attack
serves mT5 and encoders. What is labelled stays: gold answers stand in the context
verbatim, their offsets recomputed; labels, options and tags are untouched; a tagged
sentence keeps its number of tokens.

    row, language ──> applies?  ──no──> Attacked(row as it was, not_applied="why")
                         │yes
    seed, budget ───> perturb ────────> Attacked(row, edits)

There are two ways to attack. A *word attack* (`xtl_jax.attacks.by_word`) finds the
places that it may change and changes a share of them, each by itself; a search can ask
it for its places, and for candidates at one of them. A *row attack*
(`xtl_jax.attacks.by_row`) writes the row anew: a distractor, another order.

Randomness comes from the seed, the attack's name and the row's id alone: neither the
order of the rows nor the process has a say.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from xtl_jax.data.rows import (
    ChoiceRow,
    PairRow,
    QuestionRow,
    RetrievalRow,
    Row,
    TaggedRow,
    TextRow,
)
from xtl_jax.errors import UserError
from xtl_jax.metrics import languages

if TYPE_CHECKING:
    from xtl_jax.attacks.lexicon import Lexicon
    from xtl_jax.attacks.sentences import SentencePool

ALL_KINDS = (QuestionRow, PairRow, ChoiceRow, TaggedRow, RetrievalRow, TextRow)

# Rows whose texts have spaces and punctuation of their own.
RUNNING_TEXT = (QuestionRow, PairRow, ChoiceRow, RetrievalRow, TextRow)

# What a row attack may need beside the row.
Need = Literal["sentences", "foreign_sentences", "parallel", "lexicons"]


class Edit(NamedTuple):
    """One replacement in one text of a row; `start == end` inserts."""

    field: str
    index: int  # of the token; 0 in fields that hold one text
    start: int  # offsets in the clean text, in characters
    end: int
    text: str  # what stands there now


class Place(NamedTuple):
    """A stretch of a row that a word attack may change."""

    field: str
    index: int  # of the token; 0 in fields that hold one text
    start: int
    end: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attacked:
    """A row after an attack: changed, or as it was and why."""

    row: Row
    edits: tuple[Edit, ...] = ()
    not_applied: str = ""  # why the row is as it was; "" where it was changed

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """The fields that differ from the clean row's, in the order of the edits."""
        return tuple(dict.fromkeys(edit.field for edit in self.edits))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """How much an attack may change, and what its number means."""

    means: str  # one phrase: what the number counts
    default: float
    largest: float
    whole: bool = False  # a number of things rather than a share

    def check(self, value: float | None, *, attack: str) -> float:
        """The budget to use.

        Raises:
            UserError: it is not positive, too large, or a fraction of a whole.
        """
        if value is None:
            return self.default
        good = math.isfinite(value) and 0 < value <= self.largest
        if not good or (self.whole and value != int(value)):
            kind = "a whole number" if self.whole else "a number"
            raise UserError(
                f"attack {attack!r}: budget must be {kind} above 0 and at most "
                f"{self.largest:g}, got {value!r}; it is {self.means}"
            )
        return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resources:
    """What some attacks need beside the row; empty where nothing was given."""

    # Sentences of the same set and language, for distractors.
    sentences: SentencePool | None = None
    # The same of other languages.
    foreign_sentences: Mapping[str, SentencePool] = dataclasses.field(
        default_factory=dict
    )
    # Language to row id to row: the same items in other languages.
    parallel: Mapping[str, Mapping[str, Row]] = dataclasses.field(default_factory=dict)
    # Language of the translations to the lexicon that has them.
    lexicons: Mapping[str, Lexicon] = dataclasses.field(default_factory=dict)


NOTHING = Resources()


class Method(Protocol):
    """How an attack changes a row: `by_word.ByWord`, `by_row.ByRow` and their like."""

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
        """The changed row, or the row and a reason."""
        ...

    def places(
        self, row: Row, *, language: str, resources: Resources, fields: Sequence[str]
    ) -> tuple[Place, ...]:
        """Where it may change the row; empty for row attacks."""
        ...

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
        """Up to `k` different rows that are changed at `place` alone."""
        ...


def _never(language: str) -> str:
    return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack of the catalogue."""

    name: str
    group: str  # its heading in lists
    summary: str
    source: str  # paper or tool, one line
    budget: Budget
    method: Method
    kinds: tuple[type, ...] = ALL_KINDS
    # A language to why the attack has no meaning there; "" where it has.
    refuses: Callable[[str], str] = _never
    needs: tuple[Need, ...] = ()
    keeps_label: bool = True  # False: a probe, after which the label may be wrong

    def applies(self, row: Row, language: str) -> str | None:
        """Why the attack does not apply to such a row in this language, or None."""
        if languages.find(language) is None:
            return f"nothing is known of the language {language!r}"
        if not isinstance(row, self.kinds):
            return f"{self.name} does not apply to a {type(row).__name__}"
        return self.refuses(language) or None

    def perturb(
        self,
        row: Row,
        *,
        language: str,
        seed: int,
        budget: float | None = None,
        resources: Resources = NOTHING,
        fields: Sequence[str] = (),
    ) -> Attacked:
        """Attack one row.

        Args:
            row: the clean row.
            language: the code of its language.
            seed: with the row's id and the attack's name it decides everything.
            budget: see the attack's `budget.means`; None for its default.
            resources: what the attack's `needs` name.
            fields: of the row, to keep the attack from the others; empty for all. Row
                attacks have fields of their own and do not look at it.

        Raises:
            UserError: the budget is out of range, or a resource is missing.
        """
        budget = self.budget.check(budget, attack=self.name)
        for need in self.needs:
            if not getattr(resources, need):
                raise UserError(
                    f"attack {self.name!r} needs {need.replace('_', ' ')}: "
                    f"{NEEDED[need]}"
                )
        if reason := self.applies(row, language):
            return Attacked(row=row, not_applied=reason)
        return self.method.perturb(
            row,
            name=self.name,
            language=language,
            seed=seed,
            budget=budget,
            resources=resources,
            fields=fields,
        )

    def candidates(
        self,
        row: Row,
        *,
        language: str,
        seed: int,
        k: int,
        budget: float | None = None,
        resources: Resources = NOTHING,
        fields: Sequence[str] = (),
    ) -> tuple[Attacked, ...]:
        """Up to `k` different attacked rows, of the seeds `seed` to `seed + k - 1`.

        Where the attack does not apply, the one that says why.
        """
        found: dict[Row, Attacked] = {}
        for each in range(seed, seed + k):
            attacked = self.perturb(
                row,
                language=language,
                seed=each,
                budget=budget,
                resources=resources,
                fields=fields,
            )
            found.setdefault(attacked.row, attacked)
        changed = tuple(each for each in found.values() if not each.not_applied)
        return changed or tuple(found.values())

    def places(
        self,
        row: Row,
        *,
        language: str,
        resources: Resources = NOTHING,
        fields: Sequence[str] = (),
    ) -> tuple[Place, ...]:
        """Words that a greedy search may change; empty for row attacks."""
        if self.applies(row, language):
            return ()
        return self.method.places(
            row, language=language, resources=resources, fields=fields
        )

    def candidates_at(
        self,
        row: Row,
        place: Place,
        *,
        language: str,
        seed: int,
        k: int,
        resources: Resources = NOTHING,
    ) -> tuple[Attacked, ...]:
        """Up to `k` different rows that are changed at `place` alone."""
        if self.applies(row, language):
            return ()
        return self.method.candidates_at(
            row,
            place,
            name=self.name,
            language=language,
            seed=seed,
            k=k,
            resources=resources,
        )


NEEDED: dict[Need, str] = {
    "sentences": "other rows of the same set (`sentences.pool`)",
    "foreign_sentences": "the same set in other languages (`sentences.pool` of each)",
    "parallel": "the same items in other languages, by id",
    "lexicons": "a lexicon into one or more languages (`lexicon.parse`)",
}
