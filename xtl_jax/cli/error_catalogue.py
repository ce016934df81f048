"""Every message that a user can be told, read off the sources.

A *site* is one place that raises a `UserError`. Its *template* is the message with its
values as they stand in the source: `{name}: no such file; check the path`. `xtl docs
errors` shows all of them, those of the version that is installed; CI holds them against
what its tests have raised (`tests/raised.py`).
"""

from __future__ import annotations

import ast
import importlib.util
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

PACKAGES = ("xtl_jax", "xtl_tasks")
_KINDS = ("UserError", "UnlabelledError", "ByHandError")


class Site(NamedTuple):
    """One place that raises."""

    module: str  # as it is imported
    path: str
    first: int  # lines of the statement
    last: int
    template: str


def sites() -> Iterator[Site]:
    """All of them, by module and line."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        folder = pathlib.Path(str(spec and spec.origin)).parent
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            yield from _of(path, module=".".join(parts))


def _of(path: pathlib.Path, *, module: str) -> Iterator[Site]:
    text = path.read_text(encoding="utf-8")
    if not any(f"{kind}(" in text for kind in _KINDS):
        return  # to parse it would take a while
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _KINDS
            and node.args
        ):
            last = node.end_lineno or node.lineno
            template = _template(node.args[0])
            yield Site(module, str(path), node.lineno, last, template)


def _template(node: ast.expr) -> str:
    """A text as it is written, its parts in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_template, node.values))
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left) + _template(node.right)
    return f"{{{ast.unparse(node)}}}"


def markdown(title: str) -> str:
    """All of them as a page."""
    lines = [
        f"# {title}",
        "",
        "Every message of a command that ends with 2, by the module that looks. Braces "
        "stand for the file, place or value in question.",
    ]
    module = ""
    for site in sorted(sites()):
        if site.module != module:
            module = site.module
            lines += ["", f"## {module}", ""]
        lines.append(f"- {' '.join(site.template.split())}")
    return "\n".join(lines) + "\n"
