"""The memory of a chip as a picture: SVG, one bar for each plan.

A bar has what the step is given (parameters, moments, batch) and what it needs besides,
up to its peak; a line marks what a program may use.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from xtl_jax.hardware.plan import GIB, Plan

_LEFT, _WIDTH, _ROW, _TOP = 250, 560, 34, 46
_PARTS = (
    ("parameters", "#33658a"),
    ("moments", "#86bbd8"),
    ("batch and counters", "#9e9e9e"),
    ("activations and temporaries", "#f6ae2d"),
)


def parts(plan: Plan) -> dict[str, int]:
    """Bytes of one device at the peak, by what they hold.

    What the step is given and does not name (the batch) is small; at the peak some of
    it may be free already, so that the last part is what is left, never less than 0.
    """
    other = max(plan.arguments - plan.parameters - plan.optimizer, 0)
    given = plan.parameters + plan.optimizer + other
    values = (plan.parameters, plan.optimizer, other, max(plan.peak - given, 0))
    return {name: value for (name, _), value in zip(_PARTS, values, strict=True)}


def svg(plans: Sequence[Plan], names: Sequence[str]) -> str:
    """The picture of plans that fit.

    Args:
        plans: at least one.
        names: one for each.
    """
    widest = max(max(plan.usable, plan.peak) for plan in plans)
    scale = _WIDTH / widest
    height = _TOP + _ROW * len(plans) + 40
    width = _LEFT + _WIDTH + 90
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        "<title>Memory of one device at its peak</title>",
    ]
    x = _LEFT
    for name, colour in _PARTS:
        lines += [
            f'<rect x="{x}" y="14" width="11" height="11" fill="{colour}"/>',
            f'<text x="{x + 16}" y="24">{name}</text>',
        ]
        x += 34 + 7 * len(name)
    for number, (plan, name) in enumerate(zip(plans, names, strict=True)):
        y = _TOP + number * _ROW
        lines.append(
            f'<text x="{_LEFT - 10}" y="{y + 15}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
        x = float(_LEFT)
        for (part, colour), size in zip(_PARTS, parts(plan).values(), strict=True):
            lines.append(
                f'<rect x="{x:.1f}" y="{y}" width="{size * scale:.1f}" height="20" '
                f'fill="{colour}"><title>{part}: {size / GIB:.2f} GiB</title></rect>'
            )
            x += size * scale
        limit = _LEFT + plan.usable * scale
        lines += [
            f'<line x1="{limit:.1f}" x2="{limit:.1f}" y1="{y - 3}" y2="{y + 23}" '
            'stroke="#b00020" stroke-width="2"/>',
            f'<text x="{x + 6:.1f}" y="{y + 15}">{plan.peak / GIB:.1f}</text>',
            f'<text x="{limit + 5:.1f}" y="{y + 15}" fill="#b00020">'
            f"{plan.usable / GIB:.1f}</text>",
        ]
    lines += [
        f'<text x="{_LEFT}" y="{height - 12}" fill="#555555">GiB of one device; the '
        "red line is what a program may use</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
