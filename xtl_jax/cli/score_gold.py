"""What a run should have predicted: the examples of its evaluation sets.

A prediction file cannot tell that its last lines were lost. `xtl predict` therefore
lists beside its files which ids each of them should have (`predictions/expected.json`).
Where that list is not there, or a data directory is named, the release files are read
again: a run's `run.json` says where they were, how they are called and how many
examples of each set were to be predicted.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics import scoring

if TYPE_CHECKING:
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings


class GoldReader:
    """Reads the examples that a prediction file should cover.

    Attributes:
        limit: how many examples of each set the run was to predict; 0 for all.
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
            run_dir: the run; its `run.json` and list of ids are read if they are there.
            find: `xtl_tasks.catalog.find`.
            data_dir: looked at instead of the run's; then data has to be there.
        """
        self._find = find
        self._required = data_dir is not None
        folder = storage.at(run_dir)
        run = folder / "run.json"
        with records.understood(run):
            self._run = dict(_json(run).get("run", {}))
            self.limit = int(self._run.get("evaluate_examples") or 0)
            self._files = dict(self._run.get("files", {}))
        self._listed = folder / "predictions" / records.EXPECTED
        self._expected = _json(self._listed)
        self._data_dir = data_dir or self._run.get("data_dir") or None
        self.not_checked: list[str] = []

    def __call__(self, first: records.Record) -> list[scoring.Row] | None:
        """Gold rows of the set that a file's first record belongs to, if known.

        Of rows that come from the list of ids the references are not known.

        Raises:
            UserError: the list is of another split, or a data directory was asked for
                and the data is not in it.
        """
        family, language = self._find(first.task)
        ids = self._expected_ids(f"{family.name}.{language}", split=first.split)
        if ids is not None and not self._required:
            return [scoring.Row(id=id_, references=None) for id_ in ids]
        # A list of ids says more than a number of examples.
        limit = None if ids else self.limit or None
        try:
            rows = _read(
                family,
                language,
                split=first.split,
                settings=self._settings(),
                limit=limit,
            )
        except UserError:
            if self._required:
                raise
            rows = None
        if rows is None:
            self.not_checked.append(first.task)
        elif ids is not None:
            wanted = set(ids)
            rows = [row for row in rows if row.id in wanted]
        return rows

    def _expected_ids(self, name: str, *, split: str) -> list[str] | None:
        """Ids that `xtl predict` set out to predict, if it left a list of them."""
        with records.understood(self._listed):
            entry = self._expected.get("sets", {}).get(name)
            if entry is None:
                return None
            listed_split, ids = entry["split"], [str(id_) for id_ in entry["ids"]]
        if listed_split != split:
            raise UserError(
                f"{name}: {records.EXPECTED} lists its {listed_split} split, the "
                f"predictions are of {split}; make them again with `xtl predict`"
            )
        return ids

    def _settings(self) -> TaskSettings:
        from xtl_tasks.loading import TaskSettings

        return TaskSettings(data_dir=self._data_dir, files=self._files)


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
    if source is not None and source.sets():
        return None  # TFDS: scoring does not import TensorFlow
    examples = loading.examples(family, language, split=split, settings=settings)
    # Candidates of retrieval are found, not predicted.
    predicted = (each for each in examples if each.side != "candidate")
    return [
        scoring.Row(
            id=example.id,
            references=example.references,
            context=example.context,
        )
        for example in itertools.islice(predicted, limit)
    ]


def _json(path: storage.AnyPath) -> Mapping[str, Any]:
    """A JSON object of a run; empty where there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); restore it, or move it away to score "
            "without it"
        ) from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: must be a JSON object; restore it or move it away")
    return document
