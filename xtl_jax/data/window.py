"""From slots to rows: what a stretch of training reads, before any token is moved.

Training is an endless list of *slots*, each filled by one example (`mixing`, `order`).
4,096 slots in a row are a *window*; its examples are packed into rows (`packing`) by
their lengths alone. So windows 0, 1, 2, ... give an endless list of *rows*, and batch s
of B rows is rows [s*B, (s+1)*B) of it. A window is a pure function of its number: every
host plans all of it (cheap) and moves only the tokens of its own rows.

Tasks whose card names a `transform` (span corruption) are made when drawn: the tokens
then depend on the slot too, and each visit of a text hides other words of it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from xtl_jax.data import mixing, order, packing, span_corruption
from xtl_jax.data.features import TASK_FEATURES, Lengths
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError
from xtl_jax.typing import Int

WINDOW = 4096  # slots packed together


class Part(NamedTuple):
    """Where one feature of some examples is found."""

    start: np.ndarray  # first token, in the source of its task
    length: np.ndarray  # after cutting to the row
    cut: np.ndarray  # whether it was longer than a row


class Window(NamedTuple):
    """The examples of a window in the order of their rows."""

    rows: int
    first: np.ndarray  # [rows + 1]: the examples of row r are first[r]:first[r + 1]
    slot: np.ndarray  # number of the slot, over the whole run
    task: np.ndarray  # number of the task
    index: np.ndarray  # of the example in its store
    parts: dict[str, Part]
    sources: dict[str, tuple[np.ndarray, ...]]  # tokens, by feature and task


class Subset(NamedTuple):
    """A part of a store's examples, drawn once and for all."""

    examples: int  # how many
    key: int  # decides which


class Schedule(Protocol):
    """Whose turn it is: `mixing.Schedule` or `varying.Stretch`."""

    @property
    def seed(self) -> int:
        """Of the run."""
        ...

    def at(self, slots: Int[np.ndarray, " slots"]) -> mixing.Slots:
        """Task number and turn of each slot."""
        ...


class _Source(NamedTuple):
    """Some examples of one task: tokens of a feature and where each example lies."""

    tokens: np.ndarray
    start: np.ndarray
    length: np.ndarray


def _stored(
    store: Store, index: np.ndarray, _: np.ndarray, __: Lengths
) -> dict[str, _Source]:
    """Examples as the store has them."""
    found = {}
    for name in TASK_FEATURES:
        offsets = store.offsets_of[name]
        start = offsets[index]
        length = offsets[index + 1] - start
        found[name] = _Source(store.tokens_of[name], start, length)
    return found


@functools.lru_cache(maxsize=64)
def longest_chunk(
    lengths: Lengths, *, noise_density: float, mean_span: float, sentinels: int
) -> int:
    """Tokens of text whose corrupted inputs and targets just fit, EOS included.

    Raises:
        UserError: no text at all would fit.

    Example:
        >>> lengths = Lengths(inputs=512, targets=114)  # T5's, for 568 tokens
        >>> longest_chunk(lengths, noise_density=0.15, mean_span=3.0, sentinels=100)
        568
    """
    for size in range(2 * lengths.inputs + 2 * lengths.targets, 1, -1):
        noise, spans = span_corruption.noise_counts(
            size, noise_density=noise_density, mean_span=mean_span
        )
        if (
            size - noise + spans + 1 <= lengths.inputs
            and noise + spans + 1 <= lengths.targets
            and spans <= sentinels
        ):
            return size
    raise UserError(
        f"span corruption fits no text into lengths of {lengths.inputs} and "
        f"{lengths.targets} tokens with {sentinels} sentinels; use longer rows or "
        "more sentinels (extra_ids)"
    )


def _corrupted(
    store: Store, index: np.ndarray, keys: np.ndarray, lengths: Lengths
) -> dict[str, _Source]:
    """Texts with spans hidden, made anew for each visit."""
    settings = store.card["transform"]
    noise = {name: settings[name] for name in ("noise_density", "mean_span")}
    sentinels = np.asarray(store.card["sentinels"], np.int32)
    longest = longest_chunk(lengths, sentinels=len(sentinels), **noise)
    made: dict[str, list[np.ndarray]] = {name: [] for name in TASK_FEATURES}
    for example, key in zip(index.tolist(), keys.tolist(), strict=True):
        text = store.tokens("targets", example)
        if len(text) > longest:
            begin = order.key(key) % (len(text) - longest + 1)
            text = text[begin : begin + longest]
        inputs, targets = span_corruption.corrupt(
            text, sentinels=sentinels, key=(key,), **noise
        )
        made["inputs"].append(np.append(inputs, store.card["eos_id"]))
        made["targets"].append(np.append(targets, store.card["eos_id"]))
    found = {}
    for name, arrays in made.items():
        length = np.array([len(array) for array in arrays], np.int64)
        tokens = np.concatenate(arrays).astype(np.int32)
        found[name] = _Source(tokens, np.cumsum(length) - length, length)
    return found


