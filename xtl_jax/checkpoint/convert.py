"""One format into another, array by array, whole or not at all.

A conversion is planned first (`plan`): everything that can be refused is refused before
a byte is written. It is then written beside its destination (`run`):

    DST.partial/convert.json    which source this is: path, files, sizes, time stamps
    DST.partial/…               what DST will hold

and renamed to DST at the end. A process that was killed leaves DST.partial behind, and
the next one with the same source goes on with it.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

from etils import epath

import xtl_jax
from xtl_jax import storage
from xtl_jax.checkpoint import (
    find,
    huggingface,
    huggingface_encoder,
    names,
    ours,
    store,
    t5x,
    zarr,
)
from xtl_jax.checkpoint.partial import RECORD, claimed, fingerprint
from xtl_jax.data import encoder_vocabulary
from xtl_jax.data import vocabulary as vocabularies
from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.network import AnyConfig
from xtl_jax.model.sizes import ModelConfig

_CHECKPOINT = re.compile(r"checkpoint_(\d+)")
# What T5X's code fixes and its checkpoints do not hold.
_FIXED_IN_T5X = ("max_distance", "norm_epsilon")


class Vocabulary(NamedTuple):
    """What is known of a checkpoint's ids.

    Attributes:
        size: ids that may be generated; rows of the model beyond them are padding.
        sha256: of its contents; None where they are not known.
        model: SentencePiece model in mT5's layout, sentinels included; None where there
            is none, as for a model of bytes.
        path: where that was read.
    """

    size: int
    sha256: str | None = None
    model: bytes | None = None
    path: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A conversion that can begin.

    Attributes:
        found: where the source is.
        source: its arrays, under the step that the destination will have.
        to: the destination's format.
        destination: the folder to make.
        vocabulary: the source's, and the destination's.
    """

    found: find.Found
    source: names.Source
    to: find.Kind
    destination: pathlib.Path
    vocabulary: Vocabulary

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
    head: str | None = None,
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
        head: of an encoder: the only head to take along, or "none"; None takes all,
            and Hugging Face's format holds one.

    Raises:
        UserError: no such checkpoint or head, or a damaged one; a destination that
            exists or cannot be; a vocabulary that does not fit; too little space.
    """
    where = _destination(destination)
    found = find.find(path, step=step)
    source = _with_head(found.source(), head)
    if to == "huggingface" and isinstance(source.config, EncoderConfig):
        source = huggingface_encoder.writable(source)
    if to == "t5x":
        _check_for_t5x(source)
        if match := _CHECKPOINT.fullmatch(where.name):
            source = dataclasses.replace(source, step=int(match[1]))
    known = _vocabulary(found, source.config, vocabulary)
    planned = Plan(
        found=found,
        source=_padded_as(known, source),
        to=to,
        destination=where,
        vocabulary=known,
    )
    inside = pathlib.Path(storage.absolute(_folder(found)))
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
    if plan.destination.exists():  # a kill came right after it had got its name
        with claimed(plan.destination, record=_record(plan)):
            check(plan.destination)
            (plan.destination / RECORD).unlink()
        return
    with claimed(partial, record=_record(plan)):
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
        storage.sync_folder(plan.destination.parent)
    (plan.destination / RECORD).unlink()


def parts(config: AnyConfig) -> dict[str, int]:
    """Parameters by part of the network.

    Example:
        >>> small = ModelConfig(vocab=250_112, embed=512, heads=6, head_dim=64,
        ...                     mlp=1024, encoder_layers=8, decoder_layers=8)
        >>> sum(parts(small).values()), parts(small)["head"]
        (300176768, 128057344)
    """
    called = {
        "token_embedder": "embedding",
        "encoder/embeddings": "embedding",
        "logits_dense": "head",
    }
    found: dict[str, int] = {}
    for entry in names.entries(config):
        first, second, *_ = entry.path.split("/")
        part = called.get(first) or called.get(f"{first}/{second}") or first
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
    if (where.exists() or where.is_symlink()) and not (where / RECORD).is_file():
        raise UserError(f"{where} exists; give a DST that does not, it is made")
    return where


def _with_head(source: names.Source, head: str | None) -> names.Source:
    """The same source with one head or none."""
    config = source.config
    if head is None:
        return source
    if not isinstance(config, EncoderConfig):
        raise UserError(f"--head {head}: {source.name} is an mT5, which has no heads")
    heads = () if head == "none" else (config.head(head),)
    return dataclasses.replace(source, config=config.with_heads(heads))


def _check_for_t5x(source: names.Source) -> None:
    if isinstance(source.config, EncoderConfig):
        raise UserError(
            f"{source.name} is an encoder, and T5X has none: convert to huggingface or "
            "xtl"
        )
    for field in dataclasses.fields(ModelConfig):
        value = getattr(source.config, field.name)
        if field.name in _FIXED_IN_T5X and value != field.default:
            raise UserError(
                f"{source.name} has {field.name} {value!r}; a T5X checkpoint cannot "
                f"say so, and T5X's code has {field.default!r}: it would be another "
                "model. Convert to huggingface or xtl"
            )


def _vocabulary(found: find.Found, config: AnyConfig, given: str | None) -> Vocabulary:
    """The vocabulary of a checkpoint: given, beside it, or the one it was trained with.

    Raises:
        UserError: it has more ids than the model has rows, or is not the run's own.
    """
    described = ours.describe(found.folder) if found.kind == "xtl" else None
    trained_with = described.vocabulary_sha256 if described else None
    beside = [
        str(found.folder / name)
        for name in (huggingface.VOCABULARY, huggingface_encoder.VOCABULARY)
        if (found.folder / name).is_file()
    ]
    extra_ids = described.extra_ids if described else 0
    if given is None and beside:
        given, extra_ids = beside[0], 0
    elif given is None and described:
        given = _of_run(described)
    if given is None:
        return Vocabulary(found.vocabulary_size(config), trained_with)
    if given == vocabularies.BYTES:
        raise UserError(
            "--vocabulary bytes is no file; a model of bytes is converted without it"
        )
    pieces = vocabularies.load(given, extra_ids=extra_ids)
    assert isinstance(pieces, vocabularies.PieceVocabulary)
    encoder = isinstance(config, EncoderConfig)
    loaded = encoder_vocabulary.EncoderVocabulary(pieces) if encoder else pieces
    if trained_with not in (None, loaded.sha256):
        raise UserError(
            f"the vocabulary {given} is not the one that {found.folder} was trained "
            "with (another checksum): its ids would mean other pieces"
        )
    config.with_vocabulary(loaded.size)
    return Vocabulary(loaded.size, loaded.sha256, pieces.content, given)


def _padded_as(known: Vocabulary, source: names.Source) -> names.Source:
    """BERT's shape under a known vocabulary has that one's padding id.

    The config.json of multilingual-e5 names another; only masks depend on it.
    """
    config = source.config
    if known.model is None or not isinstance(config, EncoderConfig):
        return source
    if config.architecture != "bert":
        return source
    pad_id = encoder_vocabulary.EncoderVocabulary.pad_id
    return dataclasses.replace(
        source, config=dataclasses.replace(config, pad_id=pad_id)
    )


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
        return
    ids, model = plan.vocabulary, plan.vocabulary.model
    if plan.to == "huggingface":
        huggingface.write(
            plan.source, partial, vocabulary=model, vocabulary_size=ids.size, done=done
        )
        return
    if model is not None:
        (partial / huggingface.VOCABULARY).write_bytes(model)
    known: dict[str, Any] = {"vocabulary_size": ids.size}
    if ids.sha256 is not None:
        known["vocabulary_sha256"] = ids.sha256
    ours.write(plan.source, partial, vocabulary=known, done=done)


def _record(plan: Plan) -> dict[str, Any]:
    """What makes two conversions the same."""
    return {
        "source": str(storage.absolute(_folder(plan.found))),
        "files of the source": fingerprint(_folder(plan.found)),
        "format": plan.to,
        "step": plan.source.step,
        "vocabulary": plan.vocabulary.sha256,
        "version of xtl_jax": xtl_jax.__version__,
    }


def _folder(found: find.Found) -> epath.Path:
    """The folder that holds the source's arrays and nothing that changes."""
    if found.kind != "xtl":
        return found.folder
    return store.state_folder(found.folder, step=found.step)[0].parent
