"""Rows to show attacks on: a question and a pair in each of a dozen languages.

Made for this; the texts say the same in every language, so that they are parallel. The
first six languages are the six scripts of the documentation.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import Literal

from xtl_jax.attacks import sentences
from xtl_jax.attacks.attack import Resources
from xtl_jax.attacks.lexicon import Lexicon
from xtl_jax.data.rows import PairRow, QuestionRow

Form = Literal["NFC", "NFD"]
SCRIPTS = ("en", "ru", "ar", "hi", "th", "zh")  # of the documentation

# Language to context, question, answer, another context, premise and hypothesis.
_TEXTS = {
    "en": (
        "The Danube rises in Germany. It flows 2,850 km through ten countries. "
        "It ends in the Black Sea.",
        "Where does the Danube rise?",
        "Germany",
        "The Volga rises in the Valdai Hills. It is the longest river in Europe.",
        "The children are playing in the park.",
        "The children are outside.",
    ),
    "ru": (
        "Дунай берёт начало в Германии. Он течёт 2850 км через десять стран. "
        "Он впадает в Чёрное море.",
        "Где берёт начало Дунай?",
        "в Германии",
        "Волга берёт начало на Валдайской возвышенности. "
        "Это самая длинная река Европы.",
        "Дети играют в парке.",
        "Дети на улице.",
    ),
    "ar": (
        "ينبع نهر الدانوب من ألمانيا. ويجري 2850 كيلومترًا عبر عشر دول. "
        "ويصبّ في البحر الأسود.",
        "من أين ينبع نهر الدانوب؟",
        "ألمانيا",
        "ينبع نهر الفولغا من تلال فالداي. وهو أطول أنهار أوروبا.",
        "يلعب الأطفال في الحديقة.",
        "الأطفال في الخارج.",
    ),
    "hi": (
        "डेन्यूब नदी जर्मनी से निकलती है। वह दस देशों से होकर 2850 किलोमीटर बहती है। "
        "वह काला सागर में गिरती है।",
        "डेन्यूब नदी कहाँ से निकलती है?",
        "जर्मनी",
        "वोल्गा नदी वल्दाई की पहाड़ियों से निकलती है। वह यूरोप की सबसे लंबी नदी है।",
        "बच्चे बाग़ में खेल रहे हैं।",
        "बच्चे बाहर हैं।",
    ),
    "th": (
        "แม่น้ำดานูบมีต้นกำเนิดในประเทศเยอรมนี "
        "แม่น้ำสายนี้ไหลผ่านสิบประเทศเป็นระยะทาง 2850 กิโลเมตร "
        "แล้วไหลลงสู่ทะเลดำ",
        "แม่น้ำดานูบมีต้นกำเนิดที่ไหน",
        "ประเทศเยอรมนี",
        "แม่น้ำวอลกามีต้นกำเนิดที่เนินเขาวัลได เป็นแม่น้ำที่ยาวที่สุดในทวีปยุโรป",
        "เด็กๆ กำลังเล่นอยู่ในสวนสาธารณะ",
        "เด็กๆ อยู่ข้างนอก",
    ),
    "zh": (
        "多瑙河发源于德国。它全长2850公里，流经十个国家。它最终注入黑海。",
        "多瑙河发源于哪里？",
        "德国",
        "伏尔加河发源于瓦尔代丘陵。它是欧洲最长的河流。",
        "孩子们正在公园里玩。",
        "孩子们在外面。",
    ),
    "de": (
        "Die Donau entspringt in Deutschland. Sie fließt 2850 km weit durch zehn "
        "Länder. Sie mündet ins Schwarze Meer.",
        "Wo entspringt die Donau?",
        "Deutschland",
        "Die Wolga entspringt auf den Waldaihöhen. Sie ist der längste Fluss Europas.",
        "Die Kinder spielen im Park.",
        "Die Kinder sind draußen.",
    ),
    "tr": (
        "Tuna Nehri Almanya'da doğar. On ülkeden geçerek 2850 km akar. "
        "Karadeniz'e dökülür.",
        "Tuna Nehri nerede doğar?",
        "Almanya",
        "Volga Nehri Valday Tepeleri'nde doğar. Avrupa'nın en uzun nehridir.",
        "Çocuklar parkta oynuyor.",
        "Çocuklar dışarıda.",
    ),
    "el": (
        "Ο Δούναβης πηγάζει στη Γερμανία. Διασχίζει δέκα χώρες σε μήκος 2850 χλμ. "
        "Εκβάλλει στη Μαύρη Θάλασσα.",
        "Πού πηγάζει ο Δούναβης;",
        "Γερμανία",
        "Ο Βόλγας πηγάζει στους λόφους Βαλντάι. "
        "Είναι ο μακρύτερος ποταμός της Ευρώπης.",
        "Τα παιδιά παίζουν στο πάρκο.",
        "Τα παιδιά είναι έξω.",
    ),
    "vi": (
        "Sông Danube bắt nguồn từ nước Đức. Sông dài 2850 km và chảy qua mười nước. "
        "Sông đổ ra Biển Đen.",
        "Sông Danube bắt nguồn từ đâu?",
        "nước Đức",
        "Sông Volga bắt nguồn từ vùng đồi Valdai. Đây là con sông dài nhất châu Âu.",
        "Bọn trẻ đang chơi trong công viên.",
        "Bọn trẻ đang ở ngoài trời.",
    ),
    "ko": (
        "다뉴브강은 독일에서 시작된다. 2850km를 흐르며 열 개 나라를 지난다. "
        "강은 흑해로 흘러든다.",
        "다뉴브강은 어디에서 시작되는가?",
        "독일",
        "볼가강은 발다이 구릉에서 시작된다. 유럽에서 가장 긴 강이다.",
        "아이들이 공원에서 놀고 있다.",
        "아이들이 밖에 있다.",
    ),
    "ja": (
        "ドナウ川はドイツに源を発する。全長は2850キロで、十か国を流れる。最後は黒海に注ぐ。",
        "ドナウ川の源はどこか。",
        "ドイツ",
        "ヴォルガ川はヴァルダイ丘陵に源を発する。ヨーロッパで最も長い川である。",
        "子どもたちが公園で遊んでいる。",
        "子どもたちは外にいる。",
    ),
}
LANGUAGES = tuple(_TEXTS)

# A few words of each language in English; of English in Spanish.
_WORDS = {
    "en": {"countries": "países", "children": "niños", "flows": "fluye"},
    "ru": {"море": "sea", "начало": "beginning", "дети": "children"},
    "ar": {"نهر": "river", "البحر": "sea", "دول": "countries", "الأطفال": "children"},
    "hi": {"नदी": "river", "देशों": "countries", "सागर": "sea", "बच्चे": "children"},
    "th": {"แม่น้ำ": "river", "ประเทศ": "country", "เด็กๆ": "children"},
    "zh": {"国家": "countries", "黑海": "Black Sea", "孩子们": "children"},
    "de": {"meer": "sea", "länder": "countries", "fließt": "flows"},
    "tr": {"nehri": "river", "çocuklar": "children", "akar": "flows"},
    "el": {"χώρες": "countries", "παιδιά": "children", "θάλασσα": "sea"},
    "vi": {"sông": "river", "dài": "long", "chảy": "flows"},
    "ko": {"강은": "the river", "나라를": "countries", "아이들이": "children"},
    "ja": {"黒海": "Black Sea", "公園": "park", "全長": "length"},
}  # fmt: skip


def question(language: str, *, form: Form = "NFC") -> QuestionRow:
    """The question about the Danube, its texts in a Unicode normal form."""
    context, asked, answer, *_ = (
        unicodedata.normalize(form, text) for text in _TEXTS[language]
    )
    return QuestionRow(
        id="danube",
        question=asked,
        context=context,
        answers=(answer,),
        answer_starts=(context.index(answer),),
    )


def pair(language: str, *, label: str = "entailment") -> PairRow:
    """The premise and hypothesis about children."""
    *_, first, second = _TEXTS[language]
    return PairRow(id="children", first=first, second=second, label=label)


@functools.cache
def resources(language: str) -> Resources:
    """What attacks need for the examples of a language."""
    pools = {each: sentences.pool([_other(each)], language=each) for each in LANGUAGES}
    translations = {word: (text,) for word, text in _WORDS[language].items()}
    into = "es" if language == "en" else "en"
    return Resources(
        sentences=pools[language],
        foreign_sentences={
            each: found for each, found in pools.items() if each != language
        },
        parallel={
            each: {"danube": question(each), "children": pair(each)}
            for each in LANGUAGES
            if each != language
        },
        lexicons={into: Lexicon(language, into, translations)},
    )


def _other(language: str) -> QuestionRow:
    """The other river's context, which the distractors come from."""
    context = _TEXTS[language][3]
    return QuestionRow(
        id="volga", question="", context=context, answers=(), answer_starts=()
    )
