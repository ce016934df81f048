"""Which languages an attack is for, said as a reason to refuse the others.

>>> refuse = only_scripts("Latin", "Greek", because="has no capitals")
>>> refuse("el"), refuse("th")
('', "the script of 'th' (Thai) has no capitals")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xtl_jax.metrics import languages

CASED = ("Latin", "Cyrillic", "Greek", "Armenian")


def of(language: str) -> str:
    """The script of a language; "" where nothing is known of it."""
    facts = languages.find(language)
    return facts.script if facts else ""


def only_scripts(*scripts: str, because: str) -> Callable[[str], str]:
    """Refuses languages that are written otherwise; `because` follows the script."""

    def refuse(language: str) -> str:
        script = of(language)
        if script in scripts:
            return ""
        return f"the script of {language!r} ({script or 'unknown'}) {because}"

    return refuse


def only_languages(known: Iterable[str], *, because: str) -> Callable[[str], str]:
    """Refuses languages that are not among `known`; `because` follows the language."""
    allowed = frozenset(known)

    def refuse(language: str) -> str:
        return "" if language in allowed else f"{language!r} {because}"

    return refuse
