"""T5X's part in contests: a training step, and generated answers.

Its own trainer, model, Adafactor and decoding are called as its commands call them. It
may live in another Python, so nothing of xtl_jax beyond `contestant.py` is imported.
"""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from xtl_jax.bench.contestant import Contestant

_EOS = 1


def train(setting: Mapping[str, Any]) -> Contestant:
    """A step of `t5x.trainer.Trainer`: T5X's loss, dropout, z-loss and Adafactor."""
    import jax
    from t5x import partitioning, trainer, utils

    model = _model(setting)
    batch = _arrays(setting, "batch.npz")
    partitioner = partitioning.PjitPartitioner(num_partitions=1)
    initializer = utils.TrainStateInitializer(
        optimizer_def=model.optimizer_def,
        init_fn=model.get_initial_variables,
        input_shapes={name: array.shape for name, array in batch.items()},
        input_types={name: array.dtype for name, array in batch.items()},
        partitioner=partitioner,
    )
    state = initializer.from_scratch(jax.random.PRNGKey(0))
    state = state.replace_params(_params(setting, like=state.params))
    loss, metrics = jax.jit(model.eval_fn)(state.params, batch)
    tokens = batch["decoder_loss_weights"].sum()
    plain = (float(loss) - float(metrics["z_loss"].total)) / float(tokens)
    running = trainer.Trainer(
        model=model,
        train_state=state,
        partitioner=partitioner,
        eval_names=[],
        summary_dir=None,
        train_state_axes=initializer.train_state_axes,
        rng=jax.random.PRNGKey(0),
        learning_rate_fn=utils.create_learning_rate_scheduler(
            factors="constant", base_learning_rate=1e-3, warmup_steps=1000
        ),
        num_microbatches=None,
    )
    del state
    running.compile_train(batch)
    rows = itertools.repeat(batch)

    def work() -> None:
        running.train(rows, 1)
        jax.block_until_ready(running.train_state)

    return Contestant({"loss": plain, "versions": _versions()}, work, _product)


def generate(setting: Mapping[str, Any]) -> Contestant:
    """Answers of padded rows by `predict_batch`: beam search with one beam."""
    import jax
    import numpy as np

    model = _model(setting)
    rows = np.load(pathlib.Path(setting["folder"]) / "padded.npy")
    answers = np.ones((len(rows), setting["generated"]), np.int32)
    batch = {"encoder_input_tokens": rows, "decoder_input_tokens": answers}
    shapes = {**batch, "decoder_target_tokens": answers}
    fresh = jax.eval_shape(
        lambda key: model.get_initial_variables(
            key,
            {name: array.shape for name, array in shapes.items()},
            {name: array.dtype for name, array in shapes.items()},
        )["params"],
        jax.random.PRNGKey(0),
    )
    params = _params(setting, like=fresh)
    predict = jax.jit(model.predict_batch)

    def work() -> None:
        jax.block_until_ready(predict(params, batch))

    return Contestant({"units": len(rows), "versions": _versions()}, work, _product)


def _model(setting: Mapping[str, Any]) -> Any:
    """T5X's mT5 of this shape, as its gin files put it together."""
    import seqio
    from t5x import adafactor, models
    from t5x.examples.t5 import layers, network

    shape = setting["model"]
    if setting["gathered"]:  # not what T5X ships: rows are looked up, not multiplied
        shipped = layers.Embed
        layers.Embed = lambda **given: shipped(**{**given, "one_hot": False})
    vocabulary = seqio.PassThroughVocabulary(shape["vocab"], eos_id=_EOS)
    return models.EncoderDecoderModel(
        module=network.Transformer(
            config=network.T5Config(
                vocab_size=shape["vocab"],
                dtype=shape["dtype"],
                emb_dim=shape["embed"],
                num_heads=shape["heads"],
                num_encoder_layers=shape["encoder_layers"],
                num_decoder_layers=shape["decoder_layers"],
                head_dim=shape["head_dim"],
                mlp_dim=shape["mlp"],
                mlp_activations=("gelu", "linear"),
                dropout_rate=shape["dropout_rate"],
            )
        ),
        input_vocabulary=vocabulary,
        output_vocabulary=vocabulary,
        optimizer_def=adafactor.Adafactor(
            decay_rate=0.8,
            step_offset=0,
            logical_factor_rules=adafactor.standard_logical_factor_rules(),
        ),
        z_loss=1e-4,
    )


def _params(setting: Mapping[str, Any], *, like: Any) -> Any:
    """The parameters that all contestants share, in T5X's tree."""
    import jax
    from flax import core, traverse_util

    arrays = _arrays(setting, "t5x.npz")
    tree = traverse_util.unflatten_dict(arrays, sep="/")
    found = core.freeze(tree) if isinstance(like, core.FrozenDict) else tree
    if jax.tree.map(lambda x: x.shape, found) != jax.tree.map(lambda x: x.shape, like):
        raise ValueError("T5X's tree of parameters is not the one that was written")
    return jax.tree.map(jax.numpy.asarray, found)


def _arrays(setting: Mapping[str, Any], name: str) -> dict[str, Any]:
    import numpy as np

    with np.load(pathlib.Path(setting["folder"]) / name) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _versions() -> dict[str, str]:
    import flax
    import jax

    return {"jax": jax.__version__, "flax": flax.__version__}


def _product(size: int) -> Callable[[], object]:
    import jax

    square = jax.numpy.ones((size, size), "float32")
    multiply = jax.jit(lambda x: x @ x)
    return lambda: multiply(square).block_until_ready()
