"""A damaged or foreign checkpoint is one clear error, and nothing is left of it."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import convert, find, zarr
from xtl_jax.errors import UserError


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path, *, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


def _edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _header(path, change):
    """The JSON header of a safetensors file, changed to one of the same length."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    text = change(data[8 : 8 + length].decode()).encode().ljust(length)
    assert len(text) == length
    path.write_bytes(data[:8] + text + data[8 + length :])


def _rewritten(folder, array):
    shutil.rmtree(folder / WI)
    zarr.write(epath.Path(folder), WI, read=lambda: array, shape=array.shape)


def _first_twice(text):
    """A header whose second tensor lies where the first one does."""
    header = json.loads(text)
    first, second = sorted(
        (each for name, each in header.items() if name != "__metadata__"),
        key=lambda each: each["data_offsets"],
    )[:2]
    second["data_offsets"] = first["data_offsets"]
    return json.dumps(header, separators=(",", ":"))


def _not_a_number(path):
    data = path.read_bytes()
    path.write_bytes(data[:-4] + np.float32(np.nan).tobytes())


WI, WEIGHTS = "target.encoder.layers_1.mlp.wi_0.kernel", "model.safetensors"
LEAF = "checkpoints/7/state/params.encoder.layers.mlp.wi_0.kernel"
BAD = {
    # format, what is done to it, what is said
    "t5x array gone": (
        "t5x",
        lambda f: shutil.rmtree(f / WI),
        rf"{WI}: the array name",
    ),
    "t5x chunk gone": ("t5x", lambda f: (f / WI / "0.0").unlink(), rf"{WI} lacks some"),
    "t5x chunk cut": ("t5x", lambda f: _cut(f / WI / "0.0"), rf"{WI} is damaged"),
    "t5x chunk corrupt": (
        "t5x",
        lambda f: _flip(f / WI / "0.0", at=300),
        rf"{WI} is damaged \(.*0\.0",  # the chunk
    ),
    "t5x another size": (
        "t5x",
        lambda f: _rewritten(f, np.ones((128, 64), np.float32)),
        r"layers_1/mlp/wi_0/kernel has shape \(128, 64\), expected \(128, 128\)",
    ),
    "t5x another dtype": (
        "t5x",
        lambda f: _edit(f / WI / ".zarray", dtype="<i4"),  # 4 bytes a number, too
        r"layers_1/mlp/wi_0/kernel holds int32; weights are float32, bfloat16",
    ),
    "t5x index cut": (
        "t5x",
        lambda f: _cut(f / "checkpoint"),
        r"not a complete T5X in",
    ),
    "hugging face cut": (
        "huggingface",
        lambda f: _cut(f / WEIGHTS),
        rf"{WEIGHTS} is missing or damaged",
    ),
    "hugging face weights gone": (
        "huggingface",
        lambda f: (f / WEIGHTS).unlink(),
        r"has none of model\.safetensors",
    ),
    "hugging face another size": (
        "huggingface",
        lambda f: _edit(f / "config.json", d_ff=64),
        r"DenseReluDense\.wi_0\.weight has shape \(128, 128\), expected \(128, 64\)",
    ),
    "hugging face fewer layers": (
        "huggingface",
        lambda f: _edit(f / "config.json", num_layers=1),
        r"0 arrays missing \[\], 9 unknown \['encoder\.block\.1\.",
    ),
    "hugging face another dtype": (
        "huggingface",
        lambda f: _header(f / WEIGHTS, lambda text: text.replace('"F32"', '"I32"')),
        r"shared\.weight holds I32; weights are F32, BF16, F16, F64",
    ),
    "hugging face quantised": (
        "huggingface",
        lambda f: _header(
            f / WEIGHTS,
            lambda text: text.replace(
                '"F32","shape":[256,128]', '"I8","shape":[1024,128]', 1
            ).replace('{"format":"pt"}', "{}"),
        ),
        r"shared\.weight holds I8; weights are F32",
    ),
    "hugging face offsets that overlap": (
        "huggingface",
        lambda f: _header(f / WEIGHTS, _first_twice),
        rf"{WEIGHTS} is missing or damaged \(.* lies at 0 to \d+, not from \d+ on",
    ),
    "hugging face another length": (
        "huggingface",
        lambda f: _header(
            f / WEIGHTS, lambda text: text.replace("[256,128]", "[255,128]", 1)
        ),
        r"shared\.weight is damaged \(cannot reshape",
    ),
    "hugging face tail": (
        "huggingface",
        lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes() + b"x"),
        rf"{WEIGHTS} is missing or damaged \(it holds \d+ bytes of tensors",
    ),
    "t5x not a number": (
        "t5x",
        lambda f: _rewritten(f, np.full((128, 128), np.inf, np.float32)),
        r"wi_0/kernel of layer 1 holds NaN or infinity: the file is damaged",
    ),
    "hugging face not a number": (
        "huggingface",
        lambda f: _not_a_number(f / WEIGHTS),
        r"logits_dense/kernel holds NaN or infinity: the file is damaged",
    ),
    "ours array gone": ("xtl", lambda f: shutil.rmtree(f / LEAF), r"state is damaged"),
    "ours chunk gone": (
        "xtl",
        lambda f: (f / LEAF / "0.0.0").unlink(),
        r"state is damaged \(.*the other checkpoints are of steps \[\]",
    ),
    "ours chunk cut": (
        "xtl",
        lambda f: _cut(f / LEAF / "0.0.0"),
        r"state is damaged",
    ),
    "ours another size": (
        "xtl",
        lambda f: (f / "run.json").write_text(
            (f / "run.json").read_text().replace('"mlp": 128', '"mlp": 64')
        ),
        r"wi_0/kernel has shape \(2, 128, 128\), expected \(2, 128, 64\)",
    ),
    "ours fewer arrays": (
        "xtl",
        lambda f: _edit(
            f / "checkpoints/7/state/_METADATA",
            tree_metadata={
                name: leaf
                for name, leaf in json.loads(
                    (f / "checkpoints/7/state/_METADATA").read_text()
                )["tree_metadata"].items()
                if "encoder_norm" not in name
            },
        ),
        r"missing \['encoder/encoder_norm/scale'\], unknown \[\]",
    ),
    "ours no checkpoint": (
        "xtl",
        lambda f: shutil.rmtree(f / "checkpoints/7"),
        r"no checkpoint in ",
    ),
}


