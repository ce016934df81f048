"""Prediction files: what is written is read, and what is damaged is named."""

from __future__ import annotations

import dataclasses
import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.errors import UserError
from xtl_jax.infer import records


def make(id_="q1", **changes):
    inputs = changes.pop("inputs", f"question: {id_} ?")
    fields = {
        "task": "mlqa.ar",
        "family": "mlqa",
        "language": "ar",
        "split": "validation",
        "id": id_,
        "inputs": inputs,
        "inputs_sha256": records.prompt_sha256(inputs),
        "prediction_raw": "<extra_id_0> القاهرة",
        "prediction": "القاهرة",
        "references": ("القاهرة", "مدينة القاهرة"),
        "context": "مدينة القاهرة",
        "log_probability": -1.25,
        "checkpoint": "checkpoints/20",
        "step": 20,
        "decoding": {"method": "greedy", "max_length": 32},
    }
    return records.Record(**{**fields, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "predictions" / "mlqa.ar.jsonl"


def lines_of(*made):
    return [
        json.dumps(dataclasses.asdict(record), ensure_ascii=False) for record in made
    ]


def put(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_is_written_is_read_in_order(path):
    made = [
        make("b"),
        make("a", context=None, log_probability=None, references=()),
        make("c", prediction="line\u2028separator\x85 and\nnew line", inputs="\u2029"),
    ]
    records.write(path, made)
    assert records.read(path) == made
    assert path.read_bytes().count(b"\n") == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "mlqa.ar.jsonl"
    record = make(text, prediction=text, prediction_raw=text, context=text)
    records.write(path, [record])
    assert records.read(path) == [record]


def test_writing_what_cannot_be_written_keeps_the_old_file(path):
    records.write(path, [make()])
    before = path.read_bytes()
    with pytest.raises(UserError, match="two records have the id 'q1'"):
        records.write(path, [make(), make()])
    with pytest.raises(UserError, match=r"record of 'q1'.*log-probability is -inf"):
        records.write(path, [make(log_probability=float("-inf"))])
    with pytest.raises(RuntimeError, match="halfway"):
        records.write(path, _fails_halfway())
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def _fails_halfway():
    yield make()
    raise RuntimeError("halfway")


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    put(tmp_path / "file", "x")
    with pytest.raises(UserError, match=r"cannot be written .*nothing was overwritten"):
        records.write(tmp_path / "file" / "mlqa.ar.jsonl", [make()])


def test_no_space_left_is_a_clear_error_and_leaves_the_old_file(path, monkeypatch):
    records.write(path, [make()])
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        records.write(path, [make("other")])
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def refused(path, text, match):
    with pytest.raises(UserError, match=match) as caught:
        records.read(put(path, text))
    assert str(path) in str(caught.value)


def test_missing_and_empty_files_are_refused(path):
    with pytest.raises(UserError, match="no such prediction file"):
        records.read(path)
    refused(path, "", "the file is empty")
    with pytest.raises(UserError, match=f"{path.parent}: cannot be read .*directory"):
        records.read(path.parent)


def test_the_first_is_read_alone(path):
    put(path, "\n".join([*lines_of(make("b")), "{ no JSON"]))
    assert records.first(path) == make("b")


@pytest.mark.parametrize("text", [None, "", "{ no JSON"])
def test_a_file_without_a_first_is_refused_as_by_reading_it_whole(path, text):
    if text is not None:
        put(path, text)
    with pytest.raises(UserError) as whole:
        records.read(path)
    with pytest.raises(UserError) as first:
        records.first(path)
    assert str(first.value) == str(whole.value)


def test_a_duplicate_id_is_named_with_both_lines(path):
    text = "\n".join(lines_of(make("a"), make("b"), make("a"))) + "\n"
    refused(path, text, r"line 3: the id 'a' is in line 1 already")


def test_a_cut_file_is_refused_wherever_it_is_cut(path):
    whole = ("\n".join(lines_of(make("a"), make("b"))) + "\n").encode()
    first = whole.index(b"\n")
    for end in range(first + 2, len(whole)):
        refused(path, whole[:end], "line 2")
    assert len(records.read(put(path, whole))) == 2


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{nonsense", "line 2: is no JSON"),
        ("", "line 2: is no JSON"),
        ("[1]", "line 2: must be an object"),
        ('{"log_probability": NaN}', "NaN is not a number"),
    ],
)
def test_a_line_that_is_no_record_is_named(path, line, match):
    refused(path, f"{lines_of(make())[0]}\n{line}\n", match)


def test_other_encodings_are_named_by_line_and_byte(path):
    good = lines_of(make("a"))[0].encode() + b"\n"
    bad = lines_of(make("é", inputs="x"))[0].encode("latin-1", errors="replace")
    refused(path, good + bad + b"\n", r"line 2: byte \d+ is 0xe9, which is not UTF-8")
    refused(path, good.decode().encode("utf-16"), "line 1: byte 0 is 0xff")
    refused(path, b"\xef\xbb\xbf" + good, "line 1: is no JSON")


OPTIONS = "a list of objects with text, log_probability and tokens"
NEEDED = [
    field.name
    for field in dataclasses.fields(make())
    if field.default is field.default_factory  # neither is there
]


@pytest.mark.parametrize("name", NEEDED)
def test_every_field_is_needed(path, name):
    values = dataclasses.asdict(make())
    del values[name]
    refused(path, json.dumps(values) + "\n", f"line 1: has no field '{name}'")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("id", 7, "a text"),
        ("prediction", None, "a text"),
        ("prediction", ["x"], "a text"),
        ("references", "x", "a list of texts"),
        ("references", ["x", 1], "a list of texts"),
        ("context", 1, "a text or null"),
        ("log_probability", "-1", "a number or null"),
        ("log_probability", True, "a number or null"),
        ("step", 1.5, "a number"),
        ("step", None, "a number"),
        ("decoding", [], "an object"),
        ("similarities", 0.5, "a list of numbers"),
        ("similarities", ["0.5"], "a list of numbers"),
        ("similarities", [True], "a list of numbers"),
        ("options", {"a": -1.0}, OPTIONS),
        ("options", [{"text": "a", "log_probability": -1.0}], OPTIONS),
        (
            "options",
            [{"text": "a", "log_probability": "-1", "tokens": 2}],
            OPTIONS,
        ),
        (
            "options",
            [{"text": "a", "log_probability": -1.0, "tokens": 2.5}],
            OPTIONS,
        ),
    ],
)
def test_a_field_of_another_type_is_refused(path, name, value, wanted):
    values = {**dataclasses.asdict(make()), name: value}
    refused(path, json.dumps(values) + "\n", f"field '{name}' must be {wanted}, is")


def test_an_unknown_field_suggests_the_near_one(path):
    values = {**dataclasses.asdict(make()), "predictions": "x"}
    match = "unknown field 'predictions'; near: prediction"
    refused(path, json.dumps(values) + "\n", match)


def test_a_prompt_that_was_changed_is_refused(path):
    values = {**dataclasses.asdict(make()), "inputs": "question: another ?"}
    refused(path, json.dumps(values) + "\n", "inputs_sha256 is not the hash of inputs")


def test_scored_targets_and_similarities_come_back(path):
    options = (
        records.Option(text="ja", log_probability=-0.25, tokens=2),
        records.Option(text="nein", log_probability=-3.5, tokens=3),
    )
    written = [
        dataclasses.replace(make("a"), options=options),
        dataclasses.replace(make("b"), similarities=(0.75, -0.5)),
        make("c"),
    ]
    records.write(path, written)
    assert records.read(path) == written


def test_files_of_before_are_read_and_those_without_options_look_as_they_did(path):
    records.write(path, [make()])
    values = json.loads(path.read_text(encoding="utf-8"))
    assert list(values) == NEEDED
    assert records.read(path)[0].options == ()
