"""The graph of a study as a picture: SVG, the stages of one seed from left to right.

A box is a training stage, drawn once however many arms share it; a line leads to what
begins with it. The last column has each arm and, since they are the same for all, the
targets once.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from xtl_jax.studies.graph import Graph, Stage

_ROW, _TOP, _LEFT, _BOX, _GAP = 30, 74, 16, 210, 46
_CHARACTERS = 30  # of a label in a box


def svg(graph: Graph) -> str:
    """The picture.

    Args:
        graph: of a study; the stages of its first seed are drawn.
    """
    config = graph.config
    stages = {stage.id: stage for stage in graph.stages}
    rows = {arm.name: number for number, arm in enumerate(graph.arms)}
    boxes = {
        stage.id: stage
        for stage in graph.stages
        if stage.kind == "train"
        and not stage.target
        and stage.seed in (None, config.seeds[0])
    }
    depth = {key: _depth(key, boxes) for key in boxes}
    columns = 1 + max(depth.values(), default=0)
    height = {
        key: sum(rows[arm] for arm in stage.arms) / len(stage.arms)
        for key, stage in boxes.items()
    }
    last = _LEFT + columns * (_BOX + _GAP)
    width = last + _BOX + 240
    tall = _TOP + _ROW * len(rows) + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tall}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(config.name)}</title>",
        f'<rect width="{width}" height="{tall}" fill="#ffffff"/>',
        _text(_LEFT, 24, f"{config.name}, {config.scale}: {config.question}", size=15),
        _text(
            *(_LEFT, 46),
            f"one of {len(config.seeds)} seeds; targets of every arm: "
            f"{', '.join(config.targets)}",
        ),
    ]
    for key, stage in boxes.items():
        x, y = _LEFT + depth[key] * (_BOX + _GAP), _TOP + height[key] * _ROW
        for parent in stage.parents:
            at = _LEFT + depth[parent.id] * (_BOX + _GAP) + _BOX
            lines.append(_line(at, _TOP + height[parent.id] * _ROW, x, y))
        lines.append(_box(x, y, stage.title, marked=bool(stage.marks)))
    for arm, row in rows.items():
        y = _TOP + row * _ROW
        ends = _end(arm, stages, boxes)
        if ends is not None:
            at = _LEFT + depth[ends] * (_BOX + _GAP) + _BOX
            lines.append(_line(at, _TOP + height[ends] * _ROW, last, y))
        lines.append(_text(last + 6, y + 4, _short(arm, 60)))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _depth(key: str, boxes: Mapping[str, Stage]) -> int:
    parents = [parent.id for parent in boxes[key].parents]
    return 1 + max(_depth(each, boxes) for each in parents) if parents else 0


def _end(
    arm: str, stages: Mapping[str, Stage], boxes: Mapping[str, Stage]
) -> str | None:
    """The last box of an arm: what its first target begins with."""
    for stage in stages.values():
        if stage.target and arm in stage.arms:
            found = [parent.id for parent in stage.parents if parent.id in boxes]
            if found:
                return found[0]
    return None


def _box(x: float, y: float, label: str, *, marked: bool) -> str:
    colour = "#f6ae2d" if marked else "#d9e8f2"
    return (
        f'<rect x="{x:g}" y="{y - 11:g}" width="{_BOX}" height="22" rx="4" '
        f'fill="{colour}" stroke="#33658a"/>'
        + _text(x + 8, y + 4, _short(label, _CHARACTERS))
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    """Bends in the gap behind the first box, then runs straight through free rows."""
    turn, middle = x1 + _GAP, x1 + _GAP / 2
    return (
        f'<path d="M{x1:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {turn:g} {y2:g} '
        f'H{x2:g}" fill="none" stroke="#7a8b99"/>'
    )


def _text(x: float, y: float, text: str, *, size: int = 12) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}">{escape(text)}</text>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
