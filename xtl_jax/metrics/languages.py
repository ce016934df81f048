"""Facts about languages: script, family, resources, and who has pre-trained on them.

    >>> facts = find("sw")
    >>> facts.name, facts.family, facts.joshi_class, facts.low_resource
    ('Swahili', 'Niger-Congo', 2, True)
    >>> find("yo").in_mt5, find("yo").in_xlmr
    (True, False)

The *Joshi class* orders languages by their labelled and unlabelled data from 0 (left
behind) to 5 (winners); here 0 to 2 are called low-resource.

Sources, by column:

- script: what the evaluation sets are written in, by its Unicode name; Chinese and
  Japanese are called by their usual ones. (UNER's Serbian is in Latin letters.)
- family and genus: WALS (Dryer and Haspelmath 2013, version 2020.4), but Turkic and
  Mongolic are families of their own rather than Altaic, whose unity is disputed, and
  Haitian is called a Creole, where WALS says "other".
- Joshi class: Joshi et al. 2020, *The State and Fate of Linguistic Diversity and
  Inclusion in the NLP World*, its file `lang2tax.txt`, language names mapped to codes.
  Pashto's entry there is ambiguous and left open.
- in mT5: the 101 languages in the README of google-research/multilingual-t5; Tagalog is
  Filipino there.
- in XLM-R: the 100 languages in the README of fairseq's `examples/xlmr`; likewise.
"""

from __future__ import annotations

import dataclasses

SOURCE = "en"  # the language that zero-shot transfer starts from
LOW_RESOURCE = (0, 1, 2)  # Joshi classes


@dataclasses.dataclass(frozen=True)
class Language:
    """What is known of one language."""

    code: str  # ISO 639-1, or 639-3 where there is none
    name: str  # in English
    script: str
    family: str  # the largest that is undisputed
    genus: str  # a branch of it, of comparable age everywhere
    joshi_class: int | None  # 0 to 5; None where the source is unclear
    in_mt5: bool  # one of mT5's pre-training languages
    in_xlmr: bool

    @property
    def low_resource(self) -> bool | None:
        """Whether it is in one of the Joshi classes 0 to 2."""
        return None if self.joshi_class is None else self.joshi_class in LOW_RESOURCE


