"""Letters that look like others: misread by machines, or exchanged on purpose.

*Misread* letters are those that OCR takes for each other within one script: `rn` for
`m`, ш for щ, ב for כ, 未 for 末. A reader sees that the letter is wrong.

*Homoglyphs* look the same but are other code points: Latin `a` and Cyrillic `а`, Thai
แ and two เ, Han 一 and the Kangxi radical ⼀. A reader sees nothing; a tokenizer does.
NFKC, which mT5's tokenizer applies, undoes some of them (the radicals), not others.

The tables are written from knowledge of the scripts; sets of letters that all resemble
each other are one string, exchanges of several letters are pairs.
"""

from __future__ import annotations

import functools
import random
import unicodedata

from xtl_jax.attacks import hangul, scripts, words
from xtl_jax.attacks.attack import Attack
from xtl_jax.attacks.by_word import SHARE_OF_WORDS, ByWord

# Script to sets of letters that are misread for one another.
_MISREAD_SETS = {
    "Latin": (
        *("ceo", "hb", "il", "uv", "nu", "ft", "yv", "gq"),
        *("OQ", "CG", "EF", "PR", "UV", "BR", "ij"),
    ),
    "Cyrillic": ("ипн", "шщ", "ео", "сео", "ьъы", "лд", "цд", "гт", "зэ", "иц", "ГТ"),
    "Greek": ("νυ", "οσ", "ηπ", "ιί", "αο", "κχ", "ζξ"),
    "Arabic": (
        *("بتثپ", "جحخچ", "دذڈ", "رزژڑ", "سش", "صض", "طظ", "عغ", "فق", "بتثن", "كگک"),
    ),
    "Hebrew": ("החת", "דר", "וזןי", "בכ", "סם", "גנ", "טמ", "עצ"),
    "Devanagari": ("बव", "घध", "भम", "डङ", "पष", "यथ", "तन", "दढ"),
    "Bengali": ("বর", "ষয", "ভত", "ণন"),
    "Gujarati": ("પષ", "ધઘ", "મભ", "દઢ", "બખ"),
    "Gurmukhi": ("ਪਧ", "ਮਸ"),
    "Tamil": ("னண", "லவ", "ளன", "கச", "பய"),
    "Telugu": ("బభ", "పష", "దధ", "వమ", "చఛ", "ఱల"),
    "Kannada": ("ಬಭ", "ಪಷ", "ದಧ", "ವಮ", "ಚಛ"),
    "Malayalam": ("നത", "വപ", "ഗശ", "രന"),
    "Thai": ("ดคต", "ถภ", "ชซ", "ฎฏ", "บป", "ผฝ", "พฟ", "ขช", "มน", "ลส", "รธ", "วอ"),
    "Georgian": ("კპ", "ბგ", "იო", "ლო", "ძმ", "ჩწ"),
    "Han": (
        *("未末", "土士", "日曰", "人入八", "大太犬", "千干于", "天夫", "目自"),
        *("白百", "田由甲申", "王玉主", "刀力", "午牛", "体休", "候侯", "戌戍戊"),
        *("析折", "今令", "问间", "买卖", "鸟乌", "师帅", "拔拨", "住往佳", "治冶"),
        *("己已巳", "木本", "水永", "名各", "代伐", "石右", "古占", "西酉", "贝见"),
        *("万方", "季李", "微徽", "概慨", "历厉", "情清", "推堆", "侍待", "网冈"),
        *("崇祟", "比北"),
    ),
    "Japanese": (
        *("シツ", "ソン", "クワタ", "ロコ", "メナ", "ノソ", "ハバパ", "ヘベペ"),
        *("はほ", "ぬめ", "ねれわ", "るろ", "さき", "いり", "あお", "ばぱ", "べぺ"),
    ),
}  # fmt: skip
# Letters of the script that a language does not write with.
_FOREIGN = {"ar": "پچڈژڑگک", "fa": "ڈڑك", "ur": "ك"}
# The same of several letters; either may stand for the other.
_MISREAD_PAIRS = {
    "Latin": (("rn", "m"), ("cl", "d"), ("vv", "w"), ("li", "h"), ("ri", "n")),
    "Cyrillic": (("ьі", "ы"), ("ло", "ю"), ("пі", "ш")),
    "Devanagari": (("रव", "ख"), ("रा", "ग")),
}
# Jamo that are misread for one another.
_MISREAD_JAMO = (
    "ㅏㅑ",
    "ㅓㅕ",
    "ㅗㅛ",
    "ㅜㅠ",
    "ㅐㅔ",
    "ㅁㅇ",
    "ㄱㅋ",
    "ㄷㅌㄹ",
    "ㅈㅊ",
    "ㅂㅍ",
)

# Latin letters and what looks the same in Cyrillic and Greek.
_ALIKE = (
    *("aа", "cс", "eе", "oоο", "pр", "xх", "yу", "iі", "jј", "sѕ", "hһ", "vν"),
    *("AАΑ", "BВΒ", "CС", "EЕΕ", "HНΗ", "IІΙ", "KКΚ", "MМΜ", "NΝ", "OОΟ", "PРΡ"),
    *("TТΤ", "XХΧ", "YΥ", "ZΖ", "SЅ", "JЈ", "ГΓ", "ПΠ", "ФΦ"),
    # Arabic letters and those of Persian and Urdu, alike but at the end of a word.
    *("يی", "كک"),
    # Han and Katakana
    *("口ロ", "力カ", "工エ", "二ニ", "八ハ", "卜ト", "夕タ", "へヘ"),
    *("べベ", "ぺペ"),
)  # fmt: skip
_THAI_CONSONANTS = tuple(map(chr, range(0x0E01, 0x0E2F)))
_THAI_TONES = "\u0e48\u0e49\u0e4a\u0e4b"
# One letter and a sequence that is drawn the same.
_ALIKE_PAIRS = (
    ("แ", "เเ"),
    # Thai sara am after a consonant, and with a tone mark, which then stands between.
    *((base + "\u0e33", base + "\u0e4d\u0e32") for base in _THAI_CONSONANTS),
    *((tone + "\u0e33", "\u0e4d" + tone + "\u0e32") for tone in _THAI_TONES),
    ("आ", "अ\u093e"), ("ओ", "अ\u094b"), ("औ", "अ\u094c"),
    ("আ", "অ\u09be"), ("આ", "અ\u0abe"), ("ਆ", "ਅ\u0a3e"),
    ("\u0bcc", "\u0bc6ள"),  # Tamil au
    ("ఔ", "ఒ\u0c4c"),
    ("ൻ", "ന\u0d4d\u200d"), ("ർ", "ര\u0d4d\u200d"), ("ൽ", "ല\u0d4d\u200d"),
)  # fmt: skip


