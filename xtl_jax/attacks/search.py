"""Searches: of many attacked texts the one that a model bears worst.

A search sees the model through one function, `Ask`: rows to how sure the model is of
what is right, in nats. Where answers are labels that is a *margin*, the log-probability
of the right one minus that of the likeliest wrong one, so that below 0 the model is
wrong; of other answers it is the log-probability of the right answer, and no value
says that the model is wrong. Many rows are asked about at once: candidates of all
examples go through the model in its usual batches.

    >>> from xtl_jax.data.rows import TextRow
    >>> sure = {"good": 2.0, "goood": 0.5, "god": 1.5}
    >>> asked = Asked(lambda rows: [sure[row.text] for row in rows], margins=True)
    >>> rows = [TextRow(id="1", text=text) for text in ("goood", "god", "goood")]
    >>> asked(rows), asked.queries["1"]
    ([0.5, 1.5, 0.5], 2)

A *query* is a text that the model was asked about for an example; a text that was
asked about before costs none. Every search is a pure function of rows, seed and what
the model says.
"""

from __future__ import annotations

import collections
import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from xtl_jax.attacks import texts
from xtl_jax.attacks.attack import Attack, Attacked, Edit, Place, Resources
from xtl_jax.data.rows import Row, TaggedRow

Ask = Callable[[Sequence[Row]], Sequence[float]]

# Stands for a tagged token that is left out: a sentence keeps its tokens.
LEFT_OUT = "_"


