"""Answers in another language than was asked for: accidental translation.

A generator that was fine-tuned in English may answer in English. Two tests, the sure
one first:

- *script*: the letters of an answer tell its script. An answer most of whose letters
  are of a script that neither the language nor the reference is written in is in
  another language. A name that the context itself has in Latin letters is no
  translation, so what stands in the context is let pass.
- *identification*: where scripts are the same (English or Spanish?), only a language
  identifier could tell. It is asked about what the script test leaves open, if one is
  given; without one these answers are counted as open.

    >>> rows = [
    ...     Answer(prediction="Germany", context="Дунай берёт начало в Германии."),
    ...     Answer(prediction="в Германии", context="Дунай берёт начало в Германии."),
    ... ]
    >>> shares(rows, language="ru")
    {'wrong_script': 50.0, 'wrong_language': None, 'not_identified': 50.0}
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

from xtl_jax.metrics import languages

# Names of scripts in `languages` to those that Unicode's names of letters begin with.
_LETTERS = {
    "Japanese": ("HIRAGANA", "KATAKANA", "CJK"),
    "Chinese": ("CJK", "BOPOMOFO"),
    "Hangul": ("HANGUL", "CJK"),
    "Korean": ("HANGUL", "CJK"),
    "Han": ("CJK",),
}
# A text of the language to the code of its language, None where it is not sure.
Identify = Callable[[str], str | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer in words, with what it could have been taken from."""

    prediction: str
    context: str | None = None
    references: tuple[str, ...] = ()


def scripts_of(language: str) -> tuple[str, ...]:
    """Scripts that a language is written in, as names of letters begin; () if unknown.

    Example:
        >>> scripts_of("ru"), scripts_of("ja"), scripts_of("qq")
        (('CYRILLIC',), ('HIRAGANA', 'KATAKANA', 'CJK'), ())
    """
    facts = languages.find(language)
    if facts is None:
        return ()
    return _LETTERS.get(facts.script, (facts.script.upper(),))


def script(text: str) -> str | None:
    """The script of most letters of a text; None where it has no letter.

    Example:
        >>> script("UN в Женеве"), script("1984")
        ('CYRILLIC', None)
    """
    letters = Counter(
        unicodedata.name(character, "").partition(" ")[0]
        for character in unicodedata.normalize("NFKC", text)
        if character.isalpha()
    )
    return letters.most_common(1)[0][0] if letters else None


def shares(
    answers: Iterable[Answer], *, language: str, identify: Identify | None = None
) -> dict[str, float | None]:
    """Shares of all answers, in percent.

    Args:
        answers: in words; classes and tags have no language.
        language: that they should be in, by its code.
        identify: tells the language of a text, for what scripts leave open.

    Returns:
        `wrong_script`, `wrong_language` (identified as another one; None without an
        identifier) and `not_identified` (what nobody could tell). All None where there
        is no answer or nothing is known of the language.
    """
    rows = list(answers)
    wanted = scripts_of(language)
    if not rows or not wanted:
        return dict.fromkeys(("wrong_script", "wrong_language", "not_identified"))
    wrong_script = wrong_language = unknown = 0
    for row in rows:
        found = script(row.prediction)
        if found is None:  # numbers are the same everywhere
            continue
        allowed = {*wanted, *(script(reference) for reference in row.references)}
        if found not in allowed and not _stands_in(row.prediction, row.context):
            wrong_script += 1
        elif found in wanted:
            said = identify(row.prediction) if identify else None
            unknown += said is None
            wrong_language += said not in (None, language)
    return {
        "wrong_script": 100.0 * wrong_script / len(rows),
        "wrong_language": 100.0 * wrong_language / len(rows) if identify else None,
        "not_identified": 100.0 * unknown / len(rows),
    }


def _stands_in(text: str, context: str | None) -> bool:
    def plain(value: str) -> str:
        return unicodedata.normalize("NFKC", value).strip()

    return context is not None and plain(text) in plain(context)
