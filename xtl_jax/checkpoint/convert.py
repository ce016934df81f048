"""One format into another, array by array, whole or not at all.

A conversion is planned first (`plan`): everything that can be refused is refused before
a byte is written. It is then written beside its destination (`run`):

    DST.partial/convert.json    which source this is: path, files, sizes, time stamps
    DST.partial/…               what DST will hold

and renamed to DST at the end. A process that was killed leaves DST.partial behind, and
the next one with the same source goes on with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import find, huggingface, names, ours, store, t5x, zarr
from xtl_jax.data import vocabulary as vocabularies
from xtl_jax.errors import UserError
from xtl_jax.model.sizes import ModelConfig

RECORD = "convert.json"
_CHECKPOINT = re.compile(r"checkpoint_(\d+)")
# What T5X's code fixes and its checkpoints do not hold.
_FIXED_IN_T5X = ("max_distance", "norm_epsilon")


class Tokenizer(NamedTuple):
    """A SentencePiece model in mT5's layout, sentinels included."""

    path: str
    model: bytes
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A conversion that can begin.

    Attributes:
        found: where the source is.
        source: its arrays, under the step that the destination will have.
        to: the destination's format.
        destination: the folder to make.
        tokenizer: what is known of the source's.
    """

    found: find.Found
    source: names.Source
    to: find.Kind
    destination: pathlib.Path
    tokenizer: Tokenizer | None

    @property
    def partial(self) -> pathlib.Path:
        """What the destination is called until it is whole."""
        return self.destination.with_name(f"{self.destination.name}.partial")

    @property
    def bytes(self) -> int:
        """Size of all arrays, uncompressed."""
        return 4 * self.source.config.parameters


def plan(
    path: str,
    destination: str,
    *,
    to: find.Kind,
    vocabulary: str | None = None,
    step: int | None = None,
) -> Plan:
    """Check everything that can be known before the conversion.

    Args:
        path: anything that `xtl_jax.load` takes.
        destination: a folder that does not exist, on this machine.
        to: its format. T5X keeps the step in a folder's name: `checkpoint_N` is written
            as step N; in any other folder a `checkpoint_STEP` is made.
        vocabulary: the SentencePiece model that belongs to the checkpoint; without it
            the one that lies in a source folder, or that a run was trained with.
        step: which checkpoint of several.

    Raises:
        UserError: no such checkpoint, or a damaged one; a destination that exists or
            cannot be; a vocabulary that does not fit; too little space.
    """
    where = _destination(destination)
    found = find.find(path, step=step)
    source = _finite(found.source())
    if to == "t5x":
        _check_for_t5x(source)
        if match := _CHECKPOINT.fullmatch(where.name):
            source = dataclasses.replace(source, step=int(match[1]))
    planned = Plan(
        found=found,
        source=source,
        to=to,
        destination=where,
        tokenizer=_tokenizer(found, source.config, vocabulary),
    )
    inside = pathlib.Path(_folder(planned))
    if inside == where or inside in where.parents:
        raise UserError(
            f"{where} lies inside the checkpoint {inside}: give another DST"
        )
    _check_space(planned)
    return planned


def run(
    plan: Plan,
    *,
    done: zarr.Done = zarr.nothing,
    check: Callable[[pathlib.Path], None] = lambda path: None,
) -> None:
    """Write the destination, or go on with what an earlier process has written.

    Args:
        plan: what to do.
        done: told the name and bytes of each array, those of earlier processes too.
        check: called with a path that `xtl_jax.load` takes, before the folder gets its
            final name; what it raises keeps the folder from it.

    Raises:
        UserError: the source is damaged, or the check fails: what was written is
            removed. The folder of an earlier process belongs to another conversion, or
            the disk fails: nothing is removed.
    """
    partial = plan.partial
    with _claimed(plan):
        try:
            _write(plan, epath.Path(partial), done=done)
            check(partial)
        except UserError:
            # What it was made of will not come again: a mended source is another one.
            shutil.rmtree(partial)
            raise
        except OSError as error:
            raise UserError(
                f"{partial} cannot be written ({error.strerror or error}); what is in "
                "it is kept, and the same command goes on with it"
            ) from error
        partial.rename(plan.destination)
    (plan.destination / RECORD).unlink()


def parts(config: ModelConfig) -> dict[str, int]:
    """Parameters by part of the network.

    Example:
        >>> small = ModelConfig(vocab=250_112, embed=512, heads=6, head_dim=64,
        ...                     mlp=1024, encoder_layers=8, decoder_layers=8)
        >>> sum(parts(small).values()), parts(small)["head"]
        (300176768, 128057344)
    """
    called = {"token_embedder": "embedding", "logits_dense": "head"}
    found: dict[str, int] = {}
    for entry in names.entries(config):
        part = entry.path.split("/")[0]
        part = called.get(part, part)
        size = math.prod(entry.shape) * (entry.layers or 1)
        found[part] = found.get(part, 0) + size
    return found


# --- what is checked first ------------------------------------------------------------


def _destination(path: str) -> pathlib.Path:
    if "://" in path:
        raise UserError(
            f"{path}: a checkpoint is converted on this machine; give a local folder "
            "and copy it there"
        )
    where = pathlib.Path(path).absolute()
    if where.exists() or where.is_symlink():
        raise UserError(f"{where} exists; give a DST that does not, it is made")
    return where


def _finite(source: names.Source) -> names.Source:
    """The same source, which refuses to give what is no number."""

    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        array = source.read(entry, layer)
        # Both are NaN where any is, and neither needs a second array.
        if not (np.isfinite(array.min()) and np.isfinite(array.max())):
            at = entry.path if layer is None else f"{entry.path} of layer {layer}"
            raise UserError(
                f"{source.name}: {at} holds NaN or infinity: the file is damaged, copy "
                "the checkpoint again; or its training diverged, take an earlier step"
            )
        return array

    return dataclasses.replace(source, read=read)


def _check_for_t5x(source: names.Source) -> None:
    for field in dataclasses.fields(ModelConfig):
        value = getattr(source.config, field.name)
        if field.name in _FIXED_IN_T5X and value != field.default:
            raise UserError(
                f"{source.name} has {field.name} {value!r}; a T5X checkpoint cannot "
                f"say so, and T5X's code has {field.default!r}: it would be another "
                "model. Convert to huggingface or xtl"
            )


def _tokenizer(
    found: find.Found, config: ModelConfig, given: str | None
) -> Tokenizer | None:
    """The vocabulary of a checkpoint, if there is one of SentencePiece.

    Raises:
        UserError: it has more ids than the model has rows, or is not the run's own.
    """
    described = ours.describe(found.folder) if found.kind == "xtl" else None
    beside = found.folder / huggingface.VOCABULARY
    extra_ids = described.extra_ids if described else 0
    if given is None and beside.is_file():
        given, extra_ids = str(beside), 0
    elif given is None and described:
        given = _of_run(described)
    if given is None:
        return None
    if given == vocabularies.BYTES:
        raise UserError(
            "--vocabulary bytes is no file; a model of bytes is converted without it"
        )
    vocabulary = vocabularies.load(given, extra_ids=extra_ids)
    trained_with = described.vocabulary_sha256 if described else None
    if trained_with not in (None, vocabulary.sha256):
        raise UserError(
            f"the vocabulary {given} is not the one that {found.folder} was trained "
            "with (another checksum): its ids would mean other pieces"
        )
    config.with_vocabulary(vocabulary.size)
    assert isinstance(vocabulary, vocabularies.PieceVocabulary)
    return Tokenizer(given, vocabulary.content, vocabulary.size, vocabulary.sha256)


def _of_run(described: ours.Description) -> str | None:
    """A run's vocabulary, if it is a file that is still there."""
    name = described.vocabulary
    if not name or name == vocabularies.BYTES:
        return None
    return name if "://" in name or pathlib.Path(name).is_file() else None


