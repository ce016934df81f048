"""Reading the text of a compiled program: instructions, loops, shapes."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping

_BYTES = {
    "pred": 1,
    "bf16": 2,
    **{f"{kind}{bits}": bits // 8 for kind in "suf" for bits in (8, 16, 32, 64)},
    "s4": 1,
    "u4": 1,
}
_INSTRUCTION = re.compile(
    r"^\s*(ROOT )?%?([\w.\-]+) = (\(.*?\)|[\w\[\],{}:()#*<=. ]*?[\]}\)]|\S+) "
    r"([a-z][\w\-]*)\((.*)$"
)
_SHAPE = re.compile(r"\b([a-z]+\d*[a-z0-9]*)\[([\d,<=]*)\](\{[^}]*\})?")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) (?:\(.*\) -> .*)?\{$")
_TRIPS = re.compile(r'known_trip_count"?[:=]\s*\{\s*"?n"?\s*[:=]\s*"?(\d+)')


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line: `%name = shape operation(operands), attributes`."""

    name: str
    shape: str
    operation: str
    rest: str  # operands and attributes
    root: bool

    @functools.cached_property
    def operands(self) -> list[str]:
        """Names of what it takes in."""
        depth, end = 1, len(self.rest)
        for place, letter in enumerate(self.rest):
            depth += (letter in "([{") - (letter in ")]}")
            if depth == 0:
                end = place
                break
        return re.findall(r"%([\w.\-]+)", self.rest[:end])

    def called(self, *attributes: str) -> list[str]:
        """Names of the computations that these attributes name."""
        found: list[str] = []
        for attribute in attributes:
            pattern = rf"\b{attribute}=(\{{[^}}]*\}}|%[\w.\-]+)"
            for value in re.findall(pattern, self.rest):
                found += re.findall(r"%([\w.\-]+)", value)
        return found


def parse(text: str) -> dict[str, list[Instruction]]:
    """Instructions of each computation; the entry's is called "" too."""
    program: dict[str, list[Instruction]] = {}
    current: list[Instruction] | None = None
    for line in text.splitlines():
        if line.rstrip().endswith("{") and (header := _HEADER.match(line.rstrip())):
            current = program[header[2]] = []
            if header[1]:
                program[""] = current
        elif line.startswith("}"):
            current = None
        elif current is not None and (found := _INSTRUCTION.match(line)):
            root, name, shape, operation, rest = found.groups()
            current.append(Instruction(name, shape, operation, rest, bool(root)))
    return program


def times_run(program: Mapping[str, list[Instruction]]) -> dict[str, int]:
    """How often each computation runs."""
    times: collections.Counter[str] = collections.Counter()

    def run(name: str, often: int) -> None:
        times[name] += often
        for each in program[name]:
            if each.operation == "while":
                trips = _trips(each, program)
                for inner in each.called("body", "condition"):
                    run(inner, often * trips)
            else:
                by_call = ("to_apply",) if each.operation == "call" else ()
                branches = ("branch_computations", "true_computation")
                for inner in each.called(
                    "calls", *branches, "false_computation", *by_call
                ):
                    run(inner, often)

    run("", 1)
    return times


def _trips(loop: Instruction, program: Mapping[str, list[Instruction]]) -> int:
    """Of a loop: as its text says, else the bound of its counter over its step.

    The compiler unrolls some loops: their counter grows by 2 at a time. Counters start
    at 0. Where a loop ends on something else too, this is how often it runs at most.
    """
    if found := _TRIPS.search(loop.rest):
        return int(found[1])
    bound, number = 1, None
    for name in loop.called("condition"):
        inside = {each.name: each for each in program[name]}
        for each in inside.values():
            if (value := _constant(each)) is not None:
                bound = max(bound, value)
            if each.operation == "compare":
                counter = inside.get(each.operands[0])
                index = re.search(r"index=(\d+)", counter.rest) if counter else None
                number = int(index[1]) if index else number
    step = _step(program[loop.called("body")[0]], number, program)
    return max(-(-bound // step), 1)


def _constant(each: Instruction) -> int | None:
    """The value of a whole number."""
    if each.operation != "constant" or not re.match(r"[su]32\[\]", each.shape):
        return None
    found = re.match(r"(\d+)\)", each.rest)
    return int(found[1]) if found else None


def _step(
    body: list[Instruction],
    number: int | None,
    program: Mapping[str, list[Instruction]],
) -> int:
    """By how much a loop's body raises the value at this place of its state."""
    inside = {each.name: each for each in body}
    root = next((each for each in body if each.root), None)
    if number is None or root is None or number >= len(root.operands):
        return 1
    step, at = 0, inside.get(root.operands[number])
    while at is not None and at.operation in ("add", "copy", "fusion", "bitcast"):
        if at.operation == "fusion":
            inner = program[at.called("calls")[0]]
            sums = [each for each in inner if each.root and each.operation == "add"]
            values = [value for each in inner if (value := _constant(each))]
            step += values[0] if sums and len(values) == 1 else 0
            break
        values = [
            value
            for name in at.operands
            if name in inside and (value := _constant(inside[name])) is not None
        ]
        step += sum(values)
        rest = [n for n in at.operands if n in inside and _constant(inside[n]) is None]
        at = inside[rest[0]] if len(rest) == 1 else None
    return step or 1


def fused(program: Mapping[str, list[Instruction]]) -> set[str]:
    """Computations whose inside never leaves the core."""
    return {
        name
        for instructions in program.values()
        for each in instructions
        if each.operation == "fusion"
        for name in each.called("calls")
    }


def sizes(shape: str) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """(dtype, dimensions, layout) of each array of a shape.

    Example:
        >>> list(sizes("(f32[8,4]{1,0}, s32[])"))
        [('f32', (8, 4), '{1,0}'), ('s32', (), '')]
    """
    for dtype, dimensions, layout in _SHAPE.findall(shape):
        if dtype in _BYTES:
            each = [part.strip("<=") for part in dimensions.split(",")]
            yield dtype, tuple(int(part) for part in each if part), layout


def size_in_bytes(shape: str, *, off_chip: bool = True) -> int:
    """Of all arrays of a shape; those that lie in a core's own memory count nothing."""
    return sum(
        _BYTES[dtype] * math.prod(dimensions)
        for dtype, dimensions, layout in sizes(shape)
        if not (off_chip and "S(" in layout)
    )
