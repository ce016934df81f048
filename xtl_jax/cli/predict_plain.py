"""A model where it computes; and a run directory for a checkpoint that has none.

A published checkpoint can be asked without any training: for sentence vectors, or by
heads that it brings. `xtl predict CHECKPOINT --run_dir RUN --vocabulary FILE` gives it
a run directory of zero steps, so that all that comes after (`xtl score`, `xtl report`,
`xtl submit`, `xtl predict RUN` again) takes it like any other run. No weights are
copied: `RunConfig.initial_checkpoint` says where they are.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xtl_jax import storage
from xtl_jax.cli import run_files
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from xtl_jax.cli.predict_answers import Predictor
    from xtl_jax.cli.predict_labelled import Labeller
    from xtl_jax.cli.predict_sets import AnyVocabulary
    from xtl_jax.infer.encoder import LoadedEncoder
    from xtl_jax.infer.model import LoadedModel
    from xtl_jax.model.network import AnyConfig
    from xtl_jax.train.config import RunConfig

_TASK = "none"  # that a run of zero steps trains on
_TARGETS = 64  # ids that an mT5 writes at most, unless told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags that are needed where there is no run directory yet."""
    group = parser.add_argument_group(
        "checkpoint without a run",
        "A Hugging Face folder, T5X checkpoint or converted checkpoint in the place of "
        "RUN is predicted with as it is; these say what a run would have said.",
    )
    group.add_argument(
        "--run_dir", help="where its predictions go: a new run directory"
    )
    group.add_argument("--vocabulary", help="SentencePiece file, or bytes")
    group.add_argument(
        "--input_length", type=int, default=128, help="tokens (default: %(default)s)"
    )


def run_document(arguments: argparse.Namespace) -> dict[str, Any]:
    """`run.json` of the run that is predicted with, made for a plain checkpoint.

    Raises:
        UserError: neither a run nor a checkpoint with all that it needs, or a run
            directory of something else.
    """
    path = arguments.run_dir_or_checkpoint
    given = {name: getattr(arguments, name) for name in ("run_dir", "vocabulary")}
    document = _run(path)
    if document is not None and not given["run_dir"]:
        if given["vocabulary"]:
            raise UserError(
                f"{path} is a run and has its vocabulary "
                f"({document['run']['vocabulary']}); leave --vocabulary out"
            )
        return document
    lacking = [f"--{name}" for name, value in given.items() if not value]
    if lacking:
        raise UserError(
            f"{path} holds no run.json of a run: give the run directory that `xtl "
            "train` wrote; or, to predict with a checkpoint as it is, "
            f"{' and '.join(lacking)} too"
        )
    return _begin(path, arguments)


def _run(path: str) -> dict[str, Any] | None:
    """`run.json` of a run; None for anything else, such as a converted checkpoint."""
    from xtl_jax.infer import records

    file = storage.at(path) / "run.json"
    if not file.is_file() or "run" not in records.read_document(file):
        return None
    return run_files.read(path)


def _begin(path: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes `run.json` of zero steps, or takes the one that is there."""
    from xtl_jax.cli.config import Config, default_places
    from xtl_jax.cli.predict_sets import vocabulary_of
    from xtl_jax.data import sources
    from xtl_jax.data.mixture import MixtureConfig
    from xtl_jax.train.config import MeshConfig, RunConfig

    model = shape_of(path)
    here = storage.at(path)
    given = {"data_dir": arguments.data_dir, "cache_dir": arguments.cache_dir}
    places: dict[str, Any] = default_places({k: v for k, v in given.items() if v})
    run = RunConfig(
        task=_TASK,
        steps=0,
        lengths={"inputs": arguments.input_length, "targets": _TARGETS},
        vocabulary=arguments.vocabulary,
        run_dir=arguments.run_dir,
        initial_checkpoint=str(storage.absolute(here)) if here.exists() else path,
        evaluate=tuple(arguments.task),
        files=sources.parse_file_settings(arguments.file),
        **places,
    )
    vocabulary = vocabulary_of(run, model=model)
    config = Config(
        run,
        MixtureConfig(name=_TASK, tasks=(_TASK,)),
        model.with_vocabulary(vocabulary.size),
        MeshConfig(),
    )
    document = run_files.document(config, vocabulary=vocabulary, feed={})
    run_files.claim_once(run.run_dir, document, defaults={})
    return document


def weights_of(config: RunConfig) -> str:
    """Where a run's weights are: with itself, or of zero steps what it began with."""
    from xtl_jax.checkpoint import store

    if config.steps or store.has_checkpoint(config.run_dir):
        return config.run_dir
    return config.initial_checkpoint or config.run_dir


def shape_of(path: str) -> AnyConfig:
    """The shape of a checkpoint's model; no weights are read."""
    from xtl_jax.checkpoint import find, ours

    found = find.find(path)
    if found.kind == "xtl":
        return ours.describe(found.folder).config
    return found.source().config


def predictor(
    config: RunConfig,
    model: LoadedModel | LoadedEncoder,
    *,
    vocabulary: AnyVocabulary,
    mesh: Mesh,
) -> Predictor | Labeller:
    """A loaded model on a mesh, with the settings it predicts with."""
    from xtl_jax.cli import devices
    from xtl_jax.cli.predict_answers import Predictor
    from xtl_jax.cli.predict_labelled import Labeller
    from xtl_jax.data.encoder_vocabulary import EncoderVocabulary
    from xtl_jax.infer.encoder import LoadedEncoder
    from xtl_jax.train import sharding

    params, put = devices.place_params(model, mesh), sharding.put_batch(mesh)
    if isinstance(model, LoadedEncoder):
        assert isinstance(vocabulary, EncoderVocabulary)
        return Labeller(config, model.config, params, vocabulary, put)
    assert not isinstance(vocabulary, EncoderVocabulary)
    return Predictor(config, model.config, params, vocabulary, put)