def _check_space(plan: Plan) -> None:
    folder = plan.destination.parent
    while not folder.exists():
        folder = folder.parent
    there = sum(
        path.stat().st_size for path in plan.partial.rglob("*") if path.is_file()
    )
    needed = plan.bytes + (16 << 20) - there
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder} has {free / 1e9:.1f} GB free and {plan.destination.name} needs "
            f"{needed / 1e9:.1f} GB: free some space, or give a DST on another disk"
        )


# --- writing --------------------------------------------------------------------------


def _write(plan: Plan, partial: epath.Path, *, done: zarr.Done) -> None:
    if plan.to == "t5x":
        if not _CHECKPOINT.fullmatch(plan.destination.name):
            partial = partial / f"checkpoint_{plan.source.step}"
        t5x.write(plan.source, partial, done=done)
    elif plan.to == "huggingface":
        model = plan.tokenizer.model if plan.tokenizer else None
        huggingface.write(plan.source, partial, vocabulary=model, done=done)
    else:
        known = {}
        if plan.tokenizer:
            known = {
                "vocabulary_size": plan.tokenizer.size,
                "vocabulary_sha256": plan.tokenizer.sha256,
            }
            (partial / huggingface.VOCABULARY).write_bytes(plan.tokenizer.model)
        ours.write(plan.source, partial, vocabulary=known, done=done)


