"""Certified accuracy as a table: from `robustness/certified.json` of a run.

A row a language, a column a radius: the share of answers that are right and stay so
wherever the vectors are moved to within the radius.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.report import languages, wording
from xtl_jax.report.cells import Cell
from xtl_jax.report.results import RunResults


@dataclasses.dataclass(frozen=True, kw_only=True)
class CertifiedRow:
    """One language."""

    code: str
    title: str
    abstained: float  # percent
    cells: tuple[Cell, ...]  # a radius each


@dataclasses.dataclass(frozen=True, kw_only=True)
class CertifiedTable:
    """One family by one run; its languages were voted on with one sigma."""

    arm: str
    family: str
    split: str
    sigma: float
    confidence: float
    radii: tuple[str, ...]  # headings: in the unit of the vectors
    rows: tuple[CertifiedRow, ...]

    @property
    def caption(self) -> str:
        """What the numbers are."""
        return (
            f"Accuracy, percent, {self.split} split, of a vote under noise of sigma "
            f"{self.sigma:g}: answers that are right and that no addition to the "
            "vectors of an example's tokens takes away, as long as it is not longer "
            "than the radius (in the unit of the vectors, all tokens together), each "
            f"with a confidence of {self.confidence:g}; where the vote abstained an "
            "answer counts as wrong."
        )


def tables(arms: Sequence[RunResults]) -> tuple[CertifiedTable, ...]:
    """The tables of all runs that were voted on.

    Raises:
        UserError: a run's document is not what `xtl score` writes.
    """
    return tuple(
        table
        for arm in arms
        for run in arm.runs
        for family, found in run.certified.items()
        for table in _tables(run, family, found)
    )


def _tables(
    run: RunResults, family: str, found: Mapping[str, Mapping[str, Any]]
) -> list[CertifiedTable]:
    """A table for each sigma, as radii belong to it."""
    try:
        by_sigma: dict[tuple[float, float, str], list[str]] = {}
        for code in languages.ordered(found):
            each = found[code]
            key = (float(each["sigma"]), float(each["confidence"]), str(each["split"]))
            by_sigma.setdefault(key, []).append(code)
        return [
            CertifiedTable(
                arm=run.label,
                family=family,
                split=split,
                sigma=sigma,
                confidence=confidence,
                radii=tuple(f"{p['radius']:.3g}" for p in found[codes[0]]["points"]),
                rows=tuple(
                    CertifiedRow(
                        code=code,
                        title=languages.name(code),
                        abstained=float(found[code]["abstained"]),
                        cells=tuple(
                            Cell(value=p["accuracy"], interval=tuple(p["interval"]))
                            for p in found[code]["points"]
                        ),
                    )
                    for code in codes
                ),
            )
            for (sigma, confidence, split), codes in by_sigma.items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UserError(
            f"{run.folder}/robustness/certified.json is not what this version writes "
            f"({type(error).__name__}: {error}); write it again with `xtl score`"
        ) from None


def head(table: CertifiedTable) -> list[str]:
    """Headings of a table."""
    return ["language", "abstained", *(f"within {radius}" for radius in table.radii)]


def lines(table: CertifiedTable) -> list[list[str]]:
    """Cells of a table, below `head`."""
    return [
        [
            f"{row.title} {row.code}",
            wording.number(row.abstained),
            *(
                f"{wording.number(cell.value)} {wording.interval(cell)}".strip()
                for cell in row.cells
            ),
        ]
        for row in table.rows
    ]
