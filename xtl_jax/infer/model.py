"""A model to ask questions of, whoever trained it.

`load` takes a run directory of ours, a checkpoint of T5X in either of its layouts, or a
Hugging Face folder. For an encoder it gives a `LoadedEncoder` (`infer/encoder.py`), for
an mT5 a `LoadedModel`:

    model = xtl_jax.load("runs/squad")
    model.logits(inputs=ids, decoder_inputs=ids)   # [batch, length, vocab] float32
    model.score(inputs=ids, targets=ids)           # [batch] summed log-likelihood, nats
    model.generate(inputs=ids, max_length=32)      # [batch, 32] ids, 0 after the end id
    model.embed(inputs=ids)                        # [batch, embed] masked mean

All ids are whole numbers in [batch, length] arrays; 0 is padding, on the right.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from xtl_jax.checkpoint import find, names, ours, store
from xtl_jax.errors import UserError
from xtl_jax.infer.encoder import LoadedEncoder
from xtl_jax.model import beam, decoding
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.loss import token_losses
from xtl_jax.model.network import AnyConfig
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.model.t5 import T5
from xtl_jax.typing import Array, Float, Int

Method = decoding.Sampling | beam.BeamSearch
GREEDY = decoding.GREEDY


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """Parameters with the shape they belong to.

    Attributes:
        config: shape and computation dtype.
        params: parameters, float32, layers stacked.
        source: path they came from.
        step: training step they were saved at.
        vocabulary_size: ids that may be generated; rows beyond are padding.
    """

    config: ModelConfig
    params: Any
    source: str
    step: int
    vocabulary_size: int

    def logits(
        self,
        *,
        inputs: Int[Array, "batch length"],
        decoder_inputs: Int[Array, "batch targets"],
    ) -> Float[np.ndarray, "batch targets vocab"]:
        """Logits after each decoder input; the first of them is id 0."""
        inputs, decoder_inputs = self._ids(inputs), self._ids(decoder_inputs)
        return np.asarray(_logits(self.config, self.params, inputs, decoder_inputs))

    def score(
        self,
        *,
        inputs: Int[Array, "batch length"],
        targets: Int[Array, "batch targets"],
    ) -> Float[np.ndarray, " batch"]:
        """Log-likelihood of each target in nats, summed over its ids up to padding."""
        return self.token_log_probabilities(inputs=inputs, targets=targets).sum(axis=1)

    def token_log_probabilities(
        self,
        *,
        inputs: Int[Array, "batch length"],
        targets: Int[Array, "batch targets"],
    ) -> Float[np.ndarray, "batch targets"]:
        """Of each id of each target after those before it, in nats; 0 at padding."""
        inputs, targets = self._ids(inputs), self._ids(targets)
        return np.asarray(_score(self.config, self.params, inputs, targets))

    def generate(
        self,
        *,
        inputs: Int[Array, "batch length"],
        max_length: int = 32,
        beams: int = 1,
        length_penalty: float = 0.6,
        rule: beam.Rule = "t5x",
        early_stopping: bool = False,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        prefix: Int[Array, "batch forced"] | None = None,
    ) -> Int[np.ndarray, "batch max_length"]:
        """Ids up to the end id, which is included, then 0.

        Args:
            inputs: ids; 0 is padding.
            max_length: ids at most, with the end id and a prefix.
            beams: 1 takes the most probable next id, or draws it; more search.
            length_penalty: of the search: the exponent of the length.
            rule: of the search: whose penalty and stopping, "t5x" or "huggingface".
            early_stopping: of the rule "huggingface".
            temperature: 0 takes the most probable id; more draws.
            top_k: of drawing: from so many of the most probable ids; 0 from all.
            top_p: of drawing: from the fewest ids that have this probability together.
            seed: of drawing.
            prefix: ids that each text begins with.

        Raises:
            UserError: settings that are out of range or contradict each other.
        """
        decoded = self.decode(
            inputs=inputs,
            max_length=max_length,
            method=method(
                beams=beams,
                length_penalty=length_penalty,
                rule=rule,
                early_stopping=early_stopping,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                seed=seed,
            ),
            prefix=prefix,
        )
        return np.asarray(decoded.tokens)

    def decode(
        self,
        *,
        inputs: Int[Array, "batch length"],
        max_length: int = 32,
        method: Method = GREEDY,
        prefix: Int[Array, "batch forced"] | None = None,
    ) -> decoding.Decoded:
        """What `generate` does, with the log-probability of each id that was written.

        Args:
            inputs: ids; 0 is padding.
            max_length: ids at most, with the end id and a prefix.
            method: `models.method(…)` takes the settings of `generate`.
            prefix: ids that each text begins with.

        Returns:
            NumPy arrays.
        """
        decoded = generate(
            *(self.config, self.params, self._ids(inputs)),
            max_length=max_length,
            vocabulary_size=self.vocabulary_size,
            method=method,
            prefix=None if prefix is None else self._ids(prefix),
        )
        return jax.tree.map(np.asarray, decoded)

    def embed(
        self, *, inputs: Int[Array, "batch length"], layer: int = -1
    ) -> Float[np.ndarray, "batch embed"]:
        """Mean of encoder states over real tokens.

        Args:
            inputs: ids; a row must have at least one that is not padding.
            layer: -1 the encoder's normalised output; 0 the embedding; i the raw output
                of layer i (not normalised: mT5 is pre-norm).
        """
        check_layer(self.config, layer)
        ids = self._ids(inputs)
        return np.asarray(mean_states(self.config, self.params, ids, (layer,))[0])

    def _ids(self, ids: Any) -> Array:
        array = np.asarray(ids)
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
            raise UserError(
                "ids must be whole numbers in a [batch, length] array, got "
                f"{array.dtype} of shape {array.shape}; pad rows with 0"
            )
        if array.size and (array.min() < 0 or array.max() >= self.config.vocab):
            raise UserError(
                f"ids must be in [0, {self.config.vocab}), got {array.min()} … "
                f"{array.max()}: the vocabulary does not fit this checkpoint"
            )
        return jnp.asarray(array, jnp.int32)


def method(
    *,
    beams: int = 1,
    length_penalty: float = 0.6,
    rule: beam.Rule = "t5x",
    early_stopping: bool = False,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Method:
    """How texts are decoded; the settings are those of `LoadedModel.generate`.

    Raises:
        UserError: they are out of range or contradict each other.
    """
    if beams == 1:
        return decoding.Sampling(
            temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
        )
    if temperature:
        raise UserError(
            f"beams={beams} searches and temperature={temperature} draws: give one"
        )
    return beam.BeamSearch(
        beams=beams,
        length_penalty=length_penalty,
        rule=rule,
        early_stopping=early_stopping,
    )


@functools.partial(
    jax.jit,
    static_argnums=0,
    static_argnames=("max_length", "vocabulary_size", "method"),
)
def generate(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    *,
    max_length: int,
    vocabulary_size: int,
    method: Method = GREEDY,
    prefix: Int[Array, "batch forced"] | None = None,
    numbers: Int[Array, " batch"] | None = None,
    addition: Float[Array, "batch length embed"] | None = None,
) -> decoding.Decoded:
    """Compiled decoding, one text a row; one compilation per shape of `inputs`.

    An `addition` to the vectors of the inputs is for decoding without a beam.
    """
    if isinstance(method, beam.BeamSearch):
        assert addition is None
        found = beam.search(
            *(config, params, inputs),
            settings=method,
            max_length=max_length,
            vocabulary_size=vocabulary_size,
            prefix=prefix,
        )
        return decoding.Decoded(
            tokens=found.tokens[:, 0],
            log_probability=found.log_probability[:, 0],
            token_log_probabilities=found.token_log_probabilities[:, 0],
            steps=found.steps,
        )
    return decoding.decode(
        *(config, params, inputs),
        max_length=max_length,
        vocabulary_size=vocabulary_size,
        sampling=method,
        prefix=prefix,
        numbers=numbers,
        addition=addition,
    )


@functools.partial(jax.jit, static_argnums=0)
def _logits(config: ModelConfig, params: Any, inputs: Array, decoder: Array) -> Any:
    return T5(config).apply({"params": params}, inputs, decoder, method="logits")


@functools.partial(jax.jit, static_argnums=0)
def _score(config: ModelConfig, params: Any, inputs: Array, targets: Array) -> Array:
    batch = {
        "encoder_input_tokens": inputs,
        "decoder_input_tokens": jnp.pad(targets[:, :-1], ((0, 0), (1, 0))),
        "decoder_target_tokens": targets,
    }
    logits: Any = T5(config).apply({"params": params}, batch)
    nll, _ = token_losses(logits, targets)
    return jnp.where(targets > 0, -nll, 0.0)


def check_layer(config: ModelConfig, layer: int) -> None:
    """Refuse a layer that the encoder has not."""
    if not -1 <= layer <= config.encoder_layers:
        raise UserError(
            f"layer must be -1 (normalised output) or 0 … {config.encoder_layers}, got "
            f"{layer}"
        )


@functools.partial(jax.jit, static_argnums=(0, 3))
def mean_states(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    layers: tuple[int, ...],
) -> Float[Array, "layers batch embed"]:
    """Means of layers' states over real tokens (`LoadedModel.embed`), float32."""
    found: Any = T5(config).apply({"params": params}, inputs, method="encoder_states")
    encoded, every = found
    real = (inputs > 0).astype(jnp.float32)[..., None]
    tokens = jnp.maximum(jnp.sum(real, axis=1), 1.0)

    def mean(layer: int) -> Float[Array, "batch embed"]:
        states = (encoded if layer < 0 else every[layer]).astype(jnp.float32)
        total = jnp.sum(states * jnp.broadcast_to(real, states.shape), axis=1)
        return total / jnp.broadcast_to(tokens, total.shape)

    return jnp.stack([mean(layer) for layer in layers])


