"""`xtl score --submission`: whole folders, as XTREME's evaluate.py prints them."""

from __future__ import annotations

import functools
import json
import shutil

import pytest

NEAR = functools.partial(pytest.approx, abs=1e-9, rel=0)
KITS = {"xtreme": "xtreme", "xtreme-r": "xtreme_r"}


@pytest.fixture(scope="module", params=list(KITS))
def folder(request, shared, tmp_path_factory):
    """Version, folder with labels/ and predictions/, and the kit's document."""
    name = f"xtreme_folder_{KITS[request.param]}.json"
    kit = json.loads((shared / "conformance" / "scorers" / name).read_text("utf-8"))
    root = tmp_path_factory.mktemp(request.param)
    for file, content in kit["files"].items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8"))
    return request.param, root, kit


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder[1], tmp_path / "copy")


def flags(version, root):
    return (
        *("--submission", root / "predictions", "--labels", root / "labels"),
        *("--xtreme_version", version),
    )


def test_a_folder_scores_as_the_script_prints_it(folder, xtl):
    version, root, kit = folder
    found = xtl("score", *flags(version, root), "--json")
    assert (found.code, found.err) == (0, "")
    document = json.loads(found.out)
    published = kit["expected_seqeval_0_0_12"]
    assert document["overall"] == NEAR(published["overall"])
    assert set(document["detailed"]) == set(published["detailed"])
    for task, rows in published["detailed"].items():
        for metric, numbers in rows.items():
            assert document["detailed"][task][metric] == NEAR(numbers), (task, metric)
    newer = document["with_seqeval_1"]
    assert {**document["overall"], **newer["overall"]} == NEAR(
        kit["expected"]["overall"]
    )
    for metric, numbers in kit["expected"]["detailed"]["udpos"].items():
        assert newer["detailed"]["udpos"][metric] == NEAR(numbers)
    assert document["signature"].startswith(f"xtl|benchmark:{version}|tasks:")


def test_the_table_shows_every_language_and_group(folder, xtl):
    version, root, kit = folder
    shown = xtl("score", *flags(version, root)).out
    for name, number in kit["expected_seqeval_0_0_12"]["overall"].items():
        assert name in shown
        assert f"{number:.2f}" in shown
    for language, number in kit["expected"]["detailed"]["xnli"]["accuracy"].items():
        assert f"{language}={number:.1f}" in shown


def test_a_missing_language_is_named_and_nothing_is_averaged(folder, copy, xtl):
    version, *_ = folder
    (copy / "predictions" / "xnli" / "test-ar.tsv").unlink()
    found = xtl("score", *flags(version, copy), "--json")
    assert found.code == 2
    assert not found.out
    assert "1 of " in found.err
    assert "xnli/test-ar.tsv" in found.err


def test_some_tasks_have_only_whole_groups(folder, copy, xtl):
    version, _, kit = folder
    for path in (copy / "predictions").iterdir():
        if path.name not in ("xnli", "pawsx", "tatoeba"):
            shutil.rmtree(path)
    document = json.loads(xtl("score", *flags(version, copy), "--json").out)
    assert document["overall"] == NEAR(kit["only_some_tasks"])
    assert "with_seqeval_1" not in document


def test_other_folders_are_said_and_lareqa_is_refused(folder, copy, xtl):
    version, *_ = folder
    (copy / "predictions" / "xnlii").mkdir()
    shutil.rmtree(copy / "labels" / "xquad")
    found = xtl("score", *flags(version, copy), "--json")
    assert "xnlii: is no task of" in found.err
    assert "xquad: there are no labels for it" in found.err
    assert "qa" not in json.loads(found.out)["overall"]
    for part in ("labels", "predictions"):
        (copy / part / "lareqa").mkdir()
    found = xtl("score", *flags(version, copy), "--json")
    if version == "xtreme-r":
        assert found.code == 2
        assert "has no languages and no reader for lareqa" in found.err
    else:
        assert "lareqa: is no task of xtreme" in found.err


def test_a_file_that_cannot_be_scored_is_named(folder, copy, xtl):
    version, *_ = folder
    path = copy / "predictions" / "panx" / "test-th.tsv"
    path.write_text("O\n")
    found = xtl("score", *flags(version, copy))
    assert found.code == 2
    assert str(path) in found.err
    path.write_bytes(b"\xff\xfe\n")
    found = xtl("score", *flags(version, copy))
    assert "is 0xff, which is not UTF-8" in found.err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--submission", "HERE"], "--labels is missing"),
        (["--labels", "HERE"], "--submission is missing"),
        (["--submission", "HERE", "--labels", "none"], "no such folder of labels"),
        (["--submission", "HERE", "--labels", "HERE"], "no folder of a task of xtreme"),
        (
            ["--submission", "HERE", "--labels", "HERE", "--task", "xnli"],
            "--submission and --task were given",
        ),
    ],
)
def test_bad_requests_are_refused(tmp_path, xtl, arguments, match):
    arguments = [tmp_path if each == "HERE" else each for each in arguments]
    found = xtl("score", *arguments)
    assert found.code == 2
    assert match in found.err
