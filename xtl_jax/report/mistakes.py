"""Which wrong examples are shown, and how much of each.

An example is wrong in an arm if its primary value is below 1 or its prediction is
missing. Shown are, per task and language, the first wrong examples in the order of the
evaluation split: not the worst and not the prettiest. With several arms an example that
is wrong in any of them is shown with the answer of each, so that one can read what the
intermediate task mended and what it broke.

A page has a budget in bytes, shared equally between the languages; what did not fit is
counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtl_jax.report import languages
from xtl_jax.report.results import LanguageScore, RunResults
from xtl_jax.report.text import Piece, excerpt, fields

if TYPE_CHECKING:
    from xtl_jax.infer.records import Record

PER_LANGUAGE = 20
BYTES = 1_800_000  # of example text and markup; the whole page stays below 3 MB
_MARKUP_BYTES = 500  # of one example, and as much again for each answer
_INPUT_CHARACTERS = 1200
_ANSWER_CHARACTERS = 400
_REFERENCES = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What one arm said to one example."""

    arm: int
    text: tuple[Piece, ...]
    missing: bool  # no prediction at all
    raw: tuple[Piece, ...]  # as decoded, where post-processing changed it
    value: float | None  # primary value, 0 to 1
    log_probability: float | None  # nats

    @property
    def right(self) -> bool:
        """Whether the answer has the full score."""
        return self.value is not None and self.value >= 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """One named part of a prompt; `name` may be empty."""

    name: str
    html_code: str
    pieces: tuple[Piece, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """One example that some arm got wrong."""

    id: str
    inputs: tuple[Field, ...]
    references: tuple[tuple[Piece, ...], ...]
    more_references: int
    answers: tuple[Answer, ...]

    @property
    def right(self) -> tuple[int, ...]:
        """The arms that got it right."""
        return tuple(answer.arm for answer in self.answers if answer.right)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """The wrong examples of one task in one language."""

    family: str
    language: str
    primary: str
    total: int
    wrong: int
    unanswered: int  # of the wrong ones, those that no arm has a prediction for
    shown: tuple[Mistake, ...]

    @property
    def title(self) -> str:
        """The language's English name."""
        return languages.name(self.language)

    @property
    def html_code(self) -> str:
        """Value of the `lang` attribute of its texts."""
        return languages.html_code(self.language)

    @property
    def left_out(self) -> int:
        """How many wrong examples are not on the page."""
        return self.wrong - len(self.shown)


def groups(
    arms: Sequence[RunResults], *, per_language: int = PER_LANGUAGE, budget: int = BYTES
) -> tuple[Group, ...]:
    """Wrong examples by family and language, for those with prediction files."""
    keys = dict.fromkeys(
        (score.family, score.language) for arm in arms for score in arm.scores
    )
    order = languages.ordered(language for _, language in keys)
    ranked = sorted(keys, key=lambda key: (key[0], order.index(key[1])))
    made = []
    for family, language in ranked:
        group = _group(
            family,
            language,
            arms,
            per_language=per_language,
            budget=budget // max(1, len(ranked)),
        )
        if group is not None:
            made.append(group)
    return tuple(made)


def _group(
    family: str,
    language: str,
    arms: Sequence[RunResults],
    *,
    per_language: int,
    budget: int,
) -> Group | None:
    scores = [arm.score(family, language) for arm in arms]
    tables: list[dict[str, Record]] = [
        {}
        if score is None
        else {r.id: r for r in arm.predictions.get(f"{family}.{language}", ())}
        for arm, score in zip(arms, scores, strict=True)
    ]
    if not any(tables):
        return None
    scored = [score for score in scores if score is not None]
    # Examples in evaluation order, then those that have a score but no prediction.
    ids = dict.fromkeys(key for table in tables for key in table)
    ids.update(dict.fromkeys(key for score in scored for key in score.per_example))
    wrong = [key for key in ids if any(s.per_example.get(key, 0.0) < 1 for s in scored)]
    shown: list[Mistake] = []
    used = 0
    for key in wrong[:per_language]:
        mistake = _mistake(key, language, scores=scores, tables=tables)
        if mistake is None:
            continue
        used += _size(mistake)
        if used > budget and shown:
            break
        shown.append(mistake)
    return Group(
        family=family,
        language=language,
        primary=scored[0].primary,
        total=len(ids),
        wrong=len(wrong),
        unanswered=sum(not any(key in table for table in tables) for key in wrong),
        shown=tuple(shown),
    )


def _mistake(
    key: str,
    language: str,
    *,
    scores: Sequence[LanguageScore | None],
    tables: Sequence[dict[str, Record]],
) -> Mistake | None:
    record = next((table[key] for table in tables if key in table), None)
    if record is None:
        return None  # nobody answered it, so no file has its text
    marked = tuple(record.references) if record.context is not None else ()
    question = language.split("-", 1)[1] if languages.is_pair(language) else language
    references = tuple(dict.fromkeys(record.references))
    return Mistake(
        id=key,
        inputs=tuple(
            Field(
                name=name,
                html_code=languages.html_code(
                    question if name == "question" else language
                ),
                pieces=excerpt(
                    text,
                    references=() if name == "question" else marked,
                    limit=_INPUT_CHARACTERS,
                ),
            )
            for name, text in fields(record.inputs)
        ),
        references=tuple(map(_short, references[:_REFERENCES])),
        more_references=max(0, len(references) - _REFERENCES),
        answers=tuple(
            _answer(arm, table.get(key), value=score.per_example.get(key))
            for arm, (score, table) in enumerate(zip(scores, tables, strict=True))
            if score is not None
        ),
    )


def _answer(arm: int, record: Record | None, *, value: float | None) -> Answer:
    if record is None:
        return Answer(
            arm=arm, text=(), missing=True, raw=(), value=value, log_probability=None
        )
    changed = record.prediction_raw.strip() != record.prediction.strip()
    return Answer(
        arm=arm,
        text=_short(record.prediction),
        missing=False,
        raw=_short(record.prediction_raw) if changed else (),
        value=value,
        log_probability=record.log_probability,
    )


def _short(text: str) -> tuple[Piece, ...]:
    return excerpt(text, references=(), limit=_ANSWER_CHARACTERS)


def _size(mistake: Mistake) -> int:
    """Bytes that an example takes on the page, about; `<` and `&` become five."""
    texts = [*(field.pieces for field in mistake.inputs), *mistake.references]
    texts += [part for answer in mistake.answers for part in (answer.text, answer.raw)]
    markup = _MARKUP_BYTES * (1 + len(mistake.answers))
    return markup + sum(
        len(piece.text.encode()) + 5 * sum(map(piece.text.count, "<>&'\""))
        for pieces in texts
        for piece in pieces
    )
