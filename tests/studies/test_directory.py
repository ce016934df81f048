"""A study's directory is of one study at one scale."""

from __future__ import annotations

import pytest

from xtl_jax.errors import UserError
from xtl_jax.studies.directory import STUDY, Directory

MINE = {"study": {"name": "task_order", "scale": "world"}, "stages": []}


def test_what_is_the_same_is_left_as_it_is_and_stages_may_come(tmp_path):
    Directory(tmp_path).write_study(MINE)
    path = tmp_path / STUDY
    before = path.stat()
    Directory(tmp_path).write_study(MINE)
    assert path.stat() == before
    more = {**MINE, "stages": [{"id": "a"}]}
    Directory(tmp_path).write_study(more)
    assert Directory(tmp_path).study() == more


@pytest.mark.parametrize(
    ("key", "value"), [("name", "number_of_tasks"), ("scale", "real")]
)
def test_another_study_or_scale_is_refused_and_nothing_is_written(tmp_path, key, value):
    Directory(tmp_path).write_study(MINE)
    other = {**MINE, "study": {**MINE["study"], key: value}}
    says = rf"{STUDY}: the {key} of the study there is '{MINE['study'][key]}', and "
    with pytest.raises(UserError, match=f"{says}'{value}' was asked for; give another"):
        Directory(tmp_path).write_study(other)
    assert Directory(tmp_path).study() == MINE
