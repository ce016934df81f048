"""Drawings as lists of shapes: inline in a page, as an SVG file, as a PNG file.

`plots.py` draws bars that stretch with a page. What must look the same in a page, in a
paper and on a slide is a `Drawing`: shapes at places in a box of a fixed size. Its
colours are names. In a page they are the page's CSS variables, so that one drawing
serves light and dark; in a file they are the light ones.

    >>> box = Drawing(width=20, height=10, title="a line")
    >>> box.line(0, 5, 20, 5, colour="ink")
    >>> "var(--ink)" in box.inline(), "#1b1f24" in box.svg(), box.png()[1:4]
    (True, True, b'PNG')

The same shapes give the same bytes.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

from xtl_jax.report.text import visible

# The page's light colours; `page.css` has the same, a test holds the two together.
COLOURS = {
    "surface": "#ffffff", "ink": "#1b1f24", "muted": "#5b6470", "line": "#dfe3e8",
    "grid": "#e6e9ee", "good": "#14733f", "bad": "#b3261e",
    "arm-0": "#3b78d8", "arm-1": "#e58a2b", "arm-2": "#1b9e84", "arm-3": "#9a5bd0",
    "arm-4": "#cf4574", "arm-5": "#6b7684", "arm-6": "#a38a1c", "arm-7": "#3aa0c9",
}  # fmt: skip
FONT_SIZE = 12.0
PNG_SCALE = 2  # pixels of a PNG for one unit
_LETTER = 0.56  # mean width of a letter, in font sizes
# What Pillow's own font lacks.
_PLAIN = str.maketrans({"−": "-", "–": "-", "→": ">", "×": "x", "≥": ">=", "≤": "<="})

Anchor = Literal["start", "middle", "end"]


class Shape(NamedTuple):
    """One mark. `numbers` are the ends of a line, box of a rect, place of a text."""

    kind: Literal["line", "rect", "circle", "path", "text"]
    numbers: tuple[float, ...]
    colour: str  # of `COLOURS`, or "#rrggbb"
    text: str = ""
    anchor: Anchor = "start"
    size: float = FONT_SIZE
    bold: bool = False
    width: float = 1.0  # of a line
    hollow: bool = False  # a circle that is drawn as a ring
    dashed: bool = False


class Drawing:
    """A box of shapes, filled from top to bottom of the stack.

    Attributes:
        width: of the box.
        height: of the box.
        title: what is drawn, for readers who do not see it.
        shapes: later ones lie over earlier ones.
    """

    def __init__(self, *, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        self.title = title
        self.shapes: list[Shape] = []

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, colour: str,
        width: float = 1.0, dashed: bool = False,
    ) -> None:  # fmt: skip
        """Add a straight line."""
        ends = (x1, y1, x2, y2)
        self.shapes.append(Shape("line", ends, colour, width=width, dashed=dashed))

    def rect(
        self, x: float, y: float, width: float, height: float, *, colour: str
    ) -> None:
        """Add a filled rectangle."""
        self.shapes.append(Shape("rect", (x, y, width, height), colour))

    def circle(
        self, x: float, y: float, radius: float, *, colour: str, hollow: bool = False
    ) -> None:
        """Add a dot, or a ring."""
        self.shapes.append(Shape("circle", (x, y, radius), colour, hollow=hollow))

    def path(
        self, points: Sequence[tuple[float, float]], *, colour: str, width: float = 2.0
    ) -> None:
        """Add a line through points."""
        flat = tuple(number for point in points for number in point)
        self.shapes.append(Shape("path", flat, colour, width=width))

    def text(
        self, x: float, y: float, text: str, *, colour: str = "ink",
        anchor: Anchor = "start", size: float = FONT_SIZE, bold: bool = False,
    ) -> None:  # fmt: skip
        """Add a text whose base line is at `y`."""
        self.shapes.append(
            Shape("text", (x, y), colour, visible(text), anchor, size, bold)
        )

    def place(self, other: Drawing, *, x: float, y: float) -> None:
        """Add all shapes of another drawing, moved."""
        for shape in other.shapes:
            numbers = list(shape.numbers)
            count = len(numbers) if shape.kind in ("line", "path") else 2
            for i in range(count):
                numbers[i] += x if i % 2 == 0 else y
            self.shapes.append(shape._replace(numbers=tuple(numbers)))

    def inline(self) -> str:
        """As an element of a page that has the colours as CSS variables."""
        return (
            f'<svg class="drawing" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'role="img" style="max-width:{self.width:g}px">'
            f"{self._body(variables=True)}</svg>"
        )

    def svg(self) -> str:
        """As a file."""
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" '
            f'width="{self.width:g}" height="{self.height:g}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" font-family="sans-serif">\n'
            f'<rect width="{self.width:g}" height="{self.height:g}" fill="#ffffff"/>\n'
            f"{self._body(variables=False)}</svg>\n"
        )

    def png(self) -> bytes:
        """As a file; letters that Pillow's own font lacks are left out of it."""
        from PIL import Image, ImageDraw, ImageFont

        unit = PNG_SCALE
        size = (round(self.width * unit), round(self.height * unit))
        image = Image.new("RGB", size, "#ffffff")
        pen = ImageDraw.Draw(image)
        for shape in self.shapes:
            at = [number * unit for number in shape.numbers]
            colour = _hex(shape.colour)
            thick = max(1, round(shape.width * unit))
            if shape.kind in ("line", "path"):
                if shape.dashed:
                    for piece in _dashes(at, unit=unit):
                        pen.line(piece, fill=colour, width=thick)
                else:
                    pen.line(at, fill=colour, width=thick, joint="curve")
            elif shape.kind == "rect":
                x, y, width, height = at
                pen.rectangle([x, y, x + width - 1, y + height - 1], fill=colour)
            elif shape.kind == "circle":
                x, y, radius = at
                box = [x - radius, y - radius, x + radius, y + radius]
                inside = "#ffffff" if shape.hollow else colour
                pen.ellipse(box, fill=inside, outline=colour, width=2 * unit)
            else:
                anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
                pen.text(
                    (at[0], at[1]),
                    _printable(shape.text),
                    font=ImageFont.load_default(shape.size * unit),
                    fill=colour,
                    anchor=anchor,
                    stroke_width=0.35 * unit if shape.bold else 0,
                )
        file = io.BytesIO()
        image.save(file, format="PNG", optimize=True)
        return file.getvalue()

    def _body(self, *, variables: bool) -> str:
        lines = [f"<title>{escape(visible(self.title))}</title>"]
        for shape in self.shapes:
            name = shape.colour
            known = name in COLOURS
            colour = f"var(--{name})" if variables and known else _hex(name)
            lines.append(_element(shape, colour))
        return "\n".join(lines) + "\n"


