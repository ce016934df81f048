"""Spanish. Jobs carry the person's gender; articles are part of a form."""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged
from xtl_jax.world.lexicons.en import LATIN_PEOPLE

LEXICON = Lexicon(
    language="es",
    english_name="Spanish",
    script="LATIN",
    people={**LATIN_PEOPLE, "maria": "María", "sofia": "Sofía"},
    words={
        "city": table("""
            london Londres
            paris París
            berlin Berlín
            madrid Madrid
            rome Roma
            moscow Moscú
            cairo El Cairo
            nairobi Nairobi
            istanbul Estambul
            delhi Delhi
            beijing Pekín
            tokyo Tokio
        """),
        "job": table("""
            doctor médico/médica
            teacher maestro/maestra
            engineer ingeniero/ingeniera
            cook cocinero/cocinera
            farmer agricultor/agricultora
            driver conductor/conductora
            nurse enfermero/enfermera
            journalist periodista
            painter pintor/pintora
            writer escritor/escritora
        """),
        "food": table("""
            rice el [arroz]
            bread el [pan]
            fish el [pescado]
            cheese el [queso]
            cake la [tarta]
            honey la [miel]
            chocolate el [chocolate]
            salad la [ensalada]
        """),
        "tongue": table("""
            english inglés
            german alemán
            spanish español
            swahili suajili
            turkish turco
            russian ruso
            arabic árabe
            hindi hindi
            chinese chino
        """),
        "thing": table("""
            book un [libro]
            bicycle una [bicicleta]
            car un [coche]
            lamp una [lámpara]
            table una [mesa]
            chair una [silla]
            watch un [reloj]
            telephone un [teléfono]
        """),
    },
    relations={
        "home": Templates(
            statements=("{person} vive en {value} .", "{person} reside en {value} ."),
            question="¿ Dónde vive {person} ?",
        ),
        "workplace": Templates(
            statements=(
                "{person} trabaja en {value} .",
                "{person} tiene un empleo en {value} .",
            ),
            question="¿ Dónde trabaja {person} ?",
        ),
        "job": Templates(
            statements=("{person} es {value} .", "{person} trabaja como {value} ."),
            question="¿ Cuál es la profesión de {person} ?",
        ),
        "born": Templates(
            statements=(
                "{person} nació en {value} .",
                "El año de nacimiento de {person} es {value} .",
            ),
            question="¿ Cuándo nació {person} ?",
        ),
        "food": Templates(
            statements=(
                "Lo que más le gusta a {person} es {value} .",
                "La comida favorita de {person} es {value} .",
            ),
            question="¿ Cuál es la comida favorita de {person} ?",
        ),
        "tongue": Templates(
            statements=(
                "{person} habla {value} en casa .",
                "En casa {person} habla {value} .",
            ),
            question="¿ Qué idioma habla {person} en casa ?",
        ),
        "wish": Templates(
            statements=(
                "{person} quiere comprar {value} .",
                "{person} desea comprar {value} .",
            ),
            question="¿ Qué quiere comprar {person} ?",
        ),
    },
    tags=tagged("""
        ADJ: favorita
        ADP: en En de a
        ADV: Dónde Cuándo más
        AUX: es
        DET: el la un una La El
        NOUN: empleo profesión año nacimiento comida casa idioma
        PRON: Cuál Qué le Lo que
        PROPN: Cairo Habana
        PUNCT: . ? ¿
        SCONJ: como
        VERB: vive reside trabaja tiene nació gusta habla quiere desea comprar
    """),
    tongue_tag="NOUN",
)