def load(
    path: str, *, dtype: str = "float32", step: int | None = None
) -> LoadedModel | LoadedEncoder:
    """A model from a run directory, a T5X checkpoint or a Hugging Face folder.

    Args:
        path: folder on disk or `gs://`, or the id of a model in Hugging Face's local
            cache. For T5X either `checkpoint_N` or the folder above it, whose highest
            N is taken.
        dtype: of computation; parameters stay float32.
        step: which checkpoint; None takes the best of a run on the English dev set.

    Raises:
        UserError: no folder, or none of these kinds.
    """
    found = find.find(path, step=step)
    if found.kind == "xtl" and ours.describe(found.folder).lora is None:
        return _ours(found.folder, dtype=dtype, step=found.step)
    source = found.source()
    return _loaded(
        _computing_in(source.config, dtype),
        params=names.tree(source),
        source=source.name,
        step=source.step,
        vocabulary_size=found.vocabulary_size(source.config),
    )


def load_mt5(
    path: str, *, dtype: str = "float32", step: int | None = None
) -> LoadedModel:
    """As `load`, for those who need an encoder-decoder.

    Raises:
        UserError: the checkpoint is an encoder.
    """
    loaded = load(path, dtype=dtype, step=step)
    if isinstance(loaded, LoadedEncoder):
        raise UserError(f"{path} is an encoder; an mT5 is needed here")
    return loaded


