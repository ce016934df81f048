"""The five kinds of work that a campaign breaks off, each in seconds.

    train        a run that packs, drops out and keeps its newest checkpoints
    checkpoint   one that does little but write checkpoints, all of which it keeps
    cache        token stores of two splits
    convert      a model of four million parameters, for transformers
    study        pre-training, an intermediate task, a target in two arms, with and
                 without; predicted clean and attacked, scored

All work on the toy world, on one device of the CPU.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from xtl_jax.bench.faults import Kind, Result
from xtl_jax.checkpoint import partial

_CLOCKED = {"seconds", "tokens_per_second", "steps_per_second", "mfu_percent"}
_MODEL = """
ModelConfig.vocab = 0
ModelConfig.embed = 32
ModelConfig.heads = 2
ModelConfig.head_dim = 16
ModelConfig.mlp = 64
ModelConfig.encoder_layers = 1
ModelConfig.decoder_layers = 1
DROPOUT_RATE = 0.1
"""
_RUN = """
RunConfig.lengths = {"inputs": 64, "targets": 16}
RunConfig.vocabulary = "bytes"
RunConfig.extra_ids = 16
RunConfig.batch_size = 8
RunConfig.schedule = "constant"
RunConfig.log_period = 1
RunConfig.dev_task = "none"
RunConfig.predict_batch_size = 8
RunConfig.decode_length = 4
"""
_TRAIN = 'RunConfig.task = "world_qa.en"\n'
_FILES = {
    "model.gin": _MODEL,
    "train.gin": f"{_MODEL}{_RUN}{_TRAIN}TRAIN_STEPS = 60\nRunConfig.save_period = 8\n",
    "checkpoint.gin": f"{_MODEL}{_RUN}{_TRAIN}TRAIN_STEPS = 10\n"
    "RunConfig.save_period = 1\nRunConfig.keep = 100\n",
    "phase.gin": f"{_RUN}RunConfig.save_period = 3\n",
    "first.gin": f'{_RUN}RunConfig.save_period = 3\nRunConfig.task = "world_text.en"\n'
    "RunConfig.steps = 6\n",
    "faults/study.gin": """
StudyConfig.question = "Does a kill change what a study finds?"
StudyConfig.axis = "grid"
StudyConfig.tasks = ["world_nli.en"]
StudyConfig.targets = ["world_qa.en>world_qa.sw"]
""",
    "faults/world.gin": """
