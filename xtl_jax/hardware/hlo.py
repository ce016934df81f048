"""What a compiled program does, counted from its text.

The text is HLO after all optimisation, of one device. A loop's body stands there once
and runs as often as its trip count says: 24 times for 24 layers. Counted are

* floating point operations of matrix products, 2 for each multiplication; the rest is
  small beside them. Of a kernel of our own, those that it says it has;
* bytes to and from the memory of the chip: what each fused kernel takes in and gives
  out. Of a stack of layers that a kernel cuts one layer from, that layer;
* collectives, by kind: how often, and how many bytes a device sends. An all-gather of n
  parts sends (n - 1)/n of its result, an all-reduce twice that, as in a ring. What goes
  to another slice a device hands to its host: that is a kind of its own.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from xtl_jax.hardware.hlo_text import (
    Instruction,
    fused,
    parse,
    size_in_bytes,
    sizes,
    times_run,
)

_COLLECTIVES = (
    *("all-gather", "all-reduce", "reduce-scatter", "all-to-all"),
    *("ragged-all-to-all", "collective-permute", "collective-broadcast"),
)
BETWEEN_SLICES = "between slices"
# They move nothing, or what they move is counted elsewhere.
_FREE = frozenset(
    {
        *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while"),
        *("conditional", "call", "after-all", "partition-id", "replica-id", "domain"),
        *("opt-barrier", "optimization-barrier", "add-dependency", "async-start"),
        *("async-update", "async-done", "copy-done", "slice-done"),
        *("send", "send-done", "recv", "recv-done"),
        *(f"{name}{part}" for name in _COLLECTIVES for part in ("", "-start", "-done")),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collective:
    """One collective of the text.

    Attributes:
        kind: such as "all-gather".
        shape: of its result, such as "bf16[64,1024,4096]".
        times: it runs in one execution of the program.
        bytes_sent: by a device, all times together.
        devices: that take part in one group of it.
    """

    kind: str
    shape: str
    times: int
    bytes_sent: float
    devices: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts:
    """What one device does in one execution of a program.

    Attributes:
        flops: of matrix products.
        memory_bytes: to and from its memory.
        collectives: every one, the most bytes first.
    """

    flops: float
    memory_bytes: float
    collectives: tuple[Collective, ...]

    @property
    def sent_bytes(self) -> float:
        """Of all collectives inside a slice."""
        return sum(each.bytes_sent for each in self.collectives) - self.slice_bytes

    @property
    def slice_bytes(self) -> float:
        """Sent to other slices."""
        found = (each for each in self.collectives if each.kind == BETWEEN_SLICES)
        return sum(each.bytes_sent for each in found)

    def by_kind(self) -> dict[str, dict[str, float]]:
        """Times and bytes of each kind of collective."""
        found: dict[str, dict[str, float]] = {}
        for each in self.collectives:
            row = found.setdefault(each.kind, {"times": 0, "bytes_sent": 0.0})
            row["times"] += each.times
            row["bytes_sent"] += each.bytes_sent
        return found

    def to_json(self) -> dict[str, Any]:
        """As JSON values; of the collectives, the kinds and the largest."""
        return {
            "flops": self.flops,
            "memory_bytes": self.memory_bytes,
            "sent_bytes": self.sent_bytes,
            "slice_bytes": self.slice_bytes,
            "collectives": self.by_kind(),
            "largest_collectives": [
                dataclasses.asdict(each) for each in self.collectives[:10]
            ],
        }


def count(text: str) -> Counts:
    """Count a program.

    Args:
        text: of `jax.stages.Compiled.as_text()`.

    Example:
        >>> found = count('''
        ... ENTRY %main (a: f32[8,16]) -> f32[8,4] {
        ...   %a = f32[8,16]{1,0} parameter(0)
        ...   %b = f32[16,4]{1,0} constant(0)
        ...   ROOT %c = f32[8,4]{1,0} dot(%a, %b), lhs_contracting_dims={1},
        ... rhs_contracting_dims={0}
        ... }
        ... '''.replace(",\\n", ", "))
        >>> found.flops, found.memory_bytes
        (1024.0, 896.0)
    """
    program = parse(text)
    times = times_run(program)
    inside = fused(program)
    flops = memory = 0.0
    collectives: list[Collective] = []
    for name, instructions in program.items():
        if not times.get(name):
            continue
        shapes = {each.name: each.shape for each in instructions}
        for each in instructions:
            if each.operation in ("dot", "convolution"):
                flops += times[name] * _product_flops(each, shapes)
            elif each.operation == "custom-call":
                flops += times[name] * _stated_flops(each)
            if each.operation == "send" and "is_host_transfer=true" in each.rest:
                collectives.append(_between_slices(each, times[name]))
            kind = each.operation.removesuffix("-start")
            if kind in _COLLECTIVES:
                if kind == "all-reduce" and _is_cut(each, instructions):
                    kind = "reduce-scatter"
                collectives.append(_collective(each, kind, times[name], shapes))
            if name not in inside and each.operation not in _FREE:
                memory += times[name] * _moved(each, shapes, program)
    collectives.sort(key=lambda each: -each.bytes_sent)
    return Counts(flops=flops, memory_bytes=memory, collectives=tuple(collectives))


def _moved(
    each: Instruction,
    shapes: Mapping[str, str],
    program: Mapping[str, list[Instruction]],
) -> float:
    """Bytes that an instruction reads and writes."""
    own = [shapes.get(name, "") for name in each.operands]
    result = size_in_bytes(each.shape)
    if each.operation in ("dynamic-slice", "slice", "gather", "copy-start"):
        return 2.0 * size_in_bytes(
            own[0] if each.operation == "copy-start" else each.shape
        )
    if each.operation == "dynamic-update-slice":
        return 2.0 * size_in_bytes(own[1])
    called = each.called("calls") if each.operation == "fusion" else []
    if not called:
        return float(result + sum(map(size_in_bytes, own)))
    body = program[called[0]]
    users = collections.defaultdict(list)
    for inner in body:
        for operand in inner.operands:
            users[operand].append(inner)
    read = 0
    for inner in body:
        if inner.operation != "parameter":
            continue
        number = int(inner.rest.partition(")")[0])
        whole = size_in_bytes(own[number]) if number < len(own) else 0
        cut = list(_through(inner.name, users))
        if cut and all(u.operation in ("dynamic-slice", "slice") for u in cut):
            whole = min(whole, sum(size_in_bytes(u.shape, off_chip=False) for u in cut))
        elif cut and all(u.operation == "dynamic-update-slice" for u in cut):
            whole = 0  # updated in place
        read += whole
    inner_shapes = {inner.name: inner.shape for inner in body}
    for inner in body:
        if inner.operation == "dynamic-update-slice" and len(inner.operands) > 1:
            same = [dims for _, dims, _ in sizes(inner.shape)]
            if same and same[0] in [dims for _, dims, _ in sizes(each.shape)]:
                result -= size_in_bytes(inner.shape)
                update = inner_shapes.get(inner.operands[1], "")
                result += size_in_bytes(update, off_chip=False)
    return float(read + max(result, 0))


def _through(
    name: str, users: Mapping[str, list[Instruction]]
) -> Iterator[Instruction]:
    """What uses a value, looking through changes of its form."""
    for user in users.get(name, ()):
        if user.operation == "bitcast":
            yield from _through(user.name, users)
        else:
            yield user


def _product_flops(each: Instruction, shapes: Mapping[str, str]) -> float:
    """2 for each multiplication of a matrix product or convolution."""
    result = next(sizes(each.shape))[1]
    left, right = (next(sizes(shapes[name]))[1] for name in each.operands[:2])
    if each.operation == "dot":
        found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", each.rest)
        axes = [int(axis) for axis in found[1].split(",") if axis] if found else []
        return 2.0 * math.prod(result) * math.prod(left[axis] for axis in axes)
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", each.rest)
    if labels is None:
        return 0.0
    of_left, of_right, of_result = labels.groups()
    groups = [
        int(found[1]) if (found := re.search(rf"{name}=(\d+)", each.rest)) else 1
        for name in ("feature_group_count", "batch_group_count")
    ]
    products = left[of_left.index("f")] / groups[0]
    products *= right[of_right.index("o")]
    products *= left[of_left.index("b")] / groups[1]
    window = _window(each.rest)
    digits = [letter for letter in of_left if letter.isdigit()]
    for axis, letter in enumerate(sorted(digits, key=int)):
        settings = window[axis] if axis < len(window) else (1, 1, 0, 1, 1)
        products *= _valid_places(
            left[of_left.index(letter)],
            right[of_right.index(letter)],
            result[of_result.index(letter)],
            settings[1:],
        )
    return 2.0 * products


def _stated_flops(each: Instruction) -> float:
    """What a kernel was given as its cost (`pallas.CostEstimate`); 0 without one."""
    found = re.search(r'"cost_estimate":\{"flops":"(\d+)"', each.rest)
    return float(found[1]) if found else 0.0


def _window(text: str) -> list[tuple[int, int, int, int, int]]:
    """Size, stride, padding in front, and both dilations of each spatial axis."""
    found = re.search(r"window=\{([^}]*)\}", text)
    parts = dict(part.split("=") for part in found[1].split()) if found else {}
    if "size" not in parts:
        return []
    size = [int(each) for each in parts["size"].split("x")]

    def values(name: str, default: str) -> list[int]:
        each = parts.get(name, "x".join([default] * len(size))).split("x")
        return [int(value.partition("_")[0]) for value in each]

    rows = (values("stride", "1"), values("pad", "0_0"))
    dilations = (values("lhs_dilate", "1"), values("rhs_dilate", "1"))
    return list(zip(size, *rows, *dilations, strict=True))


@functools.cache
def _valid_places(
    left: int, right: int, result: int, settings: tuple[int, int, int, int]
) -> int:
    """Pairs of a kernel position and an output position that meet an input.

    The compiler writes batched products as convolutions most of whose window is
    nothing: those places cost no operation.
    """
    stride, pad, of_left, of_right = settings
    at = np.arange(result)[:, None] * stride - pad + np.arange(right)[None] * of_right
    there = (at >= 0) & (at <= (left - 1) * of_left) & (at % of_left == 0)
    return int(there.sum())


def _is_cut(each: Instruction, instructions: list[Instruction]) -> bool:
    """Whether a kernel keeps one part of a sum alone: TPUs scatter sums so."""
    users = [other for other in instructions if each.name in other.operands]
    return [(user.root, user.operation) for user in users] == [(True, "dynamic-slice")]


def _collective(
    each: Instruction, kind: str, times: int, shapes: Mapping[str, str]
) -> Collective:
    devices = _group_size(each.rest)
    arrays = list(sizes(each.shape))
    size = size_in_bytes(each.shape, off_chip=False)
    started = each.operation.endswith("-start")
    if started and kind == "all-gather":
        size = round(size * devices / (devices + 1))  # its operands are named again
    elif started and kind == "collective-permute":
        size //= 2
    if kind == "reduce-scatter":
        size = sum(
            size_in_bytes(shapes.get(n, ""), off_chip=False) for n in each.operands
        )
    part = (devices - 1) / devices if devices else 1.0
    share = {"all-reduce": 2 * part, "collective-permute": 1.0}.get(kind, part)
    largest = max(arrays, key=lambda array: math.prod(array[1]), default=("", (), ""))
    return Collective(
        kind=kind,
        shape=f"{largest[0]}[{','.join(map(str, largest[1]))}]",
        times=times,
        bytes_sent=times * size * share,
        devices=devices,
    )


def _between_slices(each: Instruction, times: int) -> Collective:
    """What a device hands to its host: the first array of (array, context, token)."""
    dtype, dimensions, _ = next(sizes(each.shape))
    shape = f"{dtype}[{','.join(map(str, dimensions))}]"
    return Collective(
        kind=BETWEEN_SLICES,
        shape=shape,
        times=times,
        bytes_sent=float(times * size_in_bytes(shape)),
        devices=0,
    )


def _group_size(text: str) -> int:
    """Devices that exchange with one another; 0 where the text names no groups.

    Example:
        >>> _group_size("replica_groups={{0,1},{2,3}}")
        2
        >>> _group_size("replica_groups=[16,4]<=[64]")
        4
        >>> _group_size("replica_groups=mesh['a'=16,'b'=4] {'b'}, dimensions={1}")
        4
    """
    if found := re.search(r"replica_groups=mesh\[([^\]]*)\].*? \{('[^}]*)\}", text):
        axes = {
            name: int(size) for name, size in re.findall(r"('\w+')=(\d+)", found[1])
        }
        parts = re.findall(r"('\w+')(?::\(\d+\)(\d+))?", found[2])
        return math.prod(int(part) if part else axes[name] for name, part in parts)
    if found := re.search(r"replica_groups=\{\{([\d,]+)\}", text):
        return len(found[1].split(","))
    if found := re.search(r"replica_groups=\[(\d+),(\d+)\]", text):
        return int(found[2])
    return 0