def load_encoder(
    path: str, *, dtype: str = "float32", step: int | None = None
) -> LoadedEncoder:
    """As `load`, for those who need an encoder.

    Raises:
        UserError: the checkpoint is an mT5.
    """
    loaded = load(path, dtype=dtype, step=step)
    if isinstance(loaded, LoadedModel):
        raise UserError(f"{path} is an mT5; an encoder (XLM-R, BERT) is needed here")
    return loaded


def _ours(
    folder: epath.Path, *, dtype: str, step: int | None
) -> LoadedModel | LoadedEncoder:
    described = ours.describe(folder)
    found, params = store.read_params(folder, step=step)
    for path, array in jax.tree.leaves_with_path(params):
        at = jax.tree_util.keystr(path, simple=True, separator="/")
        names.check_finite(array, name=f"{folder / store.FOLDER / str(found)}: {at}")
    return _loaded(
        _computing_in(described.config, dtype),
        params=params,
        source=str(folder / store.FOLDER / str(found)),
        step=found,
        vocabulary_size=described.vocabulary_size,
    )


def _loaded(config: AnyConfig, **settings: Any) -> LoadedModel | LoadedEncoder:
    if isinstance(config, EncoderConfig):
        return LoadedEncoder(config=config, **settings)
    return LoadedModel(config=config, **settings)


def _computing_in(config: AnyConfig, dtype: str) -> AnyConfig:
    return dataclasses.replace(config, dtype=dtype)  # type: ignore[arg-type]
