"""Certified accuracy of prediction files that a vote under noise has made.

`xtl score RUN` writes `robustness/certified.json`: by family and language the accuracy
that no addition to the vectors within a radius can take (`metrics/certified.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from xtl_jax import storage
from xtl_jax.cli import score_run
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics import certified

FOLDER = "robustness"
FILE = "certified.json"


def score(
    run_dir: str | os.PathLike[str], *, find: score_run.Find
) -> dict[str, dict[str, Any]]:
    """Certified accuracy by family and language; empty where nothing was voted on.

    Raises:
        UserError: a record without its certificate among others that have one.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in score_run.prediction_files(run_dir):
        if not records.first(path).certificate:
            continue
        said, family, language = score_run.read_file(path, find=find)
        votes = [_vote(record, path=path) for record in said]
        document = certified.certified(votes, sigma=said[0].decoding["sigma"]).to_json()
        document["split"] = said[0].split
        document["confidence"] = said[0].decoding["confidence"]
        found.setdefault(family.name, {})[language] = document
    return found


def write(run_dir: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write `robustness/certified.json`; nothing where nothing is certified.

    One of answers that have been made anew without a vote is removed.
    """
    path = storage.at(run_dir) / FOLDER / FILE
    if document:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
        records.replace(path, text)
    elif path.is_file():
        path.unlink()


def _vote(record: records.Record, *, path: storage.AnyPath) -> certified.Vote:
    try:
        return certified.Vote(
            right=record.prediction in record.references,
            radius=float(record.certificate["radius"]),
            length=float(record.certificate.get("length", 0.0)),
        )
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{path}: the record of {record.id!r} has no certificate, others have; "
            "predict it again with one --smoothing_sigma"
        ) from None
