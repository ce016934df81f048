"""Several examples in one row, so that few positions are padding.

Example: inputs of 3, 5 and 2 tokens, rows of 8. Best-fit puts the first and the second
in row 0 (3 + 5 = 8) and the third in row 1:

    encoder_input_tokens   a a a b b b b b     c c 0 0 0 0 0 0
    encoder_segment_ids    1 1 1 2 2 2 2 2     1 1 0 0 0 0 0 0
    encoder_positions      0 1 2 0 1 2 3 4     0 1 0 0 0 0 0 0

An example fits a row only if both its inputs and its targets do. The model lets a token
see tokens of the same segment only, so an example is treated as if it were alone.
`decoder_input_tokens` are the targets moved right by one inside each segment, with 0 at
its start: SeqIO's `EncDecFeatureConverter` with and without `pack` gives the same.

An example longer than a row keeps its first tokens; where its feature ends in EOS, the
last of them becomes EOS, as SeqIO's `append_eos_after_trim` has it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from xtl_jax.data.features import Lengths
from xtl_jax.typing import Int, Shaped

OPEN_ROWS = 24  # 48 fill no more of a row: 99.1 % at usual lengths

Batch = dict[str, np.ndarray]


class Rows(NamedTuple):
    """Where each example of a window goes."""

    row: Shaped[np.ndarray, " examples"]
    count: int  # rows in all


class Span(NamedTuple):
    """One feature of several examples, laid out in rows, in the order of the rows."""

    tokens: Shaped[np.ndarray, " tokens"]  # of all examples, one after the other
    length: Shaped[np.ndarray, " examples"]
    row: Shaped[np.ndarray, " examples"]  # ascending


def best_fit(
    inputs: Int[np.ndarray, " examples"],
    targets: Int[np.ndarray, " examples"],
    *,
    lengths: Lengths,
    open_rows: int = OPEN_ROWS,
) -> Rows:
    """Puts each example into the fullest open row that has room for it.

    A row in which not even the shortest example has room is closed; where `open_rows`
    are open and none has room, the fullest is closed and a new one opened. Of rows that
    are equally full the one that became so first is taken.

    Args:
        inputs: tokens of each example's inputs, at most `lengths.inputs`.
        targets: likewise.
        lengths: of a row.
        open_rows: how many rows are looked at.

    Example:
        >>> ones = np.array([1, 1, 1])
        >>> best_fit(np.array([3, 5, 2]), ones, lengths=Lengths(inputs=8, targets=8))
        Rows(row=array([0, 0, 1]), count=2)
    """
    if not len(inputs):
        return Rows(row=np.zeros(0, np.int64), count=0)
    least_inputs, least_targets = int(inputs.min()), int(targets.min())
    placed: list[int] = []
    with_room: list[list[int]] = [[] for _ in range(lengths.inputs + 1)]
    rooms = 0  # bit n is set where an open row has room for n more tokens of inputs
    room_targets: list[int] = []
    opened = 0
    # Plain integers: steps of NumPy on so few numbers would take ten times as long.
    for size, goal in zip(inputs.tolist(), targets.tolist(), strict=True):
        enough = rooms >> size
        while enough:
            room = size + (enough & -enough).bit_length() - 1
            here = with_room[room]
            for row in here:
                rest = room_targets[row] - goal
                if rest >= 0:
                    break
            else:
                enough &= enough - 1
                continue
            here.remove(row)
            if not here:
                rooms ^= 1 << room
            room -= size
            if room < least_inputs or rest < least_targets:
                opened -= 1
            else:
                with_room[room].append(row)
                rooms |= 1 << room
                room_targets[row] = rest
            placed.append(row)
            break
        else:
            if opened < open_rows:
                opened += 1
            else:
                fullest = (rooms & -rooms).bit_length() - 1
                del with_room[fullest][0]
                if not with_room[fullest]:
                    rooms ^= 1 << fullest
            placed.append(len(room_targets))
            room = lengths.inputs - size
            with_room[room].append(len(room_targets))
            rooms |= 1 << room
            room_targets.append(lengths.targets - goal)
    return Rows(row=np.asarray(placed, np.int64), count=len(room_targets))


def gather_index(
    starts: Int[np.ndarray, " examples"], lengths: Int[np.ndarray, " examples"]
) -> Int[np.ndarray, " tokens"]:
    """Indices start, start + 1, ... of every example, one after the other.

    Example:
        >>> gather_index(np.array([10, 50]), np.array([2, 3]))
        array([10, 11, 50, 51, 52])
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)


class _Placed(NamedTuple):
    """A feature in rows."""

    tokens: np.ndarray
    segments: np.ndarray
    positions: np.ndarray


def _place(span: Span, *, rows: int, length: int) -> _Placed:
    """Rows written from end to end: their examples and, after those, what is left."""
    count = len(span.row)
    first = np.searchsorted(span.row, np.arange(rows + 1))  # example of each row
    before = np.concatenate([[0], np.cumsum(span.length)])  # tokens of earlier examples
    piece = np.arange(count) + span.row  # of each example: a rest stands in each row
    rest = first[1:] + np.arange(rows)
    sizes = np.empty(count + rows, np.int64)
    sizes[piece] = span.length
    sizes[rest] = length - np.diff(before[first])
    number = np.zeros(count + rows, np.int32)
    number[piece] = np.arange(count) - first[span.row] + 1
    starts = (np.cumsum(sizes) - sizes).astype(np.int32)
    segments = np.repeat(number, sizes)
    full = segments > 0
    positions = np.arange(rows * length, dtype=np.int32)
    positions -= np.repeat(starts, sizes)
    positions *= full
    tokens = np.zeros(rows * length, np.int32)
    tokens[full] = span.tokens
    return _Placed(*(x.reshape(rows, length) for x in (tokens, segments, positions)))


def batch(
    inputs: Span,
    targets: Span,
    *,
    rows: int,
    lengths: Lengths,
    layout: Literal["packed", "single"],
) -> Batch:
    """Model features of some rows.

    Args:
        inputs: tokens of the examples in the order of their rows.
        targets: likewise.
        rows: in the batch; a row without examples is padding.
        lengths: of a row.
        layout: "packed" has segment ids and positions, "single" (one example a row)
            has not.

    Example:
        >>> span = Span(np.array([5, 6, 1, 7, 1]), np.array([3, 2]), np.array([0, 0]))
        >>> made = batch(span, span, rows=1, lengths=Lengths(inputs=6, targets=6),
        ...              layout="packed")
        >>> made["decoder_target_tokens"].tolist()
        [[5, 6, 1, 7, 1, 0]]
        >>> made["decoder_input_tokens"].tolist()
        [[0, 5, 6, 0, 7, 0]]
    """
    source = _place(inputs, rows=rows, length=lengths.inputs)
    target = _place(targets, rows=rows, length=lengths.targets)
    shifted = np.zeros_like(target.tokens)
    shifted[:, 1:] = target.tokens[:, :-1]
    made = {
        "encoder_input_tokens": source.tokens,
        "decoder_input_tokens": shifted,
        "decoder_target_tokens": target.tokens,
        "decoder_loss_weights": (target.tokens > 0).astype(np.float32),
    }
    if layout == "packed":
        shifted[target.positions == 0] = 0  # segment starts, and padding
        made |= {
            "encoder_segment_ids": source.segments,
            "encoder_positions": source.positions,
            "decoder_segment_ids": target.segments,
            "decoder_positions": target.positions,
        }
    return {name: np.ascontiguousarray(value) for name, value in made.items()}
