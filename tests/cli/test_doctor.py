"""`xtl doctor`: what is here, what is not, and how to get it."""

from __future__ import annotations

import json

import pytest

from xtl_jax.cli import doctor


def test_a_complete_installation_has_no_problems(xtl, world_data):
    done = xtl("doctor", f"--data_dir={world_data}", "--json")
    found = json.loads(done.out)
    assert done.code == (1 if found["problems"] else 0)
    assert found["devices"] == ["cpu (cpu)"] * 8
    assert found["packages"]["jax"]
    assert found["free_disk_gb"] > 0
    # nine languages, three splits, and one folder that holds them all
    assert found["data"]["world_qa"]["here"] == found["data"]["world_qa"]["of"] == 27
    assert found["data"]["world_qa"]["get"] is None
    assert found["data"]["mlqa"]["here"] == 0
    assert "MLQA_V1.zip" in found["data"]["mlqa"]["get"]
    assert found["data"]["mlqa"]["homepage"].startswith("https://")


def test_the_table_says_the_same(xtl, world_data, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = xtl("doctor", f"--data_dir={world_data}")
    assert "8 x cpu" in done.out
    assert "27 of 27" in done.out
    assert "TensorBoard events" in done.out


def test_what_is_missing_is_named_with_what_to_type(xtl, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", {"not-a-package": "tests"})
    done = xtl("doctor", "--json")
    assert done.code == 1
    assert json.loads(done.out)["problems"] == [
        "not-a-package is not installed (tests): pip install not-a-package"
    ]
    assert "not-a-package" in xtl("doctor").out


def test_no_device_is_a_problem_and_no_traceback(xtl, monkeypatch):
    import jax

    def fail():
        raise RuntimeError("driver too old")

    monkeypatch.setattr(jax, "devices", fail)
    done = xtl("doctor", "--json")
    assert done.code == 1
    assert "driver too old" in json.loads(done.out)["problems"][-1]


def test_a_data_directory_that_is_not_there_is_said(xtl, tmp_path):
    done = xtl("doctor", f"--data_dir={tmp_path / 'nowhere'}")
    assert done.code == 2
    assert "nowhere" in done.err


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_without_a_data_directory_everything_is_still_to_get(xtl, flags, monkeypatch):
    monkeypatch.delenv("XTL_DATA_DIR", raising=False)
    done = xtl("doctor", *flags)
    assert "0 of 27" in done.out if not flags else '"here": 0' in done.out
