"""Answers of an mT5 that need more of an example than it has."""

from __future__ import annotations

import types

import pytest

from xtl_jax.cli import predict_answers
from xtl_jax.data import store
from xtl_jax.errors import UserError


def test_an_example_without_options_is_not_ranked(tmp_path):
    rows = [{"inputs": [5, 1], "targets": [6, 1], "meta": {"id": "a-7"}}]
    folder = store.write(tmp_path / "copa", rows, {"task": "copa"})
    with pytest.raises(UserError, match=r"copa: example 'a-7' has no options to rank"):
        predict_answers.answer(
            types.SimpleNamespace(kind="ranking", labels=()),
            store.Store(folder),
            by=predict_answers.Predictor(None, None, None, None, lambda rows: rows),
            examples=1,
        )
