"""Several examples in one row, so that few positions are padding.

Example: inputs of 3, 5 and 2 tokens, rows of 8. First-fit puts the first and the second
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

OPEN_ROWS = 24  # 64 fill 0.1 points more of a row and take twice as long

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


def first_fit(
    inputs: Int[np.ndarray, " examples"],
    targets: Int[np.ndarray, " examples"],
    *,
    lengths: Lengths,
    open_rows: int = OPEN_ROWS,
) -> Rows:
    """Puts each example into the first open row that has room for it.

    A row in which not even the shortest example has room is closed; where `open_rows`
    are open and none has room, the fullest is closed and a new one opened.

    Args:
        inputs: tokens of each example's inputs, at most `lengths.inputs`.
        targets: likewise.
        lengths: of a row.
        open_rows: how many rows are looked at.

    Example:
        >>> ones = np.array([1, 1, 1])
        >>> first_fit(np.array([3, 5, 2]), ones, lengths=Lengths(inputs=8, targets=8))
        Rows(row=array([0, 0, 1]), count=2)
    """
    if not len(inputs):
        return Rows(row=np.zeros(0, np.int64), count=0)
    least_inputs, least_targets = int(inputs.min()), int(targets.min())
    placed: list[int] = []
    put = placed.append
    names: list[int] = []  # of the open rows
    room_inputs: list[int] = []
    room_targets: list[int] = []
    count = 0
    # Plain lists: 4,000 steps of NumPy on 24 numbers would take ten times as long.
    for size, goal in zip(inputs.tolist(), targets.tolist(), strict=True):
        for place, room in enumerate(room_inputs):
            if size <= room and goal <= room_targets[place]:
                put(names[place])
                room -= size
                rest = room_targets[place] - goal
                if room < least_inputs or rest < least_targets:
                    del names[place], room_inputs[place], room_targets[place]
                else:
                    room_inputs[place] = room
                    room_targets[place] = rest
                break
        else:
            if len(names) == open_rows:
                fullest = room_inputs.index(min(room_inputs))
                del names[fullest], room_inputs[fullest], room_targets[fullest]
            put(count)
            names.append(count)
            room_inputs.append(lengths.inputs - size)
            room_targets.append(lengths.targets - goal)
            count += 1
    return Rows(row=np.asarray(placed, np.int64), count=count)


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
    ends = np.cumsum(span.length)
    starts = ends - span.length
    new_row = np.ones(len(span.row), bool)
    new_row[1:] = span.row[1:] != span.row[:-1]
    firsts = np.flatnonzero(new_row)  # the first example of each row that has any
    example = np.arange(len(span.row))
    leader = firsts[np.cumsum(new_row) - 1]
    offset = span.row * length + starts - starts[leader]
    at = gather_index(offset, span.length)
    flat = np.zeros((3, rows * length), np.int32)
    flat[0, at] = span.tokens
    flat[1, at] = np.repeat(example - leader + 1, span.length)
    flat[2, at] = gather_index(np.zeros_like(starts), span.length)
    shaped = flat.reshape(3, rows, length)
    return _Placed(tokens=shaped[0], segments=shaped[1], positions=shaped[2])


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
