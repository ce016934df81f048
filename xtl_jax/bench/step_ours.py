"""Our part in contests: a training step, ranked answers, generated answers."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from xtl_jax.bench.contestant import Contestant
from xtl_jax.data.features import Lengths
from xtl_jax.data.store import Store
from xtl_jax.infer import model as models
from xtl_jax.infer import rank as ranking
from xtl_jax.model.loss import LossSums
from xtl_jax.train import optimizer as optimizers
from xtl_jax.train import program, sharding, state
from xtl_jax.train.config import MeshConfig, RunConfig
from xtl_jax.train.step import batch_loss


def train(setting: Mapping[str, Any]) -> Contestant:
    """The step that `xtl train` runs, from parameters in `setting["folder"]`."""
    folder = pathlib.Path(setting["folder"])
    loaded = models.load_mt5(str(folder / "huggingface"))
    model = loaded.config
    batch = {name: jnp.asarray(array) for name, array in load_batch(folder).items()}
    run = RunConfig(
        task="bench",
        steps=1,
        lengths=setting["lengths"],
        vocabulary="bytes",
        run_dir="",
        batch_size=setting["batch_size"],
        pack=False,
    )
    mesh = sharding.mesh(MeshConfig(data=1))
    optimizer = optimizers.build(run)
    shapes = state.shapes(model, optimizer)
    with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
        current: Any = state.create(
            model, optimizer, mesh=mesh, seed=0, params=loaded.params
        )[0]
        del loaded
        sums: LossSums = jax.jit(
            lambda params, rows: batch_loss(
                *(model, params, rows), key=None, z_loss=0.0, label_smoothing=0.0
            )
        )(current.params, batch)
        step = program.step(model, run, mesh=mesh, shapes=shapes)
        compiled = step.lower(current, batch, None).compile()
    text = folder / "program.hlo"
    text.write_text(compiled.as_text())
    memory = compiled.memory_analysis()

    def work() -> None:
        nonlocal current
        current, output = compiled(current, batch, None)
        jax.block_until_ready((current, output))

    facts = {
        "loss": float(sums.loss / sums.tokens),
        "program": str(text),
        "compiled_bytes": memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes,
        "versions": {"jax": jax.__version__},
    }
    return Contestant(facts, work, product)


def rank(setting: Mapping[str, Any]) -> Contestant:
    """Labels of a store's examples by their likelihood, as `xtl predict` does."""
    folder = pathlib.Path(setting["folder"])
    loaded = models.load_mt5(str(folder / "huggingface"))
    params = jax.device_put(loaded.params)
    rows = Store(folder / "store")
    targets = [setting["labels"]] * rows.num_examples

    def work() -> None:
        ranking.rank(
            *(loaded.config, params, rows),
            targets=targets,
            lengths=Lengths(inputs=setting["longest"], targets=8),
            batch_size=setting["batch_size"],
        )

    return Contestant({"units": rows.num_examples}, work, product)


def generate(setting: Mapping[str, Any]) -> Contestant:
    """Rows as long as the longest, each answered by an id after another."""
    folder = pathlib.Path(setting["folder"])
    loaded = models.load_mt5(str(folder / "huggingface"))
    params = jax.device_put(loaded.params)
    ids = np.load(folder / "padded.npy")

    def work() -> None:
        found = models.generate(
            *(loaded.config, params, ids),
            max_length=setting["generated"],
            vocabulary_size=loaded.vocabulary_size,
        )
        jax.block_until_ready(found)

    return Contestant({"units": len(ids)}, work, product)


def load_batch(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The batch that all contestants learn from."""
    with np.load(folder / "batch.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def product(size: int) -> Callable[[], object]:
    """A square product in float32."""
    square = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(lambda x: x @ x)
    return lambda: multiply(square).block_until_ready()
