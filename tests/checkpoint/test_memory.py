"""The memory of a conversion does not grow with the model: XL in less than 6 GB.

It is that of the largest array, so that XL has all its layers once, and few elsewhere.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import pytest
from etils import epath

from xtl_jax.checkpoint import huggingface, names
from xtl_jax.model.sizes import ModelConfig

XL = ModelConfig(
    vocab=250_112,
    embed=2048,
    heads=32,
    head_dim=64,
    mlp=5120,
    encoder_layers=24,
    decoder_layers=24,
)


def _sparse(config, folder, *, toy):
    """Hugging Face's folder in a shape: a header, and 15 GB that no disk holds."""
    huggingface.write(toy, epath.Path(folder))
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"vocab_size": config.vocab, "d_model": config.embed}
    settings |= {"num_heads": config.heads, "d_kv": config.head_dim, "d_ff": config.mlp}
    settings |= {"num_layers": config.encoder_layers}
    settings |= {"num_decoder_layers": config.decoder_layers}
    (folder / "config.json").write_text(json.dumps(settings))
    header, start = {}, 0
    for entry in names.entries(config):
        for layer in names.layers(entry):
            turned = entry.path.endswith(("kernel", "rel_embedding"))
            shape = entry.shape[::-1] if turned else entry.shape
            size = 4 * shape[0] * (shape[1] if len(shape) == 2 else 1)
            header[huggingface.foreign(entry.path, layer)] = {
                "dtype": "F32",
                "shape": shape,
                "data_offsets": [start, start + size],
            }
            start += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + start)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("to", "layers"),
    [
        pytest.param("t5x", 6, marks=pytest.mark.long),
        pytest.param("xtl", 6, marks=pytest.mark.long),
        ("huggingface", 24),
    ],
)
def test_xl_is_converted_in_less_than_6_gb(toy_source, tmp_path, to, layers):
    assert XL.parameters == 3_742_619_648
    config = dataclasses.replace(XL, encoder_layers=layers, decoder_layers=layers)
    sparse = tmp_path / "sparse"
    _sparse(config, sparse, toy=toy_source)
    if shutil.disk_usage(tmp_path).free < 25e9:
        pytest.skip("needs 25 GB of disk")
    flags = ("--to", to, "--json")
    command = [sys.executable, "-m", "xtl_jax.cli.main", "convert", str(sparse)]
    with subprocess.Popen(
        [*command, str(tmp_path / "new"), *flags], stdout=subprocess.PIPE
    ) as process:
        document = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(tmp_path / "new")
    assert process.returncode == 0
    assert document["parameters"]["total"] == config.parameters
    assert document["largest_logit_difference"] is None  # too large for the probe
    assert 1024 * usage.ru_maxrss < 6e9
