"""A true sentence that says nothing, in each language: `and true is true`.

Put at the end of a hypothesis it changes no label: what follows from the premise still
follows, what contradicts it still does. Put five times at the end of a premise it makes
the two texts differ in length (*length mismatch*). The negated one of the literature,
`and false is not true`, is left out: it tests a bias for negation words and needs to
negate well in every language.

A clause follows the sentence with a comma; in verb-final Japanese, Korean, Tamil and
Telugu, and in Thai, where clauses are not joined so, it is a sentence of its own.
"""

from __future__ import annotations

import random

from xtl_jax.attacks import scripts, texts
from xtl_jax.attacks.attack import Attack, Attacked, Budget, Edit, Resources
from xtl_jax.attacks.by_row import ByRow, Change
from xtl_jax.data.rows import PairRow, Row

CLAUSES = {
    "en": "and true is true",
    "de": "und wahr ist wahr",
    "nl": "en waar is waar",
    "af": "en waar is waar",
    "sv": "och sant är sant",
    "da": "og sandt er sandt",
    "no": "og sant er sant",
    "fr": "et ce qui est vrai est vrai",
    "es": "y la verdad es la verdad",
    "it": "e la verità è la verità",
    "pt": "e a verdade é a verdade",
    "ro": "și adevărul este adevăr",
    "ru": "и правда есть правда",
    "uk": "і правда є правда",
    "bg": "и истината си е истина",
    "pl": "a prawda to prawda",
    "cs": "a pravda je pravda",
    "sk": "a pravda je pravda",
    "hr": "a istina je istina",
    "sl": "in resnica je resnica",
    "el": "και η αλήθεια είναι αλήθεια",
    "fi": "ja totuus on totuus",
    "et": "ja tõde on tõde",
    "hu": "és az igazság igazság",
    "tr": "ve doğru doğrudur",
    "ar": "والحقيقة هي الحقيقة",
    "he": "והאמת היא האמת",
    "fa": "و حقیقت حقیقت است",
    "ur": "اور سچ سچ ہے",
    "hi": "और सच सच है",
    "mr": "आणि सत्य हे सत्य आहे",
    "bn": "আর সত্য সত্যই",
    "gu": "અને સત્ય એ સત્ય છે",
    "ta": "உண்மை உண்மையே",
    "te": "నిజం నిజమే",
    "vi": "và sự thật là sự thật",
    "id": "dan yang benar adalah benar",
    "ms": "dan yang benar adalah benar",
    "sw": "na ukweli ni ukweli",
    "th": "ความจริงก็คือความจริง",
    "zh": "真的就是真的",
    "ja": "真実は真実である",
    "ko": "사실은 사실이다",
}
_OWN_SENTENCE = ("ja", "ko", "ta", "te")
_ENDS = ".!?。！？؟।۔"


def with_clause(text: str, *, language: str, copies: int) -> str:
    """A text with its language's tautology before its last mark.

    Example:
        >>> with_clause("It rains.", language="en", copies=1)
        'It rains, and true is true.'
        >>> with_clause("雨です。", language="ja", copies=1)
        '雨です。真実は真実である。'
    """
    clause = CLAUSES[language]
    body = text.rstrip()
    end = body[-1:] if body[-1:] in _ENDS else ""
    if language == "th":
        return body + f" {clause}" * copies
    if language in _OWN_SENTENCE:
        stop = "。" if language == "ja" else "."
        gap = "" if language == "ja" else " "
        body = body if end else body + stop
        return body + f"{gap}{clause}{stop}" * copies
    comma = {"Han": "，", "Arabic": "، "}.get(scripts.of(language), ", ")
    body = body.removesuffix(end) if end else body
    return body + f"{comma}{clause}" * copies + end


def _added(field: str) -> Change:
    def add(
        row: Row,
        *,
        language: str,
        rng: random.Random,
        budget: float,
        resources: Resources,
    ) -> Attacked:
        value = getattr(row, field)
        new = with_clause(value, language=language, copies=int(budget))
        edit = Edit(field, 0, 0, len(value), new)
        return texts.changed(row, [edit], otherwise="it is empty")

    return add


_refuses = scripts.only_languages(CLAUSES, because="has no tautology written down here")


def _attack(name: str, summary: str, field: str, copies: int) -> Attack:
    return Attack(
        name=name,
        group="pairs",
        summary=summary,
        source="Naik et al. 2018, stress tests for NLI",
        budget=Budget(
            means="the number of clauses", default=copies, largest=20, whole=True
        ),
        method=ByRow(_added(field)),
        kinds=(PairRow,),
        refuses=_refuses,
    )


ATTACKS = (
    _attack("tautology", "`and true is true` ends the second text", "second", 1),
    _attack("length_mismatch", "five of them end the first text", "first", 5),
)
