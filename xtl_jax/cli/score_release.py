"""A gold file to rows: XTREME's label file, or the release's own file.

XTREME's label files hold labels and nothing else, in the layout of its prediction
files. A file of the release is read as the task's loader reads it. Which of the two a
file is shows in its lines: labels stand alone on theirs.

With a release file, predictions may name a class by its word or by its number from 0.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.errors import UserError
from xtl_jax.metrics import official_lines, scoring

if TYPE_CHECKING:
    from xtl_tasks.family import Family


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldLabels:
    """Gold rows whose predictions come one a line."""

    rows: list[scoring.Row]
    # Names of the classes by number; empty where predictions are compared as they are.
    classes: tuple[str, ...] = ()

    def label(self, said: str) -> str:
        """A predicted label by the name that the gold rows have for it.

        Example:
            >>> gold = GoldLabels(rows=[], classes=("no", "yes"))
            >>> gold.label("1"), gold.label("yes"), gold.label("2")
            ('yes', 'yes', '2')
        """
        if said in self.classes or not said.isdecimal():
            return said
        number = int(said)
        return self.classes[number] if number < len(self.classes) else said


def labels(
    text: str, *, family: Family, language: str, source: str, by_class: bool
) -> GoldLabels:
    """Gold rows of a classification or multiple choice file.

    Args:
        text: of the gold file.
        family: whose loader reads release files.
        language: of the examples.
        source: the gold file's path.
        by_class: whether labels that are class numbers become the family's words.

    Raises:
        UserError: it is neither a label file nor one of the release.
    """
    if _are_options(text):
        return GoldLabels(rows=official_lines.option_rows(text, source=source))
    lines = official_lines.labels(text)
    alone = not any(len(line.split()) > 1 or set(line) & set("{<,") for line in lines)
    if alone or _are_xnli(lines, family=family):
        rows = official_lines.label_rows(text, source=source, language=language)
        if not by_class:
            return GoldLabels(rows=rows)
        named = GoldLabels(rows=rows, classes=family.labels)
        return dataclasses.replace(
            named,
            rows=[
                dataclasses.replace(
                    row, references=tuple(map(named.label, row.references or ()))
                )
                for row in rows
            ],
        )
    rows = _rows(family, language=language, path=source)
    if family.kind == "ranking":  # by number: two options may have the same text
        return GoldLabels(
            rows=[scoring.Row(id=row.id, references=(str(row.answer),)) for row in rows]
        )
    return GoldLabels(rows=_scored(rows, family=family), classes=family.labels)


def tags(text: str, *, family: Family, language: str, source: str) -> list[scoring.Row]:
    """Gold rows of a file of tagged sentences.

    Raises:
        UserError: it is neither a tag file nor one of the release.
    """
    lines = [line for line in official_lines.labels(text) if line]
    if all(len(line.split()) == 1 for line in lines):
        return official_lines.tag_rows(official_lines.sentences(text), source=source)
    return _scored(_rows(family, language=language, path=source), family=family)


def _are_xnli(lines: Sequence[str], *, family: Family) -> bool:
    """Whether these are XNLI's table, or XTREME's three columns of it."""
    if family.name != "xnli" or not lines:
        return False
    widths = {line.count("\t") for line in lines}
    return widths == {2} or {"language", "gold_label"} <= set(lines[0].split("\t"))


def _are_options(text: str) -> bool:
    """Whether the first line is an object whose `label` is a number."""
    first = text.partition("\n")[0].strip()
    if not first.startswith("{"):
        return False
    try:
        label = json.loads(first).get("label")
    except (ValueError, RecursionError):
        return False
    return isinstance(label, int) and not isinstance(label, bool)


def _rows(family: Family, *, language: str, path: str) -> list[Any]:
    """Rows of a release file, in its order."""
    split = family.splits_of(language)[-1]
    paths = (path,) if family.reads_together else path
    found = list(family.read(paths, language=language, split=split))
    if not found:
        raise UserError(f"{path}: holds no example, so there is nothing to score")
    return found


def _scored(rows: Sequence[Any], *, family: Family) -> list[scoring.Row]:
    """What the rows are scored against."""
    return [
        scoring.Row(id=each.id, references=each.references)
        for each in map(family.prompt, rows)
    ]
