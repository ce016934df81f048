"""Keyboard layouts: which key lies beside which.

A layout is a list of rows, a key's place its column plus the row's shift to the right:
the shift of a standard keyboard's rows against each other. `.` is a key without a
letter. Two keys are *neighbours* when their centres are at most 1.3 key widths apart.

    >>> sorted(NEIGHBOURS["qwerty"]["g"])
    ['b', 'f', 'h', 't', 'v', 'y']

Letters without the shift key only, except in InScript, where aspirates and independent
vowels are shifted: they lie above their plain letters and have neighbours of their own.
InScript is one layout for all scripts that descend from ISCII, whose Unicode blocks are
parallel; it is written once, in Devanagari, and moved to the others.
"""

from __future__ import annotations

import functools
import unicodedata

SHIFTS = (-0.5, 0.0, 0.25, 0.75)  # of the digits' row and the three below, in keys
REACH = 1.3

# Rows from the digits' row down; an absent digits' row is "".
_LATIN = {
    "qwerty": ("", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "qwertz_de": ("", "qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "qwertz_hu": ("", "qwertzuiopőú", "asdfghjkléáű", "yxcvbnm"),
    "qwertz": ("", "qwertzuiop", "asdfghjkl", "yxcvbnm"),
    "azerty": ("", "azertyuiop", "qsdfghjklm", "wxcvbn"),
    "qwertz_hr": ("", "qwertzuiopšđ", "asdfghjklčćž", "yxcvbnm"),
    "qwerty_et": ("", "qwertyuiopüõ", "asdfghjklöä", "zxcvbnm"),
    "qwerty_es": ("", "qwertyuiop", "asdfghjklñ", "zxcvbnm"),
    "qwerty_pt": ("", "qwertyuiop", "asdfghjklç", "zxcvbnm"),
    "qwerty_sv": ("", "qwertyuiopå", "asdfghjklöä", "zxcvbnm"),
    "qwerty_da": ("", "qwertyuiopå", "asdfghjklæø", "zxcvbnm"),
    "qwerty_no": ("", "qwertyuiopå", "asdfghjkløæ", "zxcvbnm"),
    "qwerty_tr": ("", "qwertyuıopğü", "asdfghjklşi", "zxcvbnmöç"),
    "qwerty_az": ("", "qüertyuiopöğ", "asdfghjklıə", "zxcvbnmçş"),
}
_CYRILLIC = {
    "йцукен": ("", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
    "йцукен_uk": ("", "йцукенгшщзхї", "фівапролджє", "ячсмитьбю"),
    "йцукен_kk": (".әіңғ..үұқөһ", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
    "bds_bg": ("", ".уеишщксдзц", "ьяаожгтнвмч", "юйъэфхпрлб"),
    "mn": ("", "фцужэнгшүзкъ", "йыбөахролдп", "ячёсмитьвю"),
}
_OTHERS = {
    "greek": ("", ".ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),
    "arabic_101": ("", "ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤر.ىةوزظ"),
    "persian": ("", "ضصثقفغعهخحجچ", "شسیبلاتنمکگ", "ظطزرذدپو"),
    "urdu_phonetic": ("", "قوعرتےءیہپ", "اسدفگحجکل", "زشچطبنم"),
    "hebrew": ("", "..קראטוןםפ", "שדגכעיחלךף", "זסבהנמצתץ"),
    "georgian": ("", "ქწერტყუიოპ", "ასდფგჰჯკლ", "ზხცვბნმ"),
    "thai_kedmanee": (
        "...ภถ\u0e38\u0e36คตจขช",
        ".ไ\u0e33พะ\u0e31\u0e35รนยบล",
        "ฟหกดเ\u0e49\u0e48าสวง",
        "ผปแอ\u0e34\u0e37ทมใฝ",
    ),
    "hangul_2set": ("", "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ"),
    "tamil99": ("", "ஆஈஊஐஏளறனடணசஞ", "அஇஉ.எகபமதநய", "ஔஓஒவஙலர..ழ"),
}
_INSCRIPT_PLAIN = (
    "",
    "\u094c\u0948\u093e\u0940\u0942बहगदजड",
    "\u094b\u0947.\u093f\u0941परकतचट",
    "..मनवलस..य",
)
_INSCRIPT_SHIFTED = ("", "औऐआईऊभङघधझढञ", "ओएअइउफ.खथछठ", "..ण..ळशष")
_BLOCKS = {
    "inscript_devanagari": 0x0900,
    "inscript_bengali": 0x0980,
    "inscript_gurmukhi": 0x0A00,
    "inscript_gujarati": 0x0A80,
    "inscript_telugu": 0x0C00,
    "inscript_kannada": 0x0C80,
    "inscript_malayalam": 0x0D00,
}
# A flick keyboard has one key for the kana of one consonant; a flick that goes astray
# gives another of them.
_FLICK = (
    *("あいうえお", "かきくけこ", "さしすせそ", "たちつてと", "なにぬねの"),
    *("はひふへほ", "まみむめも", "やゆよ", "らりるれろ", "わをん"),
    *("がぎぐげご", "ざじずぜぞ", "だぢづでど", "ばびぶべぼ", "ぱぴぷぺぽ"),
)

# Language to layout; Latin languages that are not named type on QWERTY.
OF_LANGUAGE = {
    "de": "qwertz_de", "hu": "qwertz_hu", "cs": "qwertz", "sk": "qwertz",
    "sl": "qwertz_hr", "hr": "qwertz_hr", "sr": "qwertz_hr", "sq": "qwertz",
    "fr": "azerty", "wo": "azerty", "es": "qwerty_es", "eu": "qwerty_es",
    "qu": "qwerty_es", "fil": "qwerty_es", "tl": "qwerty_es",
    "pt": "qwerty_pt", "sv": "qwerty_sv", "fi": "qwerty_sv",
    "et": "qwerty_et", "da": "qwerty_da", "no": "qwerty_no", "tr": "qwerty_tr",
    "az": "qwerty_az", "ru": "йцукен", "uk": "йцукен_uk", "kk": "йцукен_kk",
    "bg": "bds_bg", "mn": "mn", "el": "greek", "ar": "arabic_101", "fa": "persian",
    "ur": "urdu_phonetic", "he": "hebrew", "ka": "georgian", "th": "thai_kedmanee",
    "ko": "hangul_2set", "ta": "tamil99", "hi": "inscript_devanagari",
    "mr": "inscript_devanagari", "ne": "inscript_devanagari",
    "bn": "inscript_bengali", "pa": "inscript_gurmukhi", "gu": "inscript_gujarati",
    "te": "inscript_telugu", "kn": "inscript_kannada", "ml": "inscript_malayalam",
    "ja": "kana_flick",
}  # fmt: skip


def _neighbours(rows: tuple[str, ...]) -> dict[str, str]:
    """Each key's letter to those of the keys around it."""
    places = [
        (letter, column + SHIFTS[row], row)
        for row, letters in enumerate(rows)
        for column, letter in enumerate(letters)
        if letter != "."
    ]
    return {
        letter: "".join(
            other
            for other, far, below in places
            if other != letter and (far - along) ** 2 + (below - row) ** 2 <= REACH**2
        )
        for letter, along, row in places
    }


def _moved(rows: tuple[str, ...], block: int) -> tuple[str, ...]:
    """Rows of Devanagari letters in another block; `.` for those it has not."""

    def move(letter: str) -> str:
        other = chr(ord(letter) - 0x0900 + block) if letter != "." else "."
        return other if unicodedata.name(other, "") else "."

    return tuple("".join(map(move, row)) for row in rows)


def _inscript(block: int) -> dict[str, str]:
    plain = _neighbours(_moved(_INSCRIPT_PLAIN, block))
    return plain | _neighbours(_moved(_INSCRIPT_SHIFTED, block))


def _flick() -> dict[str, str]:
    """Hiragana and Katakana, which lie 96 code points apart."""
    found = {}
    for key in _FLICK:
        for row in (key, "".join(chr(ord(kana) + 96) for kana in key)):
            found |= {kana: row.replace(kana, "") for kana in row}
    return found


# Name to rows, of all layouts that are written here key by key.
ROWS = _LATIN | _CYRILLIC | _OTHERS
NEIGHBOURS: dict[str, dict[str, str]] = {
    **{name: _neighbours(rows) for name, rows in ROWS.items()},
    **{name: _inscript(block) for name, block in _BLOCKS.items()},
    "kana_flick": _flick(),
}


@functools.cache
def of_language(language: str, script: str) -> str | None:
    """The layout that a language is typed on; None where none is known here."""
    return OF_LANGUAGE.get(language, "qwerty" if script == "Latin" else None)