StudyConfig.model_files = ["model.gin"]
StudyConfig.initial = "first.gin"
StudyConfig.phase_files = ["phase.gin"]
StudyConfig.phase_steps = 6
StudyConfig.target_files = {"*": "phase.gin"}
StudyConfig.target_steps = {"*": 6}
StudyConfig.evaluate_examples = 4
StudyConfig.attacks = ["character_noise"]
StudyConfig.seeds = [0]
""",
}
_WRITTEN = ("predictions", "scores", "robustness", "items")  # by stages of studies
NAMES = ("train", "checkpoint", "cache", "convert", "study")


def prepare(folder: pathlib.Path) -> None:
    """Make data, settings and a model to convert."""
    from etils import epath

    from xtl_jax.checkpoint import names, ours
    from xtl_jax.model.sizes import ModelConfig
    from xtl_jax.world.generate import Sizes, WorldSizes, generate

    few, many = (Sizes(train=n, validation=4, test=4) for n in (48, 400))
    sizes = WorldSizes(
        text=few, qa=many, nli=few, paraphrase=few, tagging=few, retrieval=few
    )
    generate(folder / "data", seed=0, sizes=sizes)
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    config = ModelConfig(
        vocab=4096,
        embed=256,
        heads=4,
        head_dim=64,
        mlp=512,
        encoder_layers=2,
        decoder_layers=2,
    )
    rng = np.random.default_rng(0)
    shapes = {e.path: (e.layers, *e.shape) for e in names.entries(config)}
    arrays = {
        path: rng.standard_normal([n for n in shape if n is not None], np.float32)
        for path, shape in shapes.items()
    }

    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        array = arrays[entry.path]
        return array if layer is None else array[layer]

    source = names.Source(config=config, name="random", step=1, read=read)
    made = epath.Path(folder / "model")
    ours.write(source, made, vocabulary={"vocabulary_size": config.vocab})


def kinds(folder: pathlib.Path) -> dict[str, Kind]:
    """All kinds by name, of what `prepare` has made in a folder."""
    places = [f"--data_dir={folder / 'data'}"]
    shared = [*places, f"--cache_dir={folder / 'cache'}"]

    def training(name: str) -> Callable[[pathlib.Path], list[str]]:
        gin = f"--gin_file={folder / name}.gin"
        return lambda place: ["train", gin, *shared, f"--run_dir={place / 'run'}"]

    def caching(place: pathlib.Path) -> list[str]:
        names = ["world_qa.en", "--split=train", "--split=validation"]
        words = [f"--cache_dir={place / 'cache'}", "--vocabulary=bytes"]
        return ["data", "cache", *names, *places, *words]

    def converting(place: pathlib.Path) -> list[str]:
        names = [f"{folder / 'model'}", f"{place / 'converted'}"]
        return ["convert", *names, "--to=huggingface", "--no_parity"]

    def studying(place: pathlib.Path) -> list[str]:
        found = f"--gin_search_path={folder}"
        return ["study", "run", "faults", found, *shared, f"--study_dir={place / 's'}"]

    made = (
        Kind(name="train", words=training("train"), results=_of_run),
        Kind(name="checkpoint", words=training("checkpoint"), results=_of_checkpoints),
        Kind(name="cache", words=caching, results=_of_cache),
        Kind(
            name="convert",
            words=converting,
            results=_of_conversion,
            is_over=_is_converted,
        ),
        Kind(name="study", words=studying, results=_of_study),
    )
    return {kind.name: kind for kind in made}


# --- what counts as complete ----------------------------------------------------------


def _of_run(place: pathlib.Path) -> Iterator[Result]:
    """Losses of each step, and the state after the last one."""
    run_dir = place / "run"
    yield from _logged(run_dir)
    last = _json(run_dir / "run.json").get("run", {}).get("steps")
    if last is not None:
        yield from _checkpoints(run_dir, wanted=str(last))


def _of_checkpoints(place: pathlib.Path) -> Iterator[Result]:
    """Losses of each step and the state after it."""
    yield from _logged(place / "run")
    yield from _checkpoints(place / "run", wanted=r"\d+")


def _of_cache(place: pathlib.Path) -> Iterator[Result]:
    """Files of whole stores; what is left beside them at the end is no truth."""
    for folder in sorted(place.glob("cache/*/[!.]*-*")):
        yield from _files(folder, name=folder.name.partition("-")[0])


def _of_conversion(place: pathlib.Path) -> Iterator[Result]:
    """Files of the converted checkpoint."""
    if _is_converted(place):
        yield from _files(place / "converted", name="converted")


def _is_converted(place: pathlib.Path) -> bool:
    """Its folder is there, and is no longer marked as one that is being made."""
    folder = place / "converted"
    return folder.is_dir() and not (folder / partial.RECORD).exists()


def _of_study(place: pathlib.Path) -> Iterator[Result]:
    """Of stages that are done: losses of each step, each prediction, each file."""
    for done in sorted(place.glob("s/stages/*/done.json")):
        stage = done.parent
        for name, digest in _logged(stage):
            yield f"{stage.name}, {name}", digest
        for path in sorted(stage.rglob("*.json*")):
            if path.parent.name not in _WRITTEN and path.name != "stage.json":
                continue
            name = path.relative_to(stage.parent).as_posix()
            content = path.read_bytes().replace(bytes(place), b"")
            if path.suffix != ".jsonl":
                yield name, _sum(content)
                continue
            for line in content.splitlines():
                yield f"{name}, {json.loads(line)['id']}", _sum(line)


def _logged(run_dir: pathlib.Path) -> Iterator[Result]:
    """Whole lines of training, without what a clock decides."""
    path = run_dir / "log.jsonl"
    for line in path.read_bytes().splitlines(True) if path.is_file() else ():
        if line.endswith(b"\n") and (row := json.loads(line))["kind"] == "train":
            kept = {k: v for k, v in row.items() if k not in _CLOCKED}
            yield f"step {row['step']}", _sum(json.dumps(kept, sort_keys=True).encode())


def _checkpoints(run_dir: pathlib.Path, *, wanted: str) -> Iterator[Result]:
    """All arrays of complete checkpoints, and where the feed stands after them."""
    folder = run_dir / "checkpoints"
    for step in sorted(folder.iterdir()) if folder.is_dir() else ():
        if re.fullmatch(wanted, step.name):
            position = (step / "position" / "metadata").read_bytes()
            yield f"state of step {step.name}", _arrays(step / "state")
            yield f"position of step {step.name}", _sum(position)


def _arrays(folder: pathlib.Path) -> str:
    """Checksum of everything that orbax stored, under whatever file names."""
    import tensorstore

    spec = {"driver": "ocdbt", "base": f"file://{folder.resolve()}/"}
    stored = tensorstore.KvStore.open(spec).result()
    digest = hashlib.sha256()
    for key in sorted(stored.list().result()):
        digest.update(key + b"\0" + _sum(stored.read(key).result().value).encode())
    return digest.hexdigest()


def _files(folder: pathlib.Path, *, name: str) -> Iterator[Result]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            inside = path.relative_to(folder).as_posix()
            yield f"{name}/{inside}", _sum(path.read_bytes())


def _json(path: pathlib.Path) -> Mapping[str, Any]:
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
