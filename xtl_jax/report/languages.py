"""What a language is called, for readers who do not know all the codes.

A key is a code (`ar`) or, for MLQA's cross pairs, `CONTEXT-QUESTION`: `en-ar` is an
English context with an Arabic question. English comes first in every table, because it
is what the others are measured against; the rest follow by code.
"""

from __future__ import annotations

from collections.abc import Iterable

from xtl_jax.metrics.languages import LANGUAGES, find


def name(language: str) -> str:
    """English name of a key; the key itself where we know none.

    Example:
        >>> name("sw"), name("en-ar"), name("xx")
        ('Swahili', 'English text, Arabic question', 'xx')
    """
    if is_pair(language):
        context, question = language.split("-", 1)
        return f"{name(context)} text, {name(question)} question"
    facts = find(language)
    return language if facts is None else facts.name


def is_pair(language: str) -> bool:
    """Whether the key names a context language and another question language.

    Example:
        >>> is_pair("en-ar"), is_pair("zh"), is_pair("zh-Hans")
        (True, False, False)
    """
    context, dash, question = language.partition("-")
    return bool(dash) and context in LANGUAGES and question in LANGUAGES


def html_code(language: str) -> str:
    """Value of HTML's `lang` attribute: the language of the text that is read.

    Example:
        >>> html_code("en-ar"), html_code("zh"), html_code('x" onload="')
        ('en', 'zh', 'und')
    """
    code = language.split("-", 1)[0] if is_pair(language) else language
    return code if code.replace("-", "").isalnum() and code.isascii() else "und"


def ordered(languages: Iterable[str]) -> list[str]:
    """English first, then by code, each once.

    Example:
        >>> ordered(["zh", "en", "ar", "zh"])
        ['en', 'ar', 'zh']
    """
    return sorted(set(languages), key=lambda language: (language != "en", language))