def _element(shape: Shape, colour: str) -> str:
    at = [f"{round(number, 2):g}" for number in shape.numbers]
    if shape.kind == "line":
        dashes = ' stroke-dasharray="4 3"' if shape.dashed else ""
        return (
            f'<line x1="{at[0]}" y1="{at[1]}" x2="{at[2]}" y2="{at[3]}" '
            f'style="stroke:{colour}" stroke-width="{shape.width:g}"{dashes}/>'
        )
    if shape.kind == "rect":
        return (
            f'<rect x="{at[0]}" y="{at[1]}" width="{at[2]}" height="{at[3]}" '
            f'style="fill:{colour}"/>'
        )
    if shape.kind == "circle":
        fill = "fill:none;stroke:" if shape.hollow else "fill:"
        return (
            f'<circle cx="{at[0]}" cy="{at[1]}" r="{at[2]}" style="{fill}{colour}" '
            'stroke-width="2"/>'
        )
    if shape.kind == "path":
        points = " ".join(f"{x},{y}" for x, y in zip(at[::2], at[1::2], strict=True))
        return (
            f'<polyline points="{points}" style="fill:none;stroke:{colour}" '
            f'stroke-width="{shape.width:g}" stroke-linejoin="round"/>'
        )
    weight = ' font-weight="600"' if shape.bold else ""
    return (
        f'<text x="{at[0]}" y="{at[1]}" text-anchor="{shape.anchor}" '
        f'style="fill:{colour}" font-size="{shape.size:g}"{weight}>'
        f"{escape(shape.text)}</text>"
    )


def side_by_side(
    drawings: Sequence[Drawing], *, columns: int, gap: float = 16.0, title: str
) -> Drawing:
    """Drawings in rows of `columns`, on one sheet."""
    rows = [drawings[i : i + columns] for i in range(0, len(drawings), columns)]
    widest = max(drawing.width for drawing in drawings)
    used = min(columns, len(drawings))
    sheet = Drawing(
        width=used * widest + (used + 1) * gap,
        height=sum(max(d.height for d in row) + gap for row in rows) + gap,
        title=title,
    )
    y = gap
    for row in rows:
        for number, drawing in enumerate(row):
            sheet.place(drawing, x=gap + number * (widest + gap), y=y)
        y += max(drawing.height for drawing in row) + gap
    return sheet


def text_width(text: str, *, size: float = FONT_SIZE) -> float:
    """About how wide a text is.

    Example:
        >>> text_width("four", size=10)
        22.4
    """
    return round(len(text) * _LETTER * size, 1)


def shortened(text: str, *, width: float, size: float = FONT_SIZE) -> str:
    """A text that fits, its middle left out where it does not.

    Example:
        >>> shortened("abcdefghij", width=40, size=10)
        'abc…hij'
    """
    most = max(3, int(width / (_LETTER * size)))
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[:half]}…{text[len(text) - half :]}"


def shade(share: float) -> str:
    """A colour from red over white to blue for -1 … 1; black text stays readable.

    Example:
        >>> shade(0.0), shade(-1.0) == shade(-3.0)
        ('#ffffff', True)
    """
    strength = min(1.0, abs(share))
    hue = 0.585 if share > 0 else 0.035
    red, green, blue = colorsys.hls_to_rgb(hue, 1.0 - 0.32 * strength, 0.85)
    return "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))


def _hex(colour: str) -> str:
    return COLOURS.get(colour, colour)


def _printable(text: str) -> str:
    plain = text.translate(_PLAIN)
    return "".join(c for c in plain if c.isascii() or c in "…±·")


def _dashes(at: Sequence[float], *, unit: int) -> list[tuple[float, ...]]:
    """A straight line as pieces of 4 with gaps of 3."""
    x1, y1, x2, y2 = at
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 or 1.0
    pieces, start = [], 0.0
    while start < length:
        end = min(length, start + 4 * unit)
        pieces.append(
            (
                x1 + (x2 - x1) * start / length,
                y1 + (y2 - y1) * start / length,
                x1 + (x2 - x1) * end / length,
                y1 + (y2 - y1) * end / length,
            )
        )
        start += 7 * unit
    return pieces
