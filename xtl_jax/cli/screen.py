r"""What reaches a terminal: text that acts on it is shown, not obeyed.

Rows of a data set, predictions, file names and errors may hold anything, `\x1b]0;x\x07`
or a character that turns the reading direction. Tables and progress are printed by
this `Console` alone; a plain `print` of text that others wrote goes through `visible`.
What is written for programs (`--json`) is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich import console
from rich.segment import Segment

from xtl_jax.report.text import visible


class Console(console.Console):
    """rich's console; its own colours and movements alone act."""

    def render(
        self,
        renderable: console.RenderableType,
        options: console.ConsoleOptions | None = None,
    ) -> Iterable[Segment]:
        """Segments of a renderable, with what acts in their texts made visible."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=visible(segment.text))
