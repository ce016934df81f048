"""German. Jobs carry the person's gender; articles are part of a form."""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged
from xtl_jax.world.lexicons.en import LATIN_PEOPLE

LEXICON = Lexicon(
    language="de",
    english_name="German",
    script="LATIN",
    people=LATIN_PEOPLE,
    words={
        "city": table("""
            london London
            paris Paris
            berlin Berlin
            madrid Madrid
            rome Rom
            moscow Moskau
            cairo Kairo
            nairobi Nairobi
            istanbul Istanbul
            delhi Delhi
            beijing Peking
            tokyo Tokio
        """),
        "job": table("""
            doctor Arzt/Ärztin
            teacher Lehrer/Lehrerin
            engineer Ingenieur/Ingenieurin
            cook Koch/Köchin
            farmer Bauer/Bäuerin
            driver Fahrer/Fahrerin
            nurse Krankenpfleger/Krankenpflegerin
            journalist Journalist/Journalistin
            painter Maler/Malerin
            writer Schriftsteller/Schriftstellerin
        """),
        "food": table("""
            rice Reis
            bread Brot
            fish Fisch
            cheese Käse
            cake Kuchen
            honey Honig
            chocolate Schokolade
            salad Salat
        """),
        "tongue": table("""
            english Englisch
            german Deutsch
            spanish Spanisch
            swahili Suaheli
            turkish Türkisch
            russian Russisch
            arabic Arabisch
            hindi Hindi
            chinese Chinesisch
        """),
        "thing": table("""
            book ein [Buch]
            bicycle ein [Fahrrad]
            car ein [Auto]
            lamp eine [Lampe]
            table einen [Tisch]
            chair einen [Stuhl]
            watch eine [Uhr]
            telephone ein [Telefon]
        """),
    },
    relations={
        "home": Templates(
            statements=(
                "{person} wohnt in {value} .",
                "{person} ist in {value} zu Hause .",
            ),
            question="Wo wohnt {person} ?",
        ),
        "workplace": Templates(
            statements=(
                "{person} arbeitet in {value} .",
                "{person} hat eine Stelle in {value} .",
            ),
            question="Wo arbeitet {person} ?",
        ),
        "job": Templates(
            statements=(
                "{person} ist {value} von Beruf .",
                "{person} arbeitet als {value} .",
            ),
            question="Was ist {person} von Beruf ?",
        ),
        "born": Templates(
            statements=(
                "{person} wurde {value} geboren .",
                "Das Geburtsjahr von {person} ist {value} .",
            ),
            question="Wann wurde {person} geboren ?",
        ),
        "food": Templates(
            statements=(
                "{person} isst am liebsten {value} .",
                "Das Lieblingsessen von {person} ist {value} .",
            ),
            question="Was isst {person} am liebsten ?",
        ),
        "tongue": Templates(
            statements=(
                "{person} spricht zu Hause {value} .",
                "Zu Hause spricht {person} {value} .",
            ),
            question="Welche Sprache spricht {person} zu Hause ?",
        ),
        "wish": Templates(
            statements=(
                "{person} möchte {value} kaufen .",
                "{person} will {value} kaufen .",
            ),
            question="Was möchte {person} kaufen ?",
        ),
    },
    tags=tagged("""
        ADP: in von zu Zu als am
        ADV: Wo Wann liebsten
        AUX: ist wurde möchte will
        DET: ein eine einen Das Welche
        NOUN: Hause Stelle Beruf Geburtsjahr Lieblingsessen Sprache
        PRON: Was
        PUNCT: . ?
        VERB: wohnt arbeitet hat geboren isst spricht kaufen
    """),
    tongue_tag="NOUN",
)
