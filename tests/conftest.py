"""What all tests share: 8 host devices, strict dtypes, checked shapes, real data."""

from __future__ import annotations

import os
import pathlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
# A toy training step compiles in half the time without this stage.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

import jaxtyping
import numpy as np
import pytest

# Shapes and dtypes in the network's signatures are checked at each (traced) call. Must
# come before the modules are imported.
jaxtyping.install_import_hook(
    [
        f"xtl_jax.model.{name}"
        for name in (
            *("layers", "pieces", "look_up", "t5", "loss", "decoding"),
            *("encoder_layers", "encoder", "heads"),
        )
    ],
    "beartype.beartype",
)

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """Folder of real data and reference outputs, which is no part of the project."""
    path = pathlib.Path(os.environ.get("XTL_SHARED", ROOT.parent / "shared"))
    if not (path / "conformance").is_dir():
        pytest.skip(f"no reference data at {path}; set XTL_SHARED to its folder")
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes golden files instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", default=False)
    parser.addoption("--raised", type=pathlib.Path, metavar="FOLDER")


def pytest_configure(config: pytest.Config) -> None:
    """`pytest --raised=FOLDER` keeps which messages were raised (`raised.py`).

    What commands keep goes to a folder that goes with the tests.
    """
    if "XTL_CACHE_DIR" not in os.environ:
        kept = tempfile.TemporaryDirectory(prefix="xtl-tests-")
        config.add_cleanup(kept.cleanup)
        os.environ["XTL_CACHE_DIR"] = kept.name  # of workers, too
    if folder := config.getoption("--raised"):
        from tests import raised

        raised.keep(folder)


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Holds a text against `tests/golden/NAME`; `--update-golden` alone changes it."""
    folder = ROOT / "tests" / "golden"

    def check(name: str, text: str) -> None:
        path = folder / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden file {name}; see pytest --update-golden"
        assert text == path.read_text(encoding="utf-8"), (
            f"{name} changed; if that is meant, run pytest --update-golden"
        )

    return check


@pytest.fixture(scope="session")
def world_data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data folder with a world of a few rows; tests only read it."""
    from xtl_jax.world.generate import Sizes, WorldSizes, generate

    folder = tmp_path_factory.mktemp("world")
    few = Sizes(train=48, validation=4, test=4)
    sizes = WorldSizes(
        text=few, qa=few, nli=few, paraphrase=few, tagging=few, retrieval=few
    )
    generate(folder, seed=0, sizes=sizes)
    return folder


TINY_MODEL = """
ModelConfig.vocab = 0
ModelConfig.embed = 32
ModelConfig.heads = 2
ModelConfig.head_dim = 16
ModelConfig.mlp = 64
ModelConfig.encoder_layers = 1
ModelConfig.decoder_layers = 1
DROPOUT_RATE = 0.1
"""
TINY_RUN = """
RunConfig.task = "world_qa.en"
RunConfig.steps = 6
RunConfig.lengths = {"inputs": 96, "targets": 16}
RunConfig.vocabulary = "bytes"
RunConfig.batch_size = 8
RunConfig.log_period = 1
RunConfig.save_period = 3
RunConfig.dev_task = "none"
"""


