"""XTREME's evaluate.py: single files and whole folders, as the script scores them."""

from __future__ import annotations

import functools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.errors import UserError
from xtl_jax.metrics import xtreme
from xtl_jax.metrics.benchmark import BENCHMARKS

NEAR = functools.partial(pytest.approx, abs=1e-9, rel=0)


@pytest.fixture(scope="module")
def kit(shared):
    def load(name):
        path = shared / "conformance" / "scorers" / f"xtreme_{name}.json"
        return json.loads(path.read_text("utf-8"))

    return load


def values_of(files, version, *, tasks=None, seqeval="0"):
    return {
        task.name: {
            language: xtreme.score_file(
                task.name,
                gold=files[f"labels/{name}"],
                predictions=files[f"predictions/{name}"],
                language=language,
                seqeval=seqeval,
            )
            for language in task.languages
            for name in [
                f"{task.name}/{xtreme.file_name(task.name, language=language)}"
            ]
        }
        for task in xtreme.scored_tasks(version)
        if tasks is None or task.name in tasks
    }


def test_single_files_agree(kit):
    cases = kit("single_files")["cases"]
    assert len(cases) == 66
    for case in cases:

        def scored(case=case):
            return xtreme.score_file(
                case["task"],
                gold=case["label_file"],
                predictions=case["prediction_file"],
                language="de",
            )

        if "raises" in case["expected"]:
            with pytest.raises(UserError):
                scored()
        else:
            assert scored() == NEAR(case["expected"]), (case["task"], case["what"])


@pytest.mark.parametrize(
    ("name", "version"), [("xtreme", "xtreme"), ("xtreme_r", "xtreme-r")]
)
@pytest.mark.parametrize(
    ("seqeval", "key"), [("0", "expected_seqeval_0_0_12"), ("1", "expected")]
)
def test_whole_folders_agree(kit, name, version, seqeval, key):
    expected = kit(f"folder_{name}")
    found = xtreme.evaluate(
        version, values_of(expected["files"], version, seqeval=seqeval)
    )
    overall, detailed = expected[key]["overall"], expected[key]["detailed"]
    assert found.overall == NEAR(overall)
    assert set(found.detailed) == set(detailed)
    for task, rows in detailed.items():
        mine = found.detailed[task]
        assert set(mine) == set(rows), task
        for metric, numbers in rows.items():
            if isinstance(numbers, dict):
                assert list(mine[metric]) == list(numbers)
            assert mine[metric] == NEAR(numbers), (task, metric)


@pytest.mark.parametrize(
    ("name", "version"), [("xtreme", "xtreme"), ("xtreme_r", "xtreme-r")]
)
def test_some_tasks_have_only_the_groups_that_are_whole(kit, name, version):
    expected = kit(f"folder_{name}")
    values = values_of(expected["files"], version, tasks=("xnli", "pawsx", "tatoeba"))
    assert xtreme.evaluate(version, values).overall == NEAR(expected["only_some_tasks"])


def test_a_mean_over_fewer_languages_is_not_made(kit):
    values = values_of(kit("folder_xtreme")["files"], "xtreme", tasks=("xnli",))
    del values["xnli"]["ar"]
    with pytest.raises(ValueError, match="xnli lacks ar"):
        xtreme.evaluate("xtreme", values)
    with pytest.raises(UserError, match="has no task 'xcopa'"):
        xtreme.evaluate("xtreme", {"xcopa": {}})


def test_every_task_that_the_script_scores_has_a_layout():
    for version in BENCHMARKS:
        for task in xtreme.scored_tasks(version):
            assert task.name in xtreme.LAYOUTS
    assert "lareqa" not in xtreme.LAYOUTS


@pytest.mark.parametrize(
    ("task", "gold", "predictions", "match"),
    [
        ("xcopa", '{"label": 0}\n', "[0]\n", "line 1 has no 'label'"),
        ("xcopa", '{"label": "x"}\n', '{"label": 0}\n', "no number of an option"),
        ("xcopa", "", "", "holds no label"),
        ("bucc2018", "", "a\tb\n", "holds no pair"),
        ("mewslix", '{"a": ["Q1"]}', '{"a": "Q1"}', "a list of ids"),
        ("mewslix", '{"a": [""]}', '{"a": ["Q1"]}', "published without them"),
        ("mewslix", "{}", "{}", "holds no example"),
        ("mewslix", '{"a": ["Q1", "Q2"]}', '{"a": []}', "one id is right here"),
        ("panx", "O\n\nO\n", "O\n\n\nO\n", "3 sentences, the gold file 2.*two blank"),
        ("udpos", "NOUN\nVERB\n", "NOUN\n", "sentence 1 has 1 tags for 2 tokens"),
        ("udpos", "", "NOUN\n", "holds no tag"),
    ],
)
def test_files_that_cannot_be_scored_are_refused(task, gold, predictions, match):
    with pytest.raises(UserError, match=match):
        xtreme.score_file(task, gold=gold, predictions=predictions, language="de")


def test_mewslix_ids_are_stripped_in_the_gold_file_alone():
    gold = '{"a": [" Q7 "]}'
    for said, expected in (('["Q7"]', 100.0), ('[" Q7 "]', 0.0), ('["x", "Q7"]', 50.0)):
        found = xtreme.score_file(
            "mewslix", gold=gold, predictions=f'{{"a": {said}}}', language="de"
        )
        assert found == {"map@20": expected}


# Pieces of every layout, put together in ways that no file should be.
TEXTS = st.lists(
    st.sampled_from(
        [
            *(
                "\n",
                "\r\n",
                "\t",
                " ",
                "\ufeff",
                "\0",
                "\u2028",
                "é",
                "O",
                "B-PER",
                "X",
            ),
            *("neutral", "0", "1", "de-1\ten-1", "NOUN", "SCONJ", "-", "I-"),
            *('{"label": 0}', '{"label": [NaN]}', '{"label": 1e999}', "{}", "[]"),
            *('{"a": ["Q1"]}', '{"a": "x"}', '{"data": []}', '{"a": null}', "[" * 2000),
        ]
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize("task", list(xtreme.LAYOUTS))
@given(gold=TEXTS, predictions=TEXTS)
def test_any_text_is_scored_or_refused(task, gold, predictions):
    for said in (predictions, gold):
        try:
            found = xtreme.score_file(
                task, gold=gold, predictions=said, language="de", seqeval="1"
            )
        except UserError:
            continue
        assert all(0.0 <= number <= 100.0 for number in found.values())
