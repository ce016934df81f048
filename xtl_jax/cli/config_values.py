"""Values as gin's parser gives them, to what the fields of a dataclass hold."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any

from xtl_jax.errors import UserError


def takes_text(hint: Any) -> bool:
    """Whether a value of this type can be a text, or several with commas between."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return any(isinstance(part, str) for part in parts)
    if typing.get_origin(hint) is Mapping:
        return False
    return hint is str or any(map(takes_text, parts))


def typed(value: Any, *, hint: Any, name: str) -> Any:
    """gin lists to tuples and whole numbers to floats where the field says so.

    Args:
        value: as parsed.
        hint: the field's type.
        name: of the field, for errors.

    Raises:
        UserError: a value of another type than the field's.

    Example:
        >>> typed("mlqa, xquad", hint=tuple[str, ...], name="RunConfig.evaluate")
        ('mlqa', 'xquad')
    """
    if typing.get_origin(hint) is tuple and isinstance(value, (list, tuple)):
        value = tuple(value)
    elif typing.get_origin(hint) is tuple and isinstance(value, str):
        value = tuple(part.strip() for part in value.split(",") if part.strip())
    elif hint is float and type(value) is int:
        value = float(value)
    fits, wanted = _KINDS.get(typing.get_origin(hint) or hint, (None, ""))
    if typing.get_origin(hint) is Mapping and typing.get_args(hint)[0] is int:
        fits, wanted = _by_number, "a mapping such as {0: {'name': value}}"
    if typing.get_origin(hint) is tuple and typing.get_args(hint)[0] is int:
        fits, wanted = _numbers, "a list of whole numbers"
    if fits is not None and not fits(value):
        raise UserError(f"{name} must be {wanted}, got {value!r}")
    return value


def _texts(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _numbers(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(each) is int for each in values)


def _by_number(value: Any) -> bool:
    return isinstance(value, Mapping) and all(type(key) is int for key in value)


# What is checked here; numbers and choices are checked by the dataclasses themselves.
_KINDS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: isinstance(value, str), "a text"),
    bool: (lambda value: isinstance(value, bool), "True or False"),
    float: (lambda value: isinstance(value, float), "a number"),
    tuple: (
        lambda value: isinstance(value, tuple) and _texts(value),
        "a list of texts",
    ),
    Mapping: (
        lambda value: isinstance(value, Mapping) and _texts(value),
        "a mapping such as {'name': value}",
    ),
}
