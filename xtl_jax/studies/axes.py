"""Every axis, by name: to add one, write its file and its line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xtl_jax.studies import (
    grid,
    language_mix,
    order,
    source_language,
    steps,
    subsets,
)
from xtl_jax.studies.arms import Arm
from xtl_jax.studies.config import StudyConfig

AXES: Mapping[str, Callable[[StudyConfig], tuple[Arm, ...]]] = {
    "subsets": subsets.arms,
    "order": order.arms,
    "steps": steps.arms,
    "language_mix": language_mix.arms,
    "source_language": source_language.arms,
    "grid": grid.arms,
}


def arms(config: StudyConfig) -> tuple[Arm, ...]:
    """The arms of a study, the baseline first.

    Raises:
        UserError: fields that the study's axis cannot do with.
    """
    return AXES[config.axis](config)
