"""What queries find, against the official scripts' own output on their vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from xtl_jax.errors import UserError
from xtl_jax.infer import search
from xtl_jax.infer.search import Side


@pytest.fixture(scope="module")
def reference(shared):
    """Reads a file of reference output."""
    folder = shared / "conformance/scorers"

    def read(name):
        if name.endswith(".npz"):
            with np.load(folder / name) as file:
                return dict(file)
        return json.loads((folder / name).read_text(encoding="utf-8"))

    return read


def _side(vectors, *, ids=None, texts=None, right=()):
    names = [str(row) for row in range(len(vectors))]
    return Side(
        ids=ids or names, texts=texts or names, vectors=vectors.copy(), right=right
    )


def _queries(vectors, **columns):
    columns.setdefault("right", [()] * len(vectors))
    return _side(vectors, **columns)


@pytest.mark.parametrize("number", range(4))
def test_tatoeba_finds_what_the_official_script_finds(reference, number):
    case = reference("retrieval_tatoeba.json")["sets"][number]
    arrays = reference(case["npz"])
    queries, candidates = _queries(arrays["y"]), _side(arrays["x"])
    search.normalize(queries.vectors)
    search.normalize(candidates.vectors)
    found = search.nearest(queries, candidates, top=1)
    tied = set(case["queries_with_tied_answer"])
    expected = case["expected_predictions_cosine"]
    got = [int(each.ids[0]) for each in found]
    compared = [row for row in range(len(got)) if row not in tied]
    assert [got[row] for row in compared] == [expected[row] for row in compared]


@pytest.mark.parametrize("number", range(3))
def test_bucc_takes_the_threshold_of_dev_to_test(reference, number):
    case = reference("retrieval_bucc.json")["sets"][number]
    sides = {}
    for split in ("dev", "test"):
        part = case[split]
        arrays = reference(part["npz"])
        right: dict[str, list[str]] = {}
        for line in part["gold"]:
            source, target = line.split("\t")
            right.setdefault(source, []).append(target)
        sides[split] = (
            _side(
                arrays["x"],
                ids=part["src_ids"],
                texts=part["src"],
                right=[right.get(id, ()) for id in part["src_ids"]],
            ),
            _side(arrays["y"], ids=part["trg_ids"], texts=part["trg"]),
        )
    run = case["runs"][0]
    tuned = search.threshold(*sides["dev"])
    assert tuned == pytest.approx(run["dev_expected"]["best-threshold"], abs=1e-5)
    found = search.mine(*sides["test"], threshold=tuned)
    lines = {
        f"{id}\t{each.ids[0]}"
        for id, each in zip(sides["test"][0].ids, found, strict=True)
        if each.ids
    }
    assert lines == set(run["test_prediction_lines"])
    assert all(
        each.similarities[0] >= tuned if each.ids else each.similarities == ()
        for each in found
    )


def test_the_nearest_come_in_order_with_their_cosines():
    queries = _queries(np.array([[3.0, 4.0]], np.float32))
    candidates = _side(np.array([[0, 2], [1, 0], [0, 0], [6, 8]], np.float32))
    search.normalize(queries.vectors)
    search.normalize(candidates.vectors)
    (found,) = search.nearest(queries, candidates, top=20)
    assert found.ids == ("3", "0", "1", "2")
    assert found.similarities == pytest.approx((1.0, 0.8, 0.6, 0.0))


def test_vectors_are_normalised_where_they_lie(tmp_path):
    path = tmp_path / "v.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (3, 2))
    mapped[:] = [[3, 4], [0, 0], [0, 5]]
    search.normalize(mapped)
    mapped.flush()
    expected = np.array([[0.6, 0.8], [0, 0], [0, 1]], np.float32)
    np.testing.assert_array_equal(np.load(path), expected)


def test_a_right_candidate_that_nobody_could_find_is_named():
    queries = _queries(np.eye(2, dtype=np.float32), right=[("1",), ("7",)])
    with pytest.raises(UserError, match=r"query '1': its right candidate '7' is not"):
        search.nearest(queries, _side(np.eye(2, dtype=np.float32)), top=1)


def test_a_threshold_needs_gold_pairs():
    queries = _queries(np.eye(8, dtype=np.float32))
    with pytest.raises(UserError, match="no gold pair"):
        search.threshold(queries, _side(np.eye(8, dtype=np.float32)))


def test_the_first_queries_keep_their_columns():
    queries = _queries(np.eye(3, dtype=np.float32), right=[("a",), (), ("b",)])
    first = queries.first(2)
    assert (first.ids, first.texts, first.right) == (
        ["0", "1"],
        ["0", "1"],
        [("a",), ()],
    )
    assert first.vectors.tolist() == [[1, 0, 0], [0, 1, 0]]
