"""English, the source language."""

from __future__ import annotations

from xtl_jax.world.language import PEOPLE, Lexicon, Templates, table, tagged

# Latin-script languages keep these spellings, so that names are shared anchors.
LATIN_PEOPLE = {key: key.capitalize() for key in PEOPLE}

LEXICON = Lexicon(
    language="en",
    english_name="English",
    script="LATIN",
    people=LATIN_PEOPLE,
    words={
        "city": table("""
            london London
            paris Paris
            berlin Berlin
            madrid Madrid
            rome Rome
            moscow Moscow
            cairo Cairo
            nairobi Nairobi
            istanbul Istanbul
            delhi Delhi
            beijing Beijing
            tokyo Tokyo
        """),
        "job": table("""
            doctor a [doctor]
            teacher a [teacher]
            engineer an [engineer]
            cook a [cook]
            farmer a [farmer]
            driver a [driver]
            nurse a [nurse]
            journalist a [journalist]
            painter a [painter]
            writer a [writer]
        """),
        "food": table("""
            rice rice
            bread bread
            fish fish
            cheese cheese
            cake cake
            honey honey
            chocolate chocolate
            salad salad
        """),
        "tongue": table("""
            english English
            german German
            spanish Spanish
            swahili Swahili
            turkish Turkish
            russian Russian
            arabic Arabic
            hindi Hindi
            chinese Chinese
        """),
        "thing": table("""
            book a [book]
            bicycle a [bicycle]
            car a [car]
            lamp a [lamp]
            table a [table]
            chair a [chair]
            watch a [watch]
            telephone a [telephone]
        """),
    },
    relations={
        "home": Templates(
            statements=(
                "{person} lives in {value} .",
                "{person} has a home in {value} .",
            ),
            question="Where does {person} live ?",
        ),
        "workplace": Templates(
            statements=(
                "{person} works in {value} .",
                "{person} has a job in {value} .",
            ),
            question="Where does {person} work ?",
        ),
        "job": Templates(
            statements=("{person} is {value} .", "{person} works as {value} ."),
            question="What is the job of {person} ?",
        ),
        "born": Templates(
            statements=(
                "{person} was born in {value} .",
                "The birth year of {person} is {value} .",
            ),
            question="When was {person} born ?",
        ),
        "food": Templates(
            statements=(
                "{person} likes {value} best .",
                "The favourite food of {person} is {value} .",
            ),
            question="What does {person} like best ?",
        ),
        "tongue": Templates(
            statements=(
                "{person} speaks {value} at home .",
                "At home {person} speaks {value} .",
            ),
            question="What language does {person} speak at home ?",
        ),
        "wish": Templates(
            statements=(
                "{person} wants to buy {value} .",
                "{person} would like to buy {value} .",
            ),
            question="What does {person} want to buy ?",
        ),
    },
    tags=tagged("""
        ADP: in of at as At
        ADV: best Where When
        AUX: is was does would
        DET: a an the The
        NOUN: home job birth year food language
        ADJ: favourite
        PART: to
        PRON: What
        PUNCT: . ?
        VERB: lives has works born likes speaks wants buy like live work speak want
    """),
)
