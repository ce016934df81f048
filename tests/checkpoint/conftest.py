"""Everything here compiles toy models: quickly is enough."""

from __future__ import annotations

import dataclasses
import gc
import time

import numpy as np
import pytest


@pytest.fixture(autouse=True, scope="module")
def compile_quickly(quick_compiles):
    return


@pytest.fixture
def settled():
    """For tests with damaged files: orbax's other reads end here, not in a later test.

    It gives up at the first array that it cannot read and leaves the reads of the
    others behind; what they say about the end of their event loop means nothing, and
    those tests ignore it.
    """
    gc.freeze()  # what was there before needs no looking through: that takes a second
    yield
    time.sleep(0.1)
    gc.collect()
    gc.unfreeze()


@pytest.fixture(scope="session")
def toy_source(toy, toy_params):
    """The toy model as a checkpoint that is read array by array."""
    return _source(toy, toy_params)


@pytest.fixture(scope="session")
def encoder_source(toy_encoder, toy_encoder_params):
    """The toy encoder likewise, with all its heads."""
    return _source(toy_encoder, toy_encoder_params)


def _source(config, params):
    from xtl_jax.checkpoint import names

    def read(entry, layer):
        node = params
        for key in entry.path.split("/"):
            node = node[key]
        return node if layer is None else node[layer]

    return names.Source(config=config, name="toy", step=7, read=read)


@pytest.fixture(scope="session")
def t5x_toy(toy_source, tmp_path_factory):
    """The toy model as T5X's checkpoint; copy it before changing it."""
    from etils import epath

    from xtl_jax.checkpoint import t5x

    folder = tmp_path_factory.mktemp("toy") / "checkpoint_7"
    t5x.write(toy_source, epath.Path(folder))
    return folder


@pytest.fixture(scope="session")
def hf_toy(toy_source, tmp_path_factory):
    """The same in Hugging Face's format."""
    from etils import epath

    from xtl_jax.checkpoint import huggingface

    folder = tmp_path_factory.mktemp("toy") / "hf"
    huggingface.write(toy_source, epath.Path(folder))
    return folder


@pytest.fixture(scope="session")
def ours_toy(toy_source, tmp_path_factory):
    """The same in ours."""
    from etils import epath

    from xtl_jax.checkpoint import ours

    folder = tmp_path_factory.mktemp("toy") / "ours"
    ours.write(toy_source, epath.Path(folder))
    return folder


@pytest.fixture(scope="session")
def small_vocabulary(tmp_path_factory):
    """A SentencePiece model of 100 pieces."""
    from xtl_jax.data import vocabulary

    rng = np.random.default_rng(0)
    letters = list("abcdefghij ")
    texts = ["".join(rng.choice(letters, 30)) for _ in range(300)]
    path = tmp_path_factory.mktemp("vocabulary") / "small.model"
    path.write_bytes(vocabulary.train(texts, size=100))
    return path


@pytest.fixture(scope="session")
def arrays():
    """Shape and all arrays of a checkpoint, given as a path or opened."""
    from xtl_jax.checkpoint import find, names

    def read(checkpoint):
        opened = isinstance(checkpoint, names.Source)
        source = checkpoint if opened else find.find(str(checkpoint)).source()
        return source.config, {
            (entry.path, layer): np.array(source.read(entry, layer))
            for entry in names.entries(source.config)
            for layer in names.layers(entry)
        }

    return read


@pytest.fixture(scope="session")
def same(arrays):
    """Holds that two checkpoints are bitwise the same float32 model."""

    def check(one, other):
        (config, ours), (other_config, theirs) = arrays(one), arrays(other)
        # T5X does not keep the dropout rate.
        assert dataclasses.replace(config, dropout_rate=0.1) == dataclasses.replace(
            other_config, dropout_rate=0.1
        )
        assert ours.keys() == theirs.keys()
        for key, array in ours.items():
            assert array.dtype == theirs[key].dtype == np.float32
            assert array.tobytes() == theirs[key].tobytes(), key

    return check


@pytest.fixture(scope="session")
def convert_to():
    """Converts, and holds that nothing but the destination is left."""
    from xtl_jax.checkpoint import convert

    def run(source, destination, to, **settings):
        convert.run(convert.plan(str(source), str(destination), to=to, **settings))
        assert not destination.with_name(f"{destination.name}.partial").exists()
        assert not list(destination.rglob(convert.RECORD))
        return destination

    return run