class Asked:
    """A model with a memory: no text is asked about twice.

    Args:
        ask: the model.
        margins: whether what it says is below 0 where it is wrong.
    """

    def __init__(self, ask: Ask, *, margins: bool) -> None:
        self._ask = ask
        self._known: dict[Row, float] = {}
        self.margins = margins
        self.queries: collections.Counter[str] = collections.Counter()

    def __call__(self, rows: Sequence[Row]) -> list[float]:
        """How sure the model is of what is right in each row."""
        new = list(dict.fromkeys(row for row in rows if row not in self._known))
        if new:
            self._known |= zip(new, self._ask(new), strict=True)
            self.queries.update(row.id for row in new)
        return [self._known[row] for row in rows]

    def is_wrong(self, sureness: float) -> bool:
        """Whether a value says that the model is wrong."""
        return self.margins and sureness < 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What a search ends with, for one row."""

    attacked: Attacked
    queries: int = 0  # texts that the model was asked about
    before: float | None = None  # how sure of the clean row, where it was asked
    after: float | None = None  # of the attacked one
    spared: str = ""  # why an attack that applies left the row as it is
    facts: Mapping[str, object] = dataclasses.field(default_factory=dict)  # others


def worst_of(
    rows: Sequence[Row],
    *,
    attack: Attack,
    language: str,
    seed: int,
    k: int,
    budget: float,
    asked: Asked,
    resources: Resources,
    fields: Sequence[str] = (),
) -> list[Found]:
    """Of the seeds `seed` to `seed + k - 1` of an attack the one that hurts most.

    Args:
        rows: the clean ones.
        attack: of the catalogue.
        language: of the rows.
        seed: the first of `k`.
        k: draws; those that are the same text are asked about once.
        budget: of the attack.
        asked: the model.
        resources: what the attack needs.
        fields: of rows, to keep it from the others; empty for all.
    """
    drawn = [
        attack.candidates(
            row,
            language=language,
            seed=seed,
            k=k,
            budget=budget,
            resources=resources,
            fields=fields,
        )
        for row in rows
    ]
    changed = [[each for each in of_row if not each.not_applied] for of_row in drawn]
    said = iter(asked([each.row for of_row in changed for each in of_row]))
    found = []
    for row, of_row, all_drawn in zip(rows, changed, drawn, strict=True):
        if not of_row:
            found.append(Found(attacked=all_drawn[0]))
            continue
        sure = [next(said) for _ in of_row]
        worst = min(range(len(sure)), key=sure.__getitem__)
        found.append(
            Found(
                attacked=of_row[worst],
                queries=asked.queries[row.id],
                after=sure[worst],
            )
        )
    return found


@dataclasses.dataclass
class _State:
    """A row on its way through the greedy search."""

    row: Row
    places: list[Place]  # left to be tried, the next one last
    left: dict[str, int]  # changes that each field may still have
    sure: float
    edits: list[Edit] = dataclasses.field(default_factory=list)
    worst: Row | None = None
    is_done: bool = False


def greedy(
    rows: Sequence[Row],
    *,
    attack: Attack,
    language: str,
    seed: int,
    k: int,
    budget: float,
    asked: Asked,
    resources: Resources,
    fields: Sequence[str] = (),
    most_places: int = 32,
) -> list[Found]:
    """Place by place, those first that the model needs most.

    How much a place matters is how much less sure the model is of what is right when
    it is left out. At each place in turn `k` candidates are tried, on top of what was
    changed before, and the worst is kept if it hurts. A row is done when its fields
    have as many changes as a draw of the attack would make, or when the model is known
    to be wrong; a row that the model has wrong before is left as it is.

    Args:
        rows: the clean ones.
        attack: a word attack of the catalogue.
        language: of the rows.
        seed: of the candidates, and of the places of long texts.
        k: candidates at a place.
        budget: the share of each field's words that may change.
        asked: the model.
        resources: what the attack needs.
        fields: of rows, to keep it from the others; empty for all.
        most_places: of a row that are looked at; of more, a random draw.
    """
    found: list[Found | None] = [None] * len(rows)
    states: dict[int, _State] = {}
    for number, row in enumerate(rows):
        reason = attack.applies(row, language)
        places = attack.places(
            row, language=language, resources=resources, fields=fields
        )
        if reason or not places:
            why = reason or "it has no word that this attack can change"
            found[number] = Found(attacked=Attacked(row=row, not_applied=why))
            continue
        left = {
            field: max(1, int(budget * count))
            for field, count in collections.Counter(
                place.field for place in places
            ).items()
        }
        states[number] = _State(
            row, _drawn(places, most_places, seed=f"{seed}/{row.id}"), left, 0.0
        )
    before = dict(
        zip(states, asked([state.row for state in states.values()]), strict=True)
    )
    for number, state in states.items():
        state.sure = before[number]
        state.is_done = asked.is_wrong(state.sure)
    _order(states.values(), asked=asked)
    while waiting := [state for state in states.values() if _take(state)]:
        tried = [
            [
                (each.edits[0], texts.edited(state.row, [*state.edits, *each.edits]))
                for each in attack.candidates_at(
                    state.row,
                    state.places[-1],
                    language=language,
                    seed=seed,
                    k=k,
                    resources=resources,
                )
            ]
            for state in waiting
        ]
        said = iter(asked([row for of_row in tried for _, row in of_row]))
        for state, of_row in zip(waiting, tried, strict=True):
            place = state.places.pop()
            sure = [next(said) for _ in of_row]
            if not sure or min(sure) >= state.sure:
                continue
            best = min(range(len(sure)), key=sure.__getitem__)
            state.sure = sure[best]
            state.edits.append(of_row[best][0])
            state.worst = of_row[best][1]
            state.left[place.field] -= 1
            state.is_done = asked.is_wrong(state.sure)
    for number, state in states.items():
        found[number] = _ended(state, asked=asked, before=before[number])
    return [each for each in found if each is not None]


def _take(state: _State) -> bool:
    """Whether the row is still attacked; its last place is the next one to try."""
    if state.is_done:
        return False
    while state.places and state.left[state.places[-1].field] < 1:
        state.places.pop()
    return bool(state.places)


def _ended(state: _State, *, asked: Asked, before: float) -> Found:
    spared = ""
    if state.worst is None:
        spared = "the model was wrong before"
        if not asked.is_wrong(before):
            spared = "no candidate made the model less sure"
    attacked = Attacked(row=state.worst or state.row, edits=tuple(state.edits))
    return Found(
        attacked=attacked,
        queries=asked.queries[state.row.id],
        before=before,
        after=state.sure,
        spared=spared,
    )


def _drawn(places: Sequence[Place], most: int, *, seed: str) -> list[Place]:
    """All places, or of too many a random draw, in their order."""
    if len(places) <= most:
        return list(places)
    return sorted(random.Random(f"{seed}/places").sample(list(places), most))


def _order(states: Iterable[_State], *, asked: Asked) -> None:
    """Puts each row's places in order, the most important one last."""
    open_ = [state for state in states if not state.is_done]
    without = [
        [_without(state.row, place) for place in state.places] for state in open_
    ]
    said = iter(asked([row for of_row in without for row in of_row]))
    for state in open_:
        sure = {place: next(said) for place in state.places}
        # Of two that matter alike the first in the text is tried first.
        state.places.sort(key=lambda place: (-sure[place], [-x for x in place[1:]]))


def _without(row: Row, place: Place) -> Row:
    """The row with one place left out."""
    text = LEFT_OUT if isinstance(row, TaggedRow) else ""
    return texts.edited(row, [Edit(*place, text=text)])