def _exchanges(
    sets: tuple[str, ...], pairs: tuple[tuple[str, str], ...] = ()
) -> dict[str, tuple[str, ...]]:
    """What each letter, or sequence, may be exchanged for."""
    found: dict[str, dict[str, None]] = {}
    for group in (*sets, *pairs):
        for each in group:
            found.setdefault(each, {}).update(dict.fromkeys(group))
    return {
        each: tuple(other for other in others if other != each)
        for each, others in found.items()
    }


@functools.cache
def _misread(script: str, language: str) -> dict[str, tuple[str, ...]]:
    if language in _FOREIGN:
        groups = _MISREAD_SETS[script]
        foreign = str.maketrans("", "", _FOREIGN[language])
        return _exchanges(tuple(group.translate(foreign) for group in groups))
    if script == "Japanese":
        sets = _MISREAD_SETS["Japanese"] + _MISREAD_SETS["Han"]
        return _exchanges(sets)
    return _exchanges(_MISREAD_SETS.get(script, ()), _MISREAD_PAIRS.get(script, ()))


@functools.cache
def _homoglyphs() -> dict[str, tuple[str, ...]]:
    radicals = tuple(
        unicodedata.normalize("NFKC", chr(code)) + chr(code)
        for code in range(0x2F00, 0x2FD6)
    )
    return _exchanges((*_ALIKE, *radicals), _ALIKE_PAIRS)


def _exchanged(
    word: str, table: dict[str, tuple[str, ...]], *, rng: random.Random
) -> str | None:
    """The word with one exchange of the table; None where it has none."""
    if words.has_digit(word):
        return None
    possible = [
        (at, size, other)
        for size in (1, 2, 3)
        for at in range(len(word) - size + 1)
        for other in table.get(word[at : at + size], ())
    ]
    if not possible:
        return None
    at, size, other = rng.choice(possible)
    return word[:at] + other + word[at + size :]


def misread(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """One letter misread for another of its script.

    Example:
        >>> misread("末", around="", language="zh", rng=random.Random(0))
        '未'
    """
    script = scripts.of(language)
    if script != "Hangul":
        return _exchanged(word, _misread(script, language), rng=rng)
    positions = list(range(len(word)))
    rng.shuffle(positions)
    table = _exchanges(_MISREAD_JAMO)
    for position in positions:
        jamo = hangul.take_apart(word[position]) or ()
        options = [
            hangul.put_together((*jamo[:which], other, *jamo[which + 1 :]))
            for which, each in enumerate(jamo)
            for other in table.get(each, ())
        ]
        syllables = [option for option in options if option]
        if syllables:
            return word[:position] + rng.choice(syllables) + word[position + 1 :]
    return None


def misread_refuses(language: str) -> str:
    """Why no letters of a language are misread here; "" where some are."""
    script = scripts.of(language)
    if script == "Hangul" or _misread(script, language):
        return ""
    return f"no table of misread letters for the script {script or language!r}"


def homoglyph(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """One letter exchanged for another code point that looks the same.

    The Arabic ones look the same where another letter follows, so the last one stays.

    Example:
        >>> homoglyph("แ", around="", language="th", rng=random.Random(0))
        'เเ'
    """
    end = len(word)
    if scripts.of(language) == "Arabic":
        end = max((at for at in range(end) if word[at].isalpha()), default=0)
    new = _exchanged(word[:end], _homoglyphs(), rng=rng)
    return None if new is None else new + word[end:]


HOMOGLYPH_SCRIPTS = frozenset(
    ("Latin", "Cyrillic", "Greek", "Arabic", "Han", "Japanese", "Thai", "Devanagari")
) | frozenset(("Bengali", "Gujarati", "Gurmukhi", "Tamil", "Telugu", "Malayalam"))


def homoglyph_refuses(language: str) -> str:
    """Why a language has no homoglyphs here; "" where it has."""
    script = scripts.of(language)
    if script in HOMOGLYPH_SCRIPTS:
        return ""
    return f"no homoglyphs of the script {script or language!r} are known here"


MISREAD = Attack(
    name="misread",
    group="characters",
    summary="a letter is taken for one that resembles it, as OCR does",
    source="OCR confusions as in nlpaug, here by script",
    budget=SHARE_OF_WORDS,
    method=ByWord(misread, nothing="no letter of its words is in the table"),
    refuses=misread_refuses,
)
HOMOGLYPH = Attack(
    name="homoglyph",
    group="unicode",
    summary="a letter gives way to another code point that looks the same",
    source="Boucher et al. 2021, Bad Characters; Unicode TR 39",
    budget=SHARE_OF_WORDS,
    method=ByWord(homoglyph, nothing="no letter of its words has a homoglyph"),
    refuses=homoglyph_refuses,
)
