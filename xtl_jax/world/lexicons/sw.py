"""Swahili. Names of towns need no preposition after verbs of living and working."""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged
from xtl_jax.world.lexicons.en import LATIN_PEOPLE

LEXICON = Lexicon(
    language="sw",
    english_name="Swahili",
    script="LATIN",
    people=LATIN_PEOPLE,
    words={
        "city": table("""
            london London
            paris Paris
            berlin Berlin
            madrid Madrid
            rome Roma
            moscow Moscow
            cairo Kairo
            nairobi Nairobi
            istanbul Istanbul
            delhi Delhi
            beijing Beijing
            tokyo Tokyo
        """),
        "job": table("""
            doctor daktari
            teacher mwalimu
            engineer mhandisi
            cook mpishi
            farmer mkulima
            driver dereva
            nurse muuguzi
            journalist mwanahabari
            painter mchoraji
            writer mwandishi
        """),
        "food": table("""
            rice wali
            bread mkate
            fish samaki
            cheese jibini
            cake keki
            honey asali
            chocolate chokoleti
            salad saladi
        """),
        "tongue": table("""
            english Kiingereza
            german Kijerumani
            spanish Kihispania
            swahili Kiswahili
            turkish Kituruki
            russian Kirusi
            arabic Kiarabu
            hindi Kihindi
            chinese Kichina
        """),
        "thing": table("""
            book kitabu
            bicycle baiskeli
            car gari
            lamp taa
            table meza
            chair kiti
            watch saa
            telephone simu
        """),
    },
    relations={
        "home": Templates(
            statements=("{person} anaishi {value} .", "{person} anakaa {value} ."),
            question="{person} anaishi wapi ?",
        ),
        "workplace": Templates(
            statements=(
                "{person} anafanya kazi {value} .",
                "{person} ameajiriwa {value} .",
            ),
            question="{person} anafanya kazi wapi ?",
        ),
        "job": Templates(
            statements=(
                "{person} ni {value} .",
                "{person} anafanya kazi kama {value} .",
            ),
            question="{person} anafanya kazi gani ?",
        ),
        "born": Templates(
            statements=(
                "{person} alizaliwa mwaka {value} .",
                "Mwaka wa kuzaliwa wa {person} ni {value} .",
            ),
            question="{person} alizaliwa mwaka gani ?",
        ),
        "food": Templates(
            statements=(
                "{person} anapenda {value} zaidi .",
                "Chakula anachopenda {person} zaidi ni {value} .",
            ),
            question="{person} anapenda chakula gani zaidi ?",
        ),
        "tongue": Templates(
            statements=(
                "{person} anazungumza {value} nyumbani .",
                "Nyumbani {person} anazungumza {value} .",
            ),
            question="{person} anazungumza lugha gani nyumbani ?",
        ),
        "wish": Templates(
            statements=(
                "{person} anataka kununua {value} .",
                "{person} angependa kununua {value} .",
            ),
            question="{person} anataka kununua nini ?",
        ),
    },
    tags=tagged("""
        ADP: wa
        ADV: zaidi wapi
        AUX: ni
        DET: gani
        NOUN: kazi mwaka Mwaka Chakula chakula nyumbani Nyumbani lugha
        PRON: nini
        PUNCT: . ?
        SCONJ: kama
        VERB: anaishi anakaa anafanya ameajiriwa alizaliwa kuzaliwa anapenda
        VERB: anachopenda anazungumza anataka angependa kununua
    """),
)