@contextlib.contextmanager
def _claimed(plan: Plan) -> Iterator[None]:
    """The partial folder, while no other process may write into it.

    Raises:
        UserError: it belongs to another conversion, or another process is at work.
    """
    import fcntl

    partial, record = plan.partial, plan.partial / RECORD
    mend = f"remove {partial} to begin anew, or give another DST"
    if partial.is_dir() and any(partial.iterdir()) and not record.is_file():
        raise UserError(f"{partial} is no conversion that was stopped: {mend}")
    partial.mkdir(parents=True, exist_ok=True)
    wanted = json.loads(json.dumps(_record(plan)))
    with record.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed
        except BlockingIOError:
            raise UserError(
                f"another process is converting into {partial}: wait for it, or give "
                "another DST"
            ) from None
        file.seek(0)
        text = file.read()
        if not text:
            file.write(json.dumps(wanted))
            file.flush()
        elif differing := _differing(text, wanted):
            raise UserError(
                f"{partial} is of a stopped conversion with another {differing}: {mend}"
            )
        yield


def _record(plan: Plan) -> dict[str, Any]:
    """What makes two conversions the same."""
    return {
        "source": str(plan.found.folder),
        "files of the source": _files(plan),
        "format": plan.to,
        "step": plan.source.step,
        "vocabulary": plan.tokenizer.sha256 if plan.tokenizer else None,
        "version of xtl_jax": xtl_jax.__version__,
    }


def _differing(text: str, wanted: dict[str, Any]) -> str:
    """Names of what differs between a record and what it should say."""
    try:
        found = json.loads(text)
        return ", ".join(name for name in wanted if found[name] != wanted[name])
    except (ValueError, KeyError, TypeError):
        return f"{RECORD} (it cannot be read)"


def _folder(plan: Plan) -> epath.Path:
    """The folder that holds the source's arrays and nothing that changes."""
    found = plan.found
    if found.kind != "xtl":
        return found.folder
    return store.state_folder(found.folder, step=found.step)[0].parent


def _files(plan: Plan) -> dict[str, Any]:
    """Size and time stamp of the source's files by name.

    Of a bucket only the top level is looked at: each look is a request.
    """
    folder = _folder(plan)
    if "://" in str(folder):
        return {
            child.name: [child.stat().length, int(child.stat().mtime)]
            for child in folder.iterdir()
            if child.is_file()
        }
    local = pathlib.Path(folder)
    found = {}
    for path in sorted(local.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[str(path.relative_to(local))] = [status.st_size, status.st_mtime_ns]
    return found
