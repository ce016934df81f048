"""What all tests share: 8 host devices, strict dtypes, the reference data."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """Folder of real data and reference outputs, which is no part of the project."""
    path = pathlib.Path(os.environ.get("XTL_SHARED", ROOT.parent / "shared"))
    if not (path / "conformance").is_dir():
        pytest.skip(f"no reference data at {path}; set XTL_SHARED to its folder")
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update-golden` writes golden files instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", default=False)


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


TINY = """
ModelConfig.vocab = 0
ModelConfig.embed = 32
ModelConfig.heads = 2
ModelConfig.head_dim = 16
ModelConfig.mlp = 64
ModelConfig.encoder_layers = 1
ModelConfig.decoder_layers = 1
DROPOUT_RATE = 0.1
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
    path.write_text(TINY, encoding="utf-8")
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