@pytest.fixture(scope="session")
def tiny_gin(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Settings of a run that takes seconds: one layer each, byte vocabulary."""
    path = tmp_path_factory.mktemp("gin") / "tiny_run.gin"
    path.write_text(TINY_MODEL + TINY_RUN, encoding="utf-8")
    return path


class Finished(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def xtl(capfd: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Runs one command line in this process."""
    from xtl_jax.cli import main

    def run(*arguments: object) -> Finished:
        capfd.readouterr()
        try:
            code = main.main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # argparse
            code = int(leaving.code or 0)
        out, err = capfd.readouterr()
        return Finished(code, out, err)

    return run


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[str]:
    """Address of the server that is a bucket for TensorStore."""
    import http.server

    from tests.buckets import Handler

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bucket(bucket_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The file system behind `gs://`, empty; gone again with the test."""
    from etils.epath import backend, gpath
    from fsspec.registry import _registry
    from orbax.checkpoint._src.path import gcs_utils

    from tests.buckets import Bucket

    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", bucket_server)
    monkeypatch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", "none")
    monkeypatch.setenv("EPATH_USE_TF", "0")  # fsspec, as where TensorFlow is not
    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
    files = Bucket()
    monkeypatch.setitem(_registry, "gs", Bucket)  # for fsspec itself
    monkeypatch.setattr(
        *(backend._FileSystemSpecBackend, "_get_filesystem"),
        lambda self, name: files,
    )
    # orbax asks Google's own client what kind of bucket this is: one without folders.
    monkeypatch.setattr(gcs_utils, "get_bucket", lambda name: None)
    yield files
    Bucket.clear()


@pytest.fixture(scope="module")
def optax_promotes():
    """optax's Adam raises a float to the power of its whole-numbered count."""
    import jax

    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def quick_compiles():
    """Compiles in half the time: toy arrays need no optimised code.

    Products and functions are the same; only loops over elements run slower.
    """
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="session")
def toy():
    """A model of two layers; some of its arrays are large enough to be factored."""
    from xtl_jax.model.sizes import ModelConfig

    return ModelConfig(
        vocab=256,
        embed=128,
        heads=4,
        head_dim=8,
        mlp=128,
        encoder_layers=2,
        decoder_layers=2,
        dropout_rate=0.0,
    )


@pytest.fixture(scope="session")
def toy_params(toy):
    """Random parameters of `toy`, norm scales and relative biases too."""
    return random_params(toy)


@pytest.fixture(scope="session")
def toy_encoder():
    """A small XLM-R with a head of each kind and a pooler."""
    from xtl_jax.model.encoder_sizes import EncoderConfig, Head

    return EncoderConfig(
        architecture="xlm-roberta",
        vocab=256,
        embed=32,
        heads=4,
        mlp=64,
        layers=2,
        positions=40,
        pooler=True,
        dropout_rate=0.0,
        task_heads=(
            Head(name="xnli", kind="classification", labels=("yes", "maybe", "no")),
            Head(name="copa", kind="choice"),
            Head(name="squad_v2", kind="span"),
            Head(name="udpos", kind="tagging", labels=("NOUN", "VERB", "ADJ", "X")),
            Head(name="text", kind="masked_lm"),
        ),
    )


@pytest.fixture(scope="session")
def toy_encoder_params(toy_encoder):
    """Random parameters of `toy_encoder`, biases and norms too."""
    return random_params(toy_encoder)


def random_params(config):
    """Random parameters of any model, as large as trained ones are."""
    from xtl_jax.checkpoint import names

    rng = np.random.default_rng(0)
    tree = {}
    for entry in names.entries(config):
        shape = (*((entry.layers,) if entry.layers else ()), *entry.shape)
        values = rng.normal(size=shape)
        if entry.path.endswith("scale"):
            values = 1.0 + 0.1 * values
        elif entry.path.endswith("kernel"):
            values *= entry.shape[0] ** -0.5
        *parents, leaf = entry.path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = values.astype(np.float32)
    return tree


@pytest.fixture(scope="session")
def toy_batch():
    """Eight rows with padding at their ends, none of it alike."""
    return make_batch(0)


def make_batch(seed, *, rows=8, inputs=12, targets=8):
    """Random rows of model features, each ending in id 1 and then padding."""
    rng = np.random.default_rng(seed)

    def side(length):
        tokens = np.zeros((rows, length), np.int32)
        for row in tokens:
            used = rng.integers(2, length + 1)
            row[: used - 1] = rng.integers(2, 250, used - 1)
            row[used - 1] = 1
        return tokens

    encoder, decoder = side(inputs), side(targets)
    return {
        "encoder_input_tokens": encoder,
        "decoder_input_tokens": np.pad(decoder[:, :-1], ((0, 0), (1, 0))),
        "decoder_target_tokens": decoder,
        "decoder_loss_weights": (decoder > 0).astype(np.float32),
    }


@pytest.fixture(scope="session")
def batches():
    """The function that makes batches."""
    return make_batch


class Reference(NamedTuple):
    """A model that others wrote, and what they compute with it."""

    config: Any
    params: Any
    expected: dict[str, np.ndarray]
    batch: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def t5x_random(shared):
    """T5X's model with random parameters."""
    folder = shared / "conformance/t5x"
    return _t5x(folder, "random_legacy/checkpoint_0", "random_expected.npz")


@pytest.fixture(scope="session")
def t5x_trained(shared):
    """T5X's model after 300 steps of its own trainer."""
    folder = shared / "conformance/t5x"
    return _t5x(folder, "trained_legacy/checkpoint_300", "trained_expected.npz")


def _t5x(folder, checkpoint, expected):
    from etils import epath

    from xtl_jax.checkpoint import names, t5x

    source = t5x.source(epath.Path(folder / checkpoint))
    config, params = source.config, names.tree(source)
    with np.load(folder / expected) as file:
        expected = dict(file)
    batch = {k: v for k, v in expected.items() if k.startswith(("encoder_i", "deco"))}
    batch["decoder_loss_weights"] = batch["decoder_loss_weights"].astype(np.float32)
    return Reference(config, params, expected, batch)


@pytest.fixture(scope="session")
def hf_tiny(shared):
    """The Hugging Face model with random parameters; it has no one batch."""
    from etils import epath

    from xtl_jax.checkpoint import huggingface, names

    folder = shared / "conformance/hf"
    source = huggingface.source(epath.Path(folder / "mt5_tiny"))
    config, params = source.config, names.tree(source)
    with np.load(folder / "mt5_tiny_expected.npz") as file:
        return Reference(config, params, dict(file), {})
