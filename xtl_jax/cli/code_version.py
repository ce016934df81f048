"""Versions of code: a hash of what it does, whatever its comments and layout.

A study's stage is done again when the code behind it has changed. Comments, blank lines
and docstrings do not count; anything else does, be it only a renamed variable.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_DIGITS = 16


def of_modules(names: Iterable[str], *, within: str = "") -> str:
    """The version of modules and packages.

    Args:
        names: dotted; a package stands for all of its modules.
        within: dotted package; what the modules import from it counts too, and what
            that imports. "" counts the named ones alone.
    """
    found: dict[str, str] = {}
    waiting = [each for name in names for each in _expanded(name)]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _parsed(name)[1]
        if within:
            waiting += [each for each in _imports(name) if each.startswith(within)]
    return _hash(f"{name} {text}" for name, text in sorted(found.items()))


def of_function(function: Callable[..., Any] | None, *, within: str = "") -> str:
    """The version of one function: its own code, and what `of_modules` adds.

    Args:
        function: of a module's top level, or a partial of one; else its module counts.
        within: where given, its whole module counts, and what that imports from there.
    """
    if function is None:
        return ""
    settings: list[str] = []
    while isinstance(function, functools.partial):
        settings += [repr(function.args), repr(sorted(function.keywords.items()))]
        function = function.func
    name: str = function.__module__
    if within:
        return _hash(
            [*settings, function.__qualname__, of_modules([name], within=within)]
        )
    tree, text = _parsed(name)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function.__qualname__:
            text = ast.dump(node)
    return _hash([*settings, text])


@functools.cache
def _parsed(name: str) -> tuple[ast.Module, str]:
    """The tree of a module without its docstrings, and the same as text."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return ast.Module(body=[], type_ignores=[]), ""
    tree = ast.parse(pathlib.Path(spec.origin).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, owners) and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree, ast.dump(tree)


def _expanded(name: str) -> Iterator[str]:
    """A module, or a package's modules and those of its packages."""
    spec = importlib.util.find_spec(name)
    yield name
    for place in (spec and spec.submodule_search_locations) or ():
        for path in sorted(pathlib.Path(place).rglob("*.py")):
            parts = path.relative_to(place).with_suffix("").parts
            if parts[-1] != "__init__":
                yield ".".join((name, *parts))


@functools.cache
def _imports(name: str) -> tuple[str, ...]:
    """Dotted names that a module imports, wherever in it."""
    found: list[str] = []
    for node in ast.walk(_parsed(name)[0]):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found += [each for each in names if _is_module(each)]
    return tuple(dict.fromkeys(found))


@functools.cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, no package
        return False


def _hash(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:_DIGITS]
