"""Hindi. Verbs carry the person's gender; words chosen do not change in the oblique."""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged

LEXICON = Lexicon(
    language="hi",
    english_name="Hindi",
    script="DEVANAGARI",
    people=table("""
        anna अन्ना
        maria मारिया
        sara सारा
        layla लैला
        amina अमीना
        elena एलेना
        olga ओल्गा
        nina नीना
        julia जूलिया
        sofia सोफ़िया
        omar उमर
        ali अली
        ivan इवान
        peter पीटर
        paul पॉल
        david डेविड
        daniel डैनियल
        adam एडम
        yusuf यूसुफ़
        hassan हसन
    """),
    words={
        "city": table("""
            london लंदन
            paris पेरिस
            berlin बर्लिन
            madrid मैड्रिड
            rome रोम
            moscow मॉस्को
            cairo काहिरा
            nairobi नैरोबी
            istanbul इस्तांबुल
            delhi दिल्ली
            beijing बीजिंग
            tokyo टोक्यो
        """),
        "job": table("""
            doctor डॉक्टर
            teacher अध्यापक/अध्यापिका
            engineer इंजीनियर
            cook बावर्ची
            farmer किसान
            driver ड्राइवर
            nurse नर्स
            journalist पत्रकार
            painter चित्रकार
            writer लेखक/लेखिका
        """),
        "food": table("""
            rice चावल
            bread रोटी
            fish मछली
            cheese पनीर
            cake केक
            honey शहद
            chocolate चॉकलेट
            salad सलाद
        """),
        "tongue": table("""
            english अंग्रेज़ी
            german जर्मन
            spanish स्पेनिश
            swahili स्वाहिली
            turkish तुर्की
            russian रूसी
            arabic अरबी
            hindi हिंदी
            chinese चीनी
        """),
        "thing": table("""
            book किताब
            bicycle साइकिल
            car कार
            lamp लैंप
            table मेज़
            chair कुर्सी
            watch घड़ी
            telephone फ़ोन
        """),
    },
    relations={
        "home": Templates(
            statements=(
                "{person} {value} में रहता/रहती है ।",
                "{person} का घर {value} में है ।",
            ),
            question="{person} कहाँ रहता/रहती है ?",
        ),
        "workplace": Templates(
            statements=(
                "{person} {value} में काम करता/करती है ।",
                "{person} {value} में नौकरी करता/करती है ।",
            ),
            question="{person} कहाँ काम करता/करती है ?",
        ),
        "job": Templates(
            statements=("{person} {value} है ।", "{person} पेशे से {value} है ।"),
            question="{person} का पेशा क्या है ?",
        ),
        "born": Templates(
            statements=(
                "{person} का जन्म {value} में हुआ ।",
                "{person} {value} में पैदा हुआ/हुई ।",
            ),
            question="{person} का जन्म कब हुआ ?",
        ),
        "food": Templates(
            statements=(
                "{person} को {value} सबसे ज़्यादा पसंद है ।",
                "{person} का पसंदीदा खाना {value} है ।",
            ),
            question="{person} को क्या सबसे ज़्यादा पसंद है ?",
        ),
        "tongue": Templates(
            statements=(
                "{person} घर पर {value} बोलता/बोलती है ।",
                "घर पर {person} {value} बोलता/बोलती है ।",
            ),
            question="{person} घर पर कौन सी भाषा बोलता/बोलती है ?",
        ),
        "wish": Templates(
            statements=(
                "{person} {value} ख़रीदना चाहता/चाहती है ।",
                "{person} {value} लेना चाहता/चाहती है ।",
            ),
            question="{person} क्या ख़रीदना चाहता/चाहती है ?",
        ),
    },
    tags=tagged("""
        ADJ: पैदा पसंदीदा पसंद
        ADP: में का को से पर
        ADV: कहाँ कब सबसे ज़्यादा
        AUX: है
        DET: कौन
        NOUN: घर काम नौकरी पेशे पेशा जन्म खाना भाषा
        PART: सी
        PRON: क्या
        PUNCT: । ?
        VERB: रहता रहती करता करती हुआ हुई बोलता बोलती ख़रीदना लेना चाहता चाहती
    """),
)
