"""Any format into any other, bitwise, with its vocabulary, or refused."""

from __future__ import annotations

import collections
import itertools
import json
import shutil

import numpy as np
import pytest

import xtl_jax
from xtl_jax.checkpoint import convert, find, names
from xtl_jax.data import vocabulary as vocabularies
from xtl_jax.errors import UserError

FORMATS = ("t5x", "huggingface", "xtl")


def _edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# --- round trips ----------------------------------------------------------------------


@pytest.fixture
def round_trip(convert_to, same, tmp_path):
    """T5X -> ours -> Hugging Face -> ours -> T5X, the same at each stop."""

    def go(source, step):
        hops = [
            convert_to(source, tmp_path / "ours", "xtl"),
            convert_to(tmp_path / "ours", tmp_path / "hf", "huggingface"),
            convert_to(tmp_path / "hf", tmp_path / "again", "xtl"),
            convert_to(tmp_path / "again", tmp_path / f"checkpoint_{step}", "t5x"),
        ]
        for before, after in itertools.pairwise((source, *hops)):
            same(before, after)
        return hops[-1]

    return go


def test_a_round_trip_over_all_formats_is_bitwise(t5x_toy, round_trip):
    last = round_trip(t5x_toy, step=7)
    files = sorted(path.relative_to(last) for path in last.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(t5x_toy) for path in t5x_toy.rglob("*") if path.is_file()
    )
    for name in files:  # the very files of the first one come out
        assert (last / name).read_bytes() == (t5x_toy / name).read_bytes(), name


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("random_legacy/checkpoint_0", 0),
        ("random_legacy_bf16_chunked", 0),
        ("trained_orbax/checkpoint_300", 300),
    ],
)
def test_a_round_trip_of_the_reference_checkpoints_is_bitwise(
    shared, round_trip, name, step
):
    round_trip(shared / "conformance/t5x" / name, step)


@pytest.mark.parametrize("name", ["mt5_tiny", "mt5_tiny_sharded", "mt5_tiny_bin"])
@pytest.mark.parametrize("to", FORMATS)
def test_references_of_hugging_face_become_all_formats(
    shared, tmp_path, name, to, same, convert_to
):
    source = shared / "conformance/hf" / name
    same(source, convert_to(source, tmp_path / "new", to))


def test_logits_of_the_reference_come_out_of_our_format(shared, tmp_path, convert_to):
    folder = shared / "conformance/hf"
    found = convert_to(folder / "mt5_tiny", tmp_path / "new", "xtl")
    with np.load(folder / "mt5_tiny_expected.npz") as file:
        given = {name: file[f"short.{name}"] for name in ("input_ids", "logits")}
        decoder = file["short.decoder_input_ids"]
    logits = xtl_jax.load(str(found)).logits(
        inputs=given["input_ids"], decoder_inputs=decoder
    )
    full = (decoder[:, 1:] > 0).all(axis=1)  # we mask padding of the targets
    assert full.any()
    np.testing.assert_allclose(
        logits[full], given["logits"][full], atol=1e-4, rtol=2e-5
    )


def test_the_step_of_t5x_is_in_a_folders_name(t5x_toy, hf_toy, tmp_path, convert_to):
    inner = convert_to(t5x_toy, tmp_path / "mt5", "t5x") / "checkpoint_7"
    assert find.find(str(tmp_path / "mt5")).source().step == 7
    assert sorted(path.name for path in inner.parent.iterdir()) == ["checkpoint_7"]
    named = convert_to(hf_toy, tmp_path / "checkpoint_1000000", "t5x")
    assert find.find(str(named)).source().step == 1_000_000


def test_what_t5x_cannot_say_is_refused(hf_toy, tmp_path, same, convert_to):
    source = shutil.copytree(hf_toy, tmp_path / "hf")
    config = json.loads((source / "config.json").read_text())
    config["relative_attention_max_distance"] = 256
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"max_distance 256; .* T5X's code has 128"):
        convert.plan(str(source), str(tmp_path / "new"), to="t5x")
    same(source, convert_to(source, tmp_path / "new", "xtl"))


def test_parts_are_counted(shared):
    """The public sizes: the sum of the shapes that transformers lists."""
    for size in ("small", "base", "large", "xl", "xxl"):
        listed = json.loads(
            (shared / f"conformance/hf/shapes/mt5-{size}.json").read_text()
        )
        values = listed["hyper_parameters"]
        shapes = listed["architectures"]["MT5ForConditionalGeneration"]["parameters"]
        config = names.ModelConfig(
            vocab=values["vocab_size"],
            embed=values["d_model"],
            heads=values["num_heads"],
            head_dim=values["d_kv"],
            mlp=values["d_ff"],
            encoder_layers=values["num_layers"],
            decoder_layers=values["num_decoder_layers"],
        )
        expected = collections.Counter()
        for name, shape in shapes.items():
            part = {"shared": "embedding", "lm_head": "head"}.get(name.split(".")[0])
            expected[part or name.split(".")[0]] += int(np.prod(shape))
        assert convert.parts(config) == dict(expected)


# --- vocabularies ---------------------------------------------------------------------


def test_the_vocabulary_goes_with_the_model(
    t5x_toy, small_vocabulary, tmp_path, convert_to
):
    model = small_vocabulary.read_bytes()
    given = {"vocabulary": str(small_vocabulary)}
    hf = convert_to(t5x_toy, tmp_path / "hf", "huggingface", **given)
    assert (hf / "spiece.model").read_bytes() == model
    own = convert_to(hf, tmp_path / "ours", "xtl")
    assert (own / "spiece.model").read_bytes() == model
    environment = json.loads((own / "run.json").read_text())["environment"]
    assert environment["vocabulary_size"] == 100
    assert (
        environment["vocabulary_sha256"] == vocabularies.load(small_vocabulary).sha256
    )
    again = convert_to(own, tmp_path / "again", "huggingface")
    assert (again / "spiece.model").read_bytes() == model
    tokenizer = json.loads((again / "tokenizer_config.json").read_text())
    assert tokenizer["extra_ids"] == 0  # sentinels are in the file