_ROWS = (
    # code, name, script, family, genus, Joshi class, in mT5, in XLM-R
    ("af", "Afrikaans", "Latin", "Indo-European", "Germanic", 3, True, True),
    ("am", "Amharic", "Ethiopic", "Afro-Asiatic", "Semitic", 2, True, True),
    ("ar", "Arabic", "Arabic", "Afro-Asiatic", "Semitic", 5, True, True),
    ("az", "Azerbaijani", "Latin", "Turkic", "Turkic", 1, True, True),
    ("bg", "Bulgarian", "Cyrillic", "Indo-European", "Slavic", 3, True, True),
    ("bn", "Bengali", "Bengali", "Indo-European", "Indic", 3, True, True),
    (
        "ceb",
        "Cebuano",
        "Latin",
        "Austronesian",
        "Greater Central Philippine",
        3,
        True,
        False,
    ),
    ("cs", "Czech", "Latin", "Indo-European", "Slavic", 4, True, True),
    ("da", "Danish", "Latin", "Indo-European", "Germanic", 3, True, True),
    ("de", "German", "Latin", "Indo-European", "Germanic", 5, True, True),
    ("el", "Greek", "Greek", "Indo-European", "Greek", 3, True, True),
    ("en", "English", "Latin", "Indo-European", "Germanic", 5, True, True),
    ("es", "Spanish", "Latin", "Indo-European", "Romance", 5, True, True),
    ("et", "Estonian", "Latin", "Uralic", "Finnic", 3, True, True),
    ("eu", "Basque", "Latin", "Basque", "Basque", 4, True, True),
    ("fa", "Persian", "Arabic", "Indo-European", "Iranian", 4, True, True),
    ("fi", "Finnish", "Latin", "Uralic", "Finnic", 4, True, True),
    (
        "fil",
        "Filipino",
        "Latin",
        "Austronesian",
        "Greater Central Philippine",
        3,
        True,
        True,
    ),
    ("fr", "French", "Latin", "Indo-European", "Romance", 5, True, True),
    ("gu", "Gujarati", "Gujarati", "Indo-European", "Indic", 1, True, True),
    ("ha", "Hausa", "Latin", "Afro-Asiatic", "West Chadic", 2, True, True),
    ("he", "Hebrew", "Hebrew", "Afro-Asiatic", "Semitic", 3, True, True),
    ("hi", "Hindi", "Devanagari", "Indo-European", "Indic", 4, True, True),
    ("hr", "Croatian", "Latin", "Indo-European", "Slavic", 4, False, True),
    ("ht", "Haitian Creole", "Latin", "Creole", "Creole", 2, True, False),
    ("hu", "Hungarian", "Latin", "Uralic", "Ugric", 4, True, True),
    ("hy", "Armenian", "Armenian", "Indo-European", "Armenian", 1, True, True),
    ("id", "Indonesian", "Latin", "Austronesian", "Malayo-Sumbawan", 3, True, True),
    ("ig", "Igbo", "Latin", "Niger-Congo", "Igboid", 1, True, False),
    ("it", "Italian", "Latin", "Indo-European", "Romance", 4, True, True),
    ("ja", "Japanese", "Japanese", "Japanese", "Japanese", 5, True, True),
    ("jv", "Javanese", "Latin", "Austronesian", "Javanese", 1, True, True),
    ("ka", "Georgian", "Georgian", "Kartvelian", "Kartvelian", 3, True, True),
    ("kk", "Kazakh", "Cyrillic", "Turkic", "Turkic", 3, True, True),
    ("km", "Khmer", "Khmer", "Austro-Asiatic", "Khmer", 1, True, True),
    ("kn", "Kannada", "Kannada", "Dravidian", "Dravidian", 1, True, True),
    ("ko", "Korean", "Hangul", "Korean", "Korean", 4, True, True),
    ("lt", "Lithuanian", "Latin", "Indo-European", "Baltic", 3, True, True),
    ("lv", "Latvian", "Latin", "Indo-European", "Baltic", 3, True, True),
    ("ml", "Malayalam", "Malayalam", "Dravidian", "Dravidian", 1, True, True),
    ("mn", "Mongolian", "Cyrillic", "Mongolic", "Mongolic", 1, True, True),
    ("mr", "Marathi", "Devanagari", "Indo-European", "Indic", 2, True, True),
    ("ms", "Malay", "Latin", "Austronesian", "Malayo-Sumbawan", 3, True, True),
    ("my", "Burmese", "Myanmar", "Sino-Tibetan", "Burmese-Lolo", 1, True, True),
    ("ne", "Nepali", "Devanagari", "Indo-European", "Indic", 1, True, True),
    ("nl", "Dutch", "Latin", "Indo-European", "Germanic", 4, True, True),
    ("no", "Norwegian", "Latin", "Indo-European", "Germanic", 1, True, True),
    ("om", "Oromo", "Latin", "Afro-Asiatic", "Lowland East Cushitic", 1, False, True),
    ("pa", "Punjabi", "Gurmukhi", "Indo-European", "Indic", 2, True, True),
    ("pl", "Polish", "Latin", "Indo-European", "Slavic", 4, True, True),
    ("ps", "Pashto", "Arabic", "Indo-European", "Iranian", None, True, True),
    ("pt", "Portuguese", "Latin", "Indo-European", "Romance", 4, True, True),
    ("qu", "Quechua", "Latin", "Quechuan", "Quechuan", 1, False, False),
    ("ro", "Romanian", "Latin", "Indo-European", "Romance", 3, True, True),
    ("ru", "Russian", "Cyrillic", "Indo-European", "Slavic", 4, True, True),
    ("si", "Sinhala", "Sinhala", "Indo-European", "Indic", 0, True, True),
    ("sk", "Slovak", "Latin", "Indo-European", "Slavic", 3, True, True),
    ("sl", "Slovenian", "Latin", "Indo-European", "Slavic", 3, True, True),
    ("so", "Somali", "Latin", "Afro-Asiatic", "Lowland East Cushitic", 1, True, True),
    ("sq", "Albanian", "Latin", "Indo-European", "Albanian", 1, True, True),
    ("sr", "Serbian", "Latin", "Indo-European", "Slavic", 4, True, True),
    ("sv", "Swedish", "Latin", "Indo-European", "Germanic", 4, True, True),
    ("sw", "Swahili", "Latin", "Niger-Congo", "Bantu", 2, True, True),
    ("ta", "Tamil", "Tamil", "Dravidian", "Dravidian", 3, True, True),
    ("te", "Telugu", "Telugu", "Dravidian", "Dravidian", 1, True, True),
    ("th", "Thai", "Thai", "Tai-Kadai", "Kam-Tai", 3, True, True),
    (
        "tl",
        "Tagalog",
        "Latin",
        "Austronesian",
        "Greater Central Philippine",
        3,
        True,
        True,
    ),
    ("tr", "Turkish", "Latin", "Turkic", "Turkic", 4, True, True),
    ("uk", "Ukrainian", "Cyrillic", "Indo-European", "Slavic", 3, True, True),
    ("ur", "Urdu", "Arabic", "Indo-European", "Indic", 3, True, True),
    ("uz", "Uzbek", "Latin", "Turkic", "Turkic", 3, True, True),
    ("vi", "Vietnamese", "Latin", "Austro-Asiatic", "Vietic", 4, True, True),
    ("wo", "Wolof", "Latin", "Niger-Congo", "Wolof", 2, False, False),
    ("xh", "Xhosa", "Latin", "Niger-Congo", "Bantu", 2, True, True),
    ("yo", "Yoruba", "Latin", "Niger-Congo", "Defoid", 2, True, False),
    ("zh", "Chinese", "Han", "Sino-Tibetan", "Chinese", 5, True, True),
    ("zu", "Zulu", "Latin", "Niger-Congo", "Bantu", 2, True, False),
)

LANGUAGES = {row[0]: Language(*row) for row in _ROWS}


def find(code: str) -> Language | None:
    """The facts of a language, or None where the table has none."""
    return LANGUAGES.get(code)