def check_transform(store: Store) -> None:
    """Refuses a card whose transform this version does not know.

    Raises:
        UserError: another name than span_corruption.
    """
    transform = store.card.get("transform")
    if transform is not None and transform.get("name") != "span_corruption":
        raise UserError(
            f"{store.folder}/card.json names the transform {transform.get('name')!r}; "
            "this version knows span_corruption only"
        )


def plan(
    number: int,
    *,
    stores: Sequence[Store],
    schedule: Schedule,
    lengths: Lengths,
    pack: bool,
    size: int = WINDOW,
    subsets: Sequence[Subset | None] | None = None,
) -> Window:
    """Window `number` of a run: which examples, in which rows.

    Args:
        number: of the window.
        stores: of each task.
        schedule: whose the slots are.
        lengths: of a row, tokens.
        pack: whether examples share rows.
        size: slots.
        subsets: for each task, the part of its examples that is used; None is all.
    """
    slots = np.arange(number * size, (number + 1) * size)
    turns = schedule.at(slots)
    index = np.empty(size, np.int64)
    start = {name: np.empty(size, np.int64) for name in TASK_FEATURES}
    length = {name: np.empty(size, np.int64) for name in TASK_FEATURES}
    tokens: dict[str, list[np.ndarray]] = {name: [] for name in TASK_FEATURES}
    for task, store in enumerate(stores):
        here = np.flatnonzero(turns.task == task)
        count = turns.count[here]
        subset = subsets[task] if subsets else None
        visit = order.visits(
            count,
            size=subset.examples if subset else store.num_examples,
            seed=schedule.seed,
            task=task,
        )
        if subset is not None:
            members = order.permute(
                visit.index, size=store.num_examples, keys=subset.key
            )
            visit = visit._replace(index=members)
        index[here] = visit.index
        draw = _corrupted if store.card.get("transform") else _stored
        keys = order.keys(schedule.seed, task, counts=count)
        found = draw(store, visit.index, keys, lengths) if here.size else {}
        for name in TASK_FEATURES:
            if name not in found:  # this task has no slot in this window
                tokens[name].append(np.zeros(0, np.int32))
                continue
            tokens[name].append(found[name].tokens)
            start[name][here] = found[name].start
            length[name][here] = found[name].length
    parts = {}
    for name, limit in lengths.items():
        parts[name] = Part(
            start=start[name],
            length=np.minimum(length[name], limit),
            cut=length[name] > limit,
        )
    if pack:
        placed = packing.best_fit(
            parts["inputs"].length, parts["targets"].length, lengths=lengths
        )
    else:
        placed = packing.Rows(row=np.arange(size), count=size)
    by_row = np.argsort(placed.row, kind="stable")
    return Window(
        rows=placed.count,
        first=np.searchsorted(placed.row[by_row], np.arange(placed.count + 1)),
        slot=slots[by_row],
        task=turns.task[by_row],
        index=index[by_row],
        parts={n: Part(*(field[by_row] for field in p)) for n, p in parts.items()},
        sources={name: tuple(arrays) for name, arrays in tokens.items()},
    )


def read(
    window: Window, feature: str, *, begin: int, end: int, eos: Sequence[int | None]
) -> packing.Span:
    """Tokens of one feature of rows [begin, end) of a window; rows count from 0.

    Args:
        window: the plan.
        feature: inputs or targets.
        begin: first row.
        end: row after the last.
        eos: for each task, the id that ends a cut example; None where it has none.
    """
    examples = slice(int(window.first[begin]), int(window.first[end]))
    row = np.repeat(np.arange(end - begin), np.diff(window.first[begin : end + 1]))
    start, length, cut = (field[examples] for field in window.parts[feature])
    task = window.task[examples]
    ends = np.cumsum(length)
    sources = window.sources[feature]
    if len(sources) == 1:
        tokens = sources[0][packing.gather_index(start, length)]
    else:
        tokens = np.empty(int(ends[-1]) if len(ends) else 0, np.int32)
        for number, source in enumerate(sources):
            mine = task == number
            size = length[mine]
            at = packing.gather_index(ends[mine] - size, size)
            tokens[at] = source[packing.gather_index(start[mine], size)]
    for number in np.unique(task[cut]):
        last = eos[number]
        if last is not None:
            tokens[ends[cut & (task == number)] - 1] = last
    return packing.Span(tokens=tokens, length=length, row=row)
