"""What a language is called, for readers who do not know all the codes.

A key is a code (`ar`) or, for MLQA's cross pairs, `CONTEXT-QUESTION`: `en-ar` is an
English context with an Arabic question. English comes first in every table, because it
is what the others are measured against; the rest follow by code.
"""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = {
    "af": "Afrikaans",
    "am": "Amharic",
    "ar": "Arabic",
    "az": "Azerbaijani",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fil": "Filipino",
    "fr": "French",
    "gu": "Gujarati",
    "ha": "Hausa",
    "he": "Hebrew",
    "hi": "Hindi",
    "ht": "Haitian Creole",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "ig": "Igbo",
    "it": "Italian",
    "ja": "Japanese",
    "jv": "Javanese",
    "ka": "Georgian",
    "kk": "Kazakh",
    "km": "Khmer",
    "kn": "Kannada",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "ml": "Malayalam",
    "mn": "Mongolian",
    "mr": "Marathi",
    "ms": "Malay",
    "my": "Burmese",
    "ne": "Nepali",
    "nl": "Dutch",
    "no": "Norwegian",
    "om": "Oromo",
    "pa": "Punjabi",
    "pl": "Polish",
    "ps": "Pashto",
    "pt": "Portuguese",
    "qu": "Quechua",
    "ro": "Romanian",
    "ru": "Russian",
    "si": "Sinhala",
    "sk": "Slovak",
    "sl": "Slovenian",
    "so": "Somali",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tl": "Tagalog",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "uz": "Uzbek",
    "vi": "Vietnamese",
    "wo": "Wolof",
    "xh": "Xhosa",
    "yo": "Yoruba",
    "zh": "Chinese",
    "zu": "Zulu",
}


def name(language: str) -> str:
    """English name of a key; the key itself where we know none.

    Example:
        >>> name("sw"), name("en-ar"), name("xx")
        ('Swahili', 'English text, Arabic question', 'xx')
    """
    if is_pair(language):
        context, question = language.split("-", 1)
        return f"{name(context)} text, {name(question)} question"
    return _NAMES.get(language, language)


def is_pair(language: str) -> bool:
    """Whether the key names a context language and another question language.

    Example:
        >>> is_pair("en-ar"), is_pair("zh"), is_pair("zh-Hans")
        (True, False, False)
    """
    context, dash, question = language.partition("-")
    return bool(dash) and context in _NAMES and question in _NAMES


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
