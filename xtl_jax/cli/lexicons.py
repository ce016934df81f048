"""Lexicon files that a run names, read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xtl_jax import storage
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.attacks.lexicon import Lexicon


def read(files: Mapping[str, str]) -> dict[tuple[str, str], Lexicon]:
    """Lexicons by their two languages.

    Args:
        files: `{"en-de": "path"}`, in MUSE's format.

    Raises:
        UserError: a name is no pair of languages, or a file cannot be read.
    """
    from xtl_jax.attacks import lexicon

    found = {}
    for pair, path in files.items():
        source, _, target = pair.partition("-")
        if not source or not target:
            raise UserError(
                f"RunConfig.attack_lexicons has {pair!r}; its names are two languages, "
                "such as 'en-de'"
            )
        try:
            lines = storage.at(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"lexicon {path}: cannot be read ({error}); give the path of a text in "
                "UTF-8"
            ) from None
        found[source, target] = lexicon.parse(
            lines, source=source, target=target, name=path
        )
    return found
