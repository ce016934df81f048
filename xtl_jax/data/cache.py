"""Which token store belongs to a task, and how it is made.

A store's folder is `CACHE_DIR/TASK/SPLIT-HASH`. The hash covers everything that decides
its content, its *recipe*: the task's definition, the vocabulary's checksum, name, size
and checksum of each source file, and the store's format. Change one and another folder
is looked for; nothing is ever overwritten and nothing stale is read.

A training machine may have the caches and not the files they were made from. Then the
one cache whose definition and vocabulary agree is taken; none, or several, is an error
that says how to make the right one.

Only `build` needs SeqIO and TensorFlow. Of processes that build the same store at once
all but one wait, where the file system has locks; elsewhere the slower ones throw their
own work away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xtl_jax import storage
from xtl_jax.data import store
from xtl_jax.data.features import TASK_FEATURES
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    import seqio
    import tensorflow as tf

    from xtl_jax.data.vocabulary import Vocabulary

Progress = Callable[[int, int | None], None]

_CHUNK = 1 << 20  # bytes read at a time
_DIGESTS = "file_digests.json"
_BATCH = 512  # rows that leave TensorFlow at a time
_ALWAYS_READ = ("id", "side")
_TEXT_READ = (
    *("inputs_pretokenized", "targets_pretokenized", "references", "context"),
    "options",
)
_SHORTEST_TEXT = 2  # tokens: one is hidden, one is left


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a store's content, as JSON values.

    Attributes:
        task: its name.
        split: train, validation or test.
        definition: prompt, features, ...: whatever the task's builder says decides it.
        vocabulary_sha256: of the vocabulary.
        sources: name, size and sha256 of each source file; None where the files are
            not at hand.
        transform: settings of what is done when an example is drawn, or None.
        keep_text: whether prompts and references are kept beside the tokens.
    """

    task: str
    split: str
    definition: Mapping[str, Any]
    vocabulary_sha256: str
    sources: tuple[Mapping[str, Any], ...] | None
    transform: Mapping[str, Any] | None = None
    keep_text: bool = False

    def card(self) -> dict[str, Any]:
        """The recipe as it stands in a store's card."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def hash(self) -> str:
        """16 hexadecimal digits."""
        content = json.dumps(
            {"format_version": store.FORMAT_VERSION, **self.card()},
            sort_keys=True,
            ensure_ascii=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def folder(self, cache_dir: str | os.PathLike[str]) -> pathlib.Path:
        """Where its store is, or would be."""
        return pathlib.Path(cache_dir) / self.task / f"{self.split}-{self.hash()}"


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with storage.told(path), storage.at(path).open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _stamp(path: str) -> list[int]:
    """Size in bytes and time of change; of a bucket in seconds, 0: it tells none."""
    if not storage.is_remote(path):
        status = os.stat(path)
        return [status.st_size, status.st_mtime_ns]
    from etils import epath

    with storage.told(path):
        found = epath.Path(path).stat()
    return [found.length, found.mtime]


def digests(
    paths: Sequence[str | os.PathLike[str]], *, cache_dir: str | os.PathLike[str]
) -> tuple[dict[str, Any], ...] | None:
    """Name, size and sha256 of each file; None if one of them is not there.

    Files that were read before and have the same size and time of change are not read
    again: the results are kept in `CACHE_DIR/file_digests.json`. A name that begins
    with `tfds:` is a TFDS version, which has no file and stands for itself.

    Raises:
        UserError: `cache_dir` is in a bucket, or a bucket does not answer.
    """
    storage.on_disk(os.fspath(cache_dir), what="cache_dir")
    memo_path = pathlib.Path(cache_dir) / _DIGESTS
    memo: dict[str, list[Any]] = {}
    with contextlib.suppress(FileNotFoundError, ValueError):
        memo = json.loads(memo_path.read_text(encoding="utf-8"))
    known = dict(memo)
    found = []
    for path in [os.fspath(path) for path in paths]:
        if path.startswith("tfds:"):
            found.append({"name": path, "size": None, "sha256": None})
            continue
        name = path.rsplit("/", 1)[-1]
        try:
            stamp = _stamp(path)
        except FileNotFoundError:
            return None
        key = path if storage.is_remote(path) else os.path.abspath(path)
        if key not in memo or memo[key][:2] != stamp or not stamp[1]:
            memo[key] = [*stamp, _sha256(path)]
        found.append({"name": name, "size": stamp[0], "sha256": memo[key][2]})
    if memo != known:
        storage.replace(memo_path, json.dumps(memo, indent=1, sort_keys=True))
    return tuple(found)


def command(recipe: Recipe) -> str:
    """What to type to build a store, for error messages."""
    return f"xtl data cache {recipe.task} --split {recipe.split}"


def find(recipe: Recipe, *, cache_dir: str | os.PathLike[str]) -> pathlib.Path | None:
    """The folder of a recipe's store, or None if it must be built.

    Raises:
        UserError: the source files are not at hand (`recipe.sources` is None) and the
            caches hold no store, or several, of this definition and vocabulary.
    """
    if recipe.sources is not None:
        folder = recipe.folder(cache_dir)
        return folder if folder.is_dir() else None
    wanted = recipe.card()
    del wanted["sources"]
    family = pathlib.Path(cache_dir) / recipe.task
    alike, others = [], []
    for folder in sorted(family.glob(f"{recipe.split}-*")):
        card = store.read_card(folder)
        same = all(card.get(name) == value for name, value in wanted.items())
        (alike if same else others).append(folder)
    if len(alike) == 1:
        return alike[0]
    if alike:
        names = ", ".join(folder.name for folder in alike)
        raise UserError(
            f"{family} holds {len(alike)} caches of the {recipe.split} split made from "
            f"different files ({names}), and the files that would decide are not here; "
            "delete all but one, or give --data_dir"
        )
    differing = "; ".join(f"{f.name}: {_difference(f, wanted)}" for f in others)
    raise UserError(
        f"no cache of {recipe.task} {recipe.split} in {cache_dir}"
        f"{f' (there is {differing})' if others else ''}, and its source files are not "
        f"here to make one; give --data_dir, or run `{command(recipe)}` where they are "
        "and copy the folder"
    )


def _difference(folder: pathlib.Path, wanted: Mapping[str, Any]) -> str:
    card = store.read_card(folder)
    names = [name for name, value in wanted.items() if card.get(name) != value]
    return f"another {' and '.join(names).replace('_sha256', '')}"


@contextlib.contextmanager
def _alone(folder: pathlib.Path) -> Iterator[bool]:
    """Holds the lock of one store; yields whether there is such a thing here."""
    try:
        import fcntl
    except ImportError:  # Windows: the rename alone decides
        yield False
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a network file system without locks
            yield False
            return
        yield True  # closing the file gives the lock back


def build(
    task: seqio.Task,
    recipe: Recipe,
    *,
    cache_dir: str | os.PathLike[str],
    vocabulary: Vocabulary,
    progress: Progress = lambda done, total: None,
) -> pathlib.Path:
    """Tokenises a split of a task into its store, unless that is there already.

    Args:
        task: whose dataset is read to its end, unshuffled and untrimmed.
        recipe: what decides the content; names the folder.
        cache_dir: of all stores; made if missing.
        vocabulary: the one the task uses.
        progress: called with the number of examples done, and of all if known.

    Returns:
        The store's folder.

    Raises:
        UserError: an example without targets, an id outside the vocabulary, no space.
    """

    def card_and_rows() -> tuple[dict[str, Any], Iterator[store.Example]]:
        _check(task, recipe)
        card = recipe.card() | {
            "eos_id": vocabulary.eos_id,
            "eos": {
                name: recipe.transform is not None or task.output_features[name].add_eos
                for name in TASK_FEATURES
            },
        }
        if recipe.transform is not None:
            card |= {"sentinels": _sentinels(recipe, vocabulary), "left_out": 0}
        return card, _examples(
            task, recipe, vocabulary=vocabulary, card=card, progress=progress
        )

    return write_once(recipe, card_and_rows, cache_dir=cache_dir)


def write_once(
    recipe: Recipe,
    make: Callable[[], tuple[dict[str, Any], Iterator[store.Example]]],
    *,
    cache_dir: str | os.PathLike[str],
) -> pathlib.Path:
    """Writes the store of a recipe, unless that is there already.

    Args:
        recipe: what decides the content; names the folder.
        make: gives the store's card, which may change until the last example is taken,
            and its examples. Not called where the store is there.
        cache_dir: of all stores; made if missing.

    Returns:
        The store's folder.
    """
    folder = recipe.folder(cache_dir)
    with _alone(folder) as locked:
        if folder.is_dir():
            store.Store(folder)  # says so if it is damaged
            return folder
        if locked:  # whoever left these was killed: nobody else is writing
            for left in folder.parent.glob(f"{store.partial_prefix(folder)}*"):
                shutil.rmtree(left, ignore_errors=True)
        card, rows = make()
        return store.write(folder, rows, card)


def _needed(recipe: Recipe) -> Sequence[str]:
    """Features that a row is made of."""
    return TASK_FEATURES if recipe.transform is None else ("targets",)


def _check(task: seqio.Task, recipe: Recipe) -> None:
    """Refuses a task that lacks the split or what a row is made of."""
    for name in _needed(recipe):
        if name not in task.output_features:
            raise UserError(
                f"{recipe.task} has no feature {name!r}; an encoder-decoder needs "
                "inputs and targets"
            )
    if recipe.split not in task.splits:
        raise UserError(
            f"{recipe.task} has no split {recipe.split!r}; it has "
            f"{', '.join(sorted(task.splits))}"
        )


def _sentinels(recipe: Recipe, vocabulary: Vocabulary) -> list[int]:
    """Kept in the card, so that drawing needs no vocabulary file."""
    if not vocabulary.sentinel_ids:
        raise UserError(
            f"{recipe.task} hides spans of text behind sentinels, and the vocabulary "
            f"{vocabulary.spec!r} has none; add some with --extra_ids 100"
        )
    return list(vocabulary.sentinel_ids)


def _examples(
    task: seqio.Task,
    recipe: Recipe,
    *,
    vocabulary: Vocabulary,
    card: dict[str, Any],
    progress: Progress,
) -> Iterator[store.Example]:
    """The split's examples as a store keeps them; counts in `card` what it leaves out.

    A text for span corruption is its `targets`, without EOS: it is cut, hidden in part
    and ended when it is drawn.
    """
    is_text, needed = recipe.transform is not None, _needed(recipe)
    dataset = task.get_dataset(sequence_length=None, split=recipe.split, shuffle=False)
    total = int(dataset.cardinality())  # negative: endless or not known
    kept = (*needed, *_ALWAYS_READ, *(_TEXT_READ if recipe.keep_text else ()))
    for number, row in enumerate(_rows(dataset, kept)):
        progress(number + 1, total if total >= 0 else None)
        example: dict[str, Any] = {"inputs": np.zeros(0, np.int32)}
        for name in needed:
            tokens = np.asarray(row[name], np.int32)
            if tokens.size and not 0 < tokens.min() <= tokens.max() < vocabulary.size:
                raise UserError(
                    f"{recipe.task} {recipe.split}, example {_name(row, number)}: "
                    f"{name} have token ids from {tokens.min()} to {tokens.max()}; the "
                    f"vocabulary has 1 to {vocabulary.size - 1}: was the task built "
                    "with another vocabulary?"
                )
            if is_text and tokens.size and tokens[-1] == vocabulary.eos_id:
                tokens = tokens[:-1]
            example[name] = tokens
        targets = example["targets"]
        if is_text:
            if len(targets) < _SHORTEST_TEXT:
                card["left_out"] += 1  # too short to hide a part of
                continue
        elif not row.get("side") and not np.any(targets != vocabulary.eos_id):
            raise UserError(
                f"{recipe.task} {recipe.split}, example {_name(row, number)}: its "
                "target is empty, so nothing could be learnt or scored; mend or remove "
                "the row in the source file"
            )
        if recipe.keep_text:
            example["meta"] = _meta(row, number, vocabulary=vocabulary)
        yield example


def _rows(
    dataset: tf.data.Dataset, names: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """Rows as NumPy values, of each what is named and there.

    Rows leave TensorFlow many at a time: one by one, that takes longer than to tokenise
    them.
    """
    specs: Any = dataset.element_spec  # its stub allows all nestings
    specs = {name: specs[name] for name in names if name in specs}

    def chosen(row):
        return {name: row[name] for name in specs}

    dataset = dataset.map(chosen)
    if any(spec.shape.rank is None for spec in specs.values()):  # a task of the user's
        yield from _numpy(dataset)
        return
    for batch in _numpy(dataset.ragged_batch(_BATCH)):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def _numpy(dataset: tf.data.Dataset) -> Iterator[Any]:
    return iter(dataset.as_numpy_iterator())


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _name(row: Mapping[str, Any], number: int) -> str:
    return repr(_text(row["id"])) if "id" in row else f"number {number}"


def _meta(
    row: Mapping[str, Any], number: int, *, vocabulary: Vocabulary
) -> dict[str, Any]:
    """Text of an example; a task written elsewhere may have less of it."""
    texts = {
        name: _text(row[f"{name}_pretokenized"])
        if f"{name}_pretokenized" in row
        else vocabulary.decode(row[name])
        for name in TASK_FEATURES
    }
    # None may be right: a question without an answer, a sentence without a partner.
    references = row["references"] if "references" in row else [texts["targets"]]
    meta: dict[str, Any] = {
        "id": _text(row["id"]) if "id" in row else str(number),
        "inputs": texts["inputs"],
        "targets": texts["targets"],
        "references": [_text(value) for value in references],
        "context": _text(row["context"]) or None if "context" in row else None,
    }
    # Only kinds that have them carry them.
    if len(options := row.get("options", ())):
        meta["options"] = [_text(option) for option in options]
    if side := _text(row.get("side", "")):
        meta["side"] = side
    return meta