def test_rows_without_a_piece_are_never_generated_after_a_conversion(
    ours_toy, tmp_path, convert_to
):
    """The size of a vocabulary of bytes goes with the model, too."""
    source = shutil.copytree(ours_toy, tmp_path / "run")
    known = {"vocabulary_size": 200, "vocabulary_sha256": "f" * 64}
    _edit(source / "run.json", environment=known)
    hf = convert_to(source, tmp_path / "hf", "huggingface")
    generation = json.loads((hf / "generation_config.json").read_text())
    assert generation["suppress_tokens"] == list(range(200, 256))
    again = convert_to(source, tmp_path / "again", "xtl")
    environment = json.loads((again / "run.json").read_text())["environment"]
    assert known.items() <= environment.items()
    for path in (source, hf, again, convert_to(hf, tmp_path / "last", "xtl")):
        assert xtl_jax.load(str(path)).vocabulary_size == 200
    for never in ([], [5], list(range(256)), None):  # says nothing of padding rows
        _edit(hf / "generation_config.json", suppress_tokens=never)
        assert xtl_jax.load(str(hf)).vocabulary_size == 256


def test_the_vocabulary_of_a_run_is_found(
    ours_toy, small_vocabulary, tmp_path, convert_to
):
    """With its sentinels, and only if it is the one that the run was trained with."""
    source = shutil.copytree(ours_toy, tmp_path / "run")
    vocabulary = vocabularies.load(small_vocabulary, extra_ids=10)
    _edit(
        source / "run.json",
        run={"vocabulary": str(small_vocabulary), "extra_ids": 10},
        environment={"vocabulary_size": 110, "vocabulary_sha256": vocabulary.sha256},
    )
    new = convert_to(source, tmp_path / "new", "huggingface")
    written = vocabularies.load(new / "spiece.model")
    assert (written.size, len(written.sentinel_ids)) == (110, 10)
    text = "abc <extra_id_3> jih"
    assert written.encode(text) == vocabulary.encode(text)
    _edit(source / "run.json", environment={"vocabulary_sha256": "0" * 64})
    with pytest.raises(UserError, match=r"is not the one that .*run was trained with"):
        convert.plan(str(source), str(tmp_path / "x"), to="xtl")


def test_a_run_whose_vocabulary_is_gone_or_bytes_has_no_tokenizer(
    ours_toy, tmp_path, convert_to
):
    source = shutil.copytree(ours_toy, tmp_path / "run")
    for number, name in enumerate(("bytes", str(tmp_path / "gone.model"))):
        _edit(source / "run.json", run={"vocabulary": name, "extra_ids": 0})
        new = convert_to(source, tmp_path / f"new{number}", "huggingface")
        assert not (new / "spiece.model").exists()
        assert not (new / "tokenizer_config.json").exists()


def test_a_vocabulary_that_does_not_fit_is_refused(t5x_toy, small_vocabulary, tmp_path):
    def plan(vocabulary):
        return convert.plan(
            str(t5x_toy), str(tmp_path / "new"), to="xtl", vocabulary=str(vocabulary)
        )

    larger = vocabularies.load(small_vocabulary, extra_ids=200)
    (tmp_path / "larger.model").write_bytes(larger.content)
    with pytest.raises(
        UserError, match=r"vocabulary has 300 ids but the model only 25"
    ):
        plan(tmp_path / "larger.model")
    with pytest.raises(UserError, match=r"is not a SentencePiece model"):
        plan(t5x_toy / "checkpoint")
    with pytest.raises(UserError, match=r"gone\.model: no such file"):
        plan(tmp_path / "gone.model")
    with pytest.raises(UserError, match=r"--vocabulary bytes is no file"):
        plan("bytes")
    assert not list(tmp_path.glob("new*"))


# --- refused before a byte is written -------------------------------------------------


def test_a_destination_that_exists_or_cannot_be_is_refused(t5x_toy, tmp_path):
    def plan(destination):
        return convert.plan(str(t5x_toy), str(destination), to="xtl")

    with pytest.raises(UserError, match=r"exists; give a DST that does not"):
        plan(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"link exists; give a DST that does not"):
        plan(tmp_path / "link")
    with pytest.raises(UserError, match=r"gs://bucket/new: .* give a local folder"):
        plan("gs://bucket/new")
    with pytest.raises(UserError, match=r"lies inside the checkpoint"):
        plan(t5x_toy / "deep/new")
    assert not list(tmp_path.glob("*.partial"))


def test_too_small_a_disk_is_refused(t5x_toy, tmp_path, monkeypatch):
    usage = collections.namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9e9, 9e9, 1e6))
    with pytest.raises(UserError, match=r"0\.0 GB free and new needs 0\.0 GB: free"):
        convert.plan(str(t5x_toy), str(tmp_path / "a/new"), to="xtl")
    assert not (tmp_path / "a").exists()


def test_a_disk_that_fails_keeps_what_was_written(t5x_toy, tmp_path, same, convert_to):
    def full(name, size):
        raise OSError(28, "No space left on device")

    plan = convert.plan(str(t5x_toy), str(tmp_path / "new"), to="t5x")
    with pytest.raises(UserError, match=r"No space left on device\); .* goes on with"):
        convert.run(plan, done=full)
    assert (tmp_path / "new.partial").is_dir()
    same(t5x_toy, convert_to(t5x_toy, tmp_path / "new", "t5x"))
