"""What a run should have predicted: the examples of its evaluation sets.

A prediction file cannot tell that its last lines were lost. The release files it was
made from can, where they are still here: a run's `run.json` says where they were, how
they are called and how many examples of each were to be predicted.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics import scoring

if TYPE_CHECKING:
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings


class GoldReader:
    """Reads the examples that a prediction file should cover.

    Attributes:
        not_checked: tasks whose data was not found, in the order they were asked for.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        *,
        find: Callable[[str], tuple[Family, str]],
        data_dir: str | None = None,
    ) -> None:
        """Where to look.

        Args:
            run_dir: the run; its `run.json` is read if it is there.
            find: `xtl_tasks.catalog.find`.
            data_dir: looked at instead of the run's; then data has to be there.
        """
        self._find = find
        self._required = data_dir is not None
        self._run = _run_config(pathlib.Path(run_dir) / "run.json")
        self._data_dir = data_dir or self._run.get("data_dir") or None
        self.not_checked: list[str] = []

    def __call__(self, first: records.Record) -> list[scoring.Row] | None:
        """Gold rows of the set that a file's first record belongs to, if here.

        Raises:
            UserError: a data directory was asked for and the data is not in it.
        """
        family, language = self._find(first.task)
        # A prediction of fewer examples than the run's says so itself.
        limit = first.decoding.get("examples", self._run.get("evaluate_examples", 0))
        try:
            rows = _read(
                family,
                language,
                split=first.split,
                settings=self._settings(),
                limit=limit or None,
            )
        except UserError:
            if self._required:
                raise
            rows = None
        if rows is None:
            self.not_checked.append(first.task)
        return rows

    def _settings(self) -> TaskSettings:
        from xtl_tasks.loading import TaskSettings

        return TaskSettings(
            data_dir=self._data_dir, files=dict(self._run.get("files", {}))
        )


def _read(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    limit: int | None,
) -> list[scoring.Row] | None:
    from xtl_tasks import loading

    source = loading.find_source(family, language, split=split, settings=settings)
    if source is not None and not source.paths:
        return None  # TFDS: scoring does not import TensorFlow
    examples = loading.examples(family, language, split=split, settings=settings)
    return [
        scoring.Row(
            id=example.id,
            references=example.references,
            context=example.context,
        )
        for example in itertools.islice(examples, limit)
    ]


def _run_config(path: pathlib.Path) -> Mapping[str, Any]:
    """The `run` part of a run's resolved config; empty where there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as the config of a run ({error}); restore it, or "
            "move it away to score without it"
        ) from None
    run = document.get("run") if isinstance(document, dict) else None
    return run if isinstance(run, dict) else {}
