"""Damage that was once told by a traceback, and is told in words since."""

from __future__ import annotations

import json

import pytest

from xtl_jax.cli import fuzz_readers
from xtl_jax.errors import UserError

DEEP, DIGITS = b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"
HOLDER = {"name": "w", "host": "h", "pid": 1, "machine": "", "begun": ""}
CLAIM = {"holder": HOLDER, "beats": 3, "at": 1e9, "seconds": 2.0, "free": False}


def _json(document):
    return json.dumps(document).encode()


def _unknown_compression(data):
    """A zip archive whose directory names a way to compress that nobody has."""
    changed, at = bytearray(data), data.find(b"PK\x01\x02")
    while at >= 0:
        changed[at + 10] = 99
        at = data.find(b"PK\x01\x02", at + 1)
    return bytes(changed)


def _half_a_character(data):
    return data.replace(b'"prediction": "Ada"', b'"prediction": "A\\ud83d"')


def _no_rows(data):
    return _json(json.loads(data) | {"rows": {}})


def _of_text(data):
    return data.replace(b">mlqa.de", b">world_text.de")


EXPECTED, SAID = "predictions/expected.json", "predictions/mlqa.de.jsonl"
CASES = {  # reader, file, its content or what is done to it, what is said
    "gin nested deep": ("gin", "a.gin", b"TRAIN_STEPS = " + DEEP, "nested too deep"),
    "study nested deep": ("study", "study.json", DEEP, "study.json is not complete"),
    "digits": ("study", "study.json", DIGITS, "study.json is not complete"),
    "study without ids": (
        *("study", "study.json", _json({"study": {}, "stages": [{}]})),
        "study.json is not what this version writes .KeyError: 'id'",
    ),
    "done without time": (
        "study",
        "stages/a/done.json",
        b"{}",
        "done.json is not what",
    ),
    "claim of nobody": (
        *("study", "stages/d/claim-1.json", _json({**CLAIM, "holder": {}})),
        "claim-1.json is no claim",
    ),
    "claim at no time": (
        *("study", "stages/d/claim-1.json", _json({**CLAIM, "at": "noon"})),
        "its times are no numbers",
    ),
    "shares": (
        *("study", "stages/b/scores/mlqa.de.json", b'{"shares_percent": 3}'),
        "mlqa.de.json is not what",
    ),
    "items of another task": (
        *("study", "stages/b/items/xnli.de.json", b"{}"),
        "items/xnli.de.json is of xnli, its stage scores mlqa",
    ),
    "no items": (
        *("study", "stages/b/items/mlqa.de.json", _no_rows),
        "mlqa.de.json has no item: delete the stage and run it again",
    ),
    "no clean items": (
        *("study", "stages/b/items/mlqa.de.json", None),
        "stages/b is done and has no clean items: delete the folder",
    ),
    "a target that is not scored": (
        *("study", "study.json", _of_text),
        "study.json: target squad_v1>world_text.de: world_text has no metric",
    ),
    "gin value": ("gin", "a.gin", b"TRAIN_STEPS = -1", "a.gin: these settings have no"),
    "study gin": ("study gin", "s/study.gin", b"\xff", "study.gin is not UTF-8"),
    "launch": ("launch record", "run.json", b"\xff", "run.json is damaged"),
    "ids": (
        *("score a run", EXPECTED, _json({"sets": {"mlqa.de": {"split": "test"}}})),
        "expected.json is not what this version writes .KeyError: 'ids'",
    ),
    "files": ("score a run", "run.json", b'{"run": {"files": 3}}', "run.json is not"),
    "half": ("score a run", SAID, _half_a_character, "line 1: holds one half of"),
    "going on": ("go on with a run", EXPECTED, b"[", "expected.json is not complete"),
    "doctor": ("doctor of a run", "run.json", b'{"run": [1]}', "run.json is not what"),
    "card": ("token store", "card.json", b'{"format_version": 1}', "does not say how"),
    "card is a list": ("token store", "card.json", b"[1]", "card.json is not readable"),
    "header": (
        *("safetensors", "model.safetensors", b"\x10\x27" + b"\0" * 6 + DEEP[:10_000]),
        "model.safetensors is missing or damaged",
    ),
    "config": ("safetensors", "config.json", DEEP, "config.json is not JSON"),
    "archive": (
        *("torch", "pytorch_model.bin", _unknown_compression),
        "pytorch_model.bin is missing, damaged or older",
    ),
    "others": ("predictions for mlqa", "said", b'{"z": "x"}', "said: none of the 1"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_message_that_names_the_file(tmp_path, case):
    name, file, content, message = CASES[case]
    (made := tmp_path / "made").mkdir()
    reader = fuzz_readers.make(name, made)
    files = dict(reader.files)
    files[file] = content(files[file]) if callable(content) else content
    assert files[file] != reader.files.get(file)
    if files[file] is None:
        del files[file]
    for path, data in files.items():
        (tmp_path / "it" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "it" / path).write_bytes(data)
    with pytest.raises(UserError, match=message) as caught:
        reader.read(tmp_path / "it")
    assert str(tmp_path / "it") in str(caught.value)


def test_a_plan_that_was_kept_and_is_damaged_is_made_anew(tmp_path):
    from xtl_jax.hardware import plan

    for content in (b"", b"{", b"[1]", b"\xff", DEEP):
        (tmp_path / "x.json").write_bytes(content)
        assert plan._kept(tmp_path / "x.json") == {}
    assert plan._kept(tmp_path / "y.json") == {}