@pytest.mark.usefixtures("settled")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_checkpoint_is_one_error_and_nothing_is_left(
    t5x_toy, hf_toy, ours_toy, tmp_path, name, convert_to
):
    kind, spoil, message = BAD[name]
    folder = {"t5x": t5x_toy, "huggingface": hf_toy, "xtl": ours_toy}[kind]
    source = shutil.copytree(folder, tmp_path / folder.name)
    spoil(source)
    to = "huggingface" if kind != "huggingface" else "t5x"
    with pytest.raises(UserError, match=message):
        convert_to(source, tmp_path / "new", to)
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("kind", ["t5x", "huggingface", "xtl"])
def test_no_model_is_loaded_from_what_is_no_number(
    t5x_toy, hf_toy, ours_toy, tmp_path, kind
):
    """`xtl_jax.load` looks at what it reads, as `xtl convert` does."""
    folder = {"t5x": t5x_toy, "huggingface": hf_toy, "xtl": ours_toy}[kind]
    source = shutil.copytree(folder, tmp_path / folder.name)
    if kind == "huggingface":
        _not_a_number(source / WEIGHTS)
    else:
        array = next(source.rglob("*logits_dense.kernel"))
        shape = json.loads((array / ".zarray").read_text())["shape"]
        values = np.ones(shape, np.float32)
        values[3, 5] = np.nan
        shutil.rmtree(array)
        zarr.write(
            *(epath.Path(array.parent), array.name),
            read=lambda: values,
            shape=values.shape,
            compressor=zarr.GZIP if kind == "t5x" else zarr.ZSTD,
        )
    with pytest.raises(UserError, match="logits_dense/kernel holds NaN or infinity"):
        xtl_jax.load(str(source))


def test_a_pickle_that_wants_to_run_code_is_refused(hf_toy, tmp_path, convert_to):
    source = shutil.copytree(hf_toy, tmp_path / "hf")
    (source / WEIGHTS).unlink()
    trace = tmp_path / "trace"

    class Runs:
        def __reduce__(self):
            return open, (str(trace), "w")

    with zipfile.ZipFile(source / "pytorch_model.bin", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"a": Runs()}, protocol=2))
    with pytest.raises(
        UserError, match=r"open, which weights do not need\. Nothing of"
    ):
        convert_to(source, tmp_path / "new", "xtl")
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_a_check_that_fails_leaves_nothing(t5x_toy, tmp_path):
    def fail(folder):
        assert find.find(str(folder)).source().step == 7
        raise UserError("not the same")

    plan = convert.plan(str(t5x_toy), str(tmp_path / "new"), to="xtl")
    with pytest.raises(UserError, match="not the same"):
        convert.run(plan, check=fail)
    assert not list(tmp_path.iterdir())
