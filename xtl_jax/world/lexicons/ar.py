"""Arabic. Verbs and jobs carry the person's gender; no word shows a case.

Nominative and genitive look alike in unvocalised text, the indefinite accusative does
not (كتابًا), so no template asks for it. Tags are per written word: a clitic such as the
preposition in بمهنة does not get its own.
"""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged

LEXICON = Lexicon(
    language="ar",
    english_name="Arabic",
    script="ARABIC",
    right_to_left=True,
    people=table("""
        anna آنا
        maria ماريا
        sara سارة
        layla ليلى
        amina أمينة
        elena إيلينا
        olga أولغا
        nina نينا
        julia جوليا
        sofia صوفيا
        omar عمر
        ali علي
        ivan إيفان
        peter بيتر
        paul بول
        david ديفيد
        daniel دانيال
        adam آدم
        yusuf يوسف
        hassan حسن
    """),
    words={
        "city": table("""
            london لندن
            paris باريس
            berlin برلين
            madrid مدريد
            rome روما
            moscow موسكو
            cairo القاهرة
            nairobi نيروبي
            istanbul إسطنبول
            delhi دلهي
            beijing بكين
            tokyo طوكيو
        """),
        "job": table("""
            doctor طبيب/طبيبة
            teacher معلم/معلمة
            engineer مهندس/مهندسة
            cook طباخ/طباخة
            farmer مزارع/مزارعة
            driver سائق/سائقة
            nurse ممرض/ممرضة
            journalist صحفي/صحفية
            painter رسام/رسامة
            writer كاتب/كاتبة
        """),
        "food": table("""
            rice الأرز
            bread الخبز
            fish السمك
            cheese الجبن
            cake الكعك
            honey العسل
            chocolate الشوكولاتة
            salad السلطة
        """),
        "tongue": table("""
            english الإنجليزية
            german الألمانية
            spanish الإسبانية
            swahili السواحيلية
            turkish التركية
            russian الروسية
            arabic العربية
            hindi الهندية
            chinese الصينية
        """),
        "thing": table("""
            book كتاب
            bicycle دراجة
            car سيارة
            lamp مصباح
            table طاولة
            chair كرسي
            watch ساعة
            telephone هاتف
        """),
    },
    relations={
        "home": Templates(
            statements=(
                "يعيش/تعيش {person} في {value} .",
                "يسكن/تسكن {person} في {value} .",
            ),
            question="أين يعيش/تعيش {person} ؟",
        ),
        "workplace": Templates(
            statements=(
                "يعمل/تعمل {person} في {value} .",
                "{person} موظف/موظفة في {value} .",
            ),
            question="أين يعمل/تعمل {person} ؟",
        ),
        "job": Templates(
            statements=(
                "{person} {value} .",
                "يعمل/تعمل {person} بمهنة {value} .",
            ),
            question="ما مهنة {person} ؟",
        ),
        "born": Templates(
            statements=(
                "ولد/ولدت {person} عام {value} .",
                "{person} من مواليد عام {value} .",
            ),
            question="متى ولد/ولدت {person} ؟",
        ),
        "food": Templates(
            statements=(
                "يفضل/تفضل {person} {value} على كل طعام .",
                "الطعام المفضل لدى {person} هو {value} .",
            ),
            question="ما الطعام المفضل لدى {person} ؟",
        ),
        "tongue": Templates(
            statements=(
                "يتحدث/تتحدث {person} {value} في البيت .",
                "في البيت يتحدث/تتحدث {person} {value} .",
            ),
            question="بأي لغة يتحدث/تتحدث {person} في البيت ؟",
        ),
        "wish": Templates(
            statements=(
                "يريد/تريد {person} شراء {value} .",
                "يرغب/ترغب {person} في شراء {value} .",
            ),
            question="ما الذي يريد/تريد {person} شراءه ؟",
        ),
    },
    tags=tagged("""
        ADJ: المفضل
        ADP: في من على لدى
        ADV: أين متى
        DET: كل بأي
        NOUN: مهنة بمهنة مواليد عام طعام الطعام البيت لغة شراء شراءه موظف موظفة
        PRON: ما هو الذي
        PUNCT: . ؟
        VERB: يعيش تعيش يسكن تسكن يعمل تعمل ولد ولدت يفضل تفضل
        VERB: يتحدث تتحدث يريد تريد يرغب ترغب
    """),
    tongue_tag="NOUN",
)
