"""Turkish. Cities bring their locative suffix; a person is always a bare subject."""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged
from xtl_jax.world.lexicons.en import LATIN_PEOPLE

LEXICON = Lexicon(
    language="tr",
    english_name="Turkish",
    script="LATIN",
    people=LATIN_PEOPLE,
    words={
        "city": table("""
            london [Londra]'da
            paris [Paris]'te
            berlin [Berlin]'de
            madrid [Madrid]'de
            rome [Roma]'da
            moscow [Moskova]'da
            cairo [Kahire]'de
            nairobi [Nairobi]'de
            istanbul [İstanbul]'da
            delhi [Delhi]'de
            beijing [Pekin]'de
            tokyo [Tokyo]'da
        """),
        "job": table("""
            doctor doktor
            teacher öğretmen
            engineer mühendis
            cook aşçı
            farmer çiftçi
            driver şoför
            nurse hemşire
            journalist gazeteci
            painter ressam
            writer yazar
        """),
        "food": table("""
            rice pilav
            bread ekmek
            fish balık
            cheese peynir
            cake kek
            honey bal
            chocolate çikolata
            salad salata
        """),
        "tongue": table("""
            english İngilizce
            german Almanca
            spanish İspanyolca
            swahili Svahilice
            turkish Türkçe
            russian Rusça
            arabic Arapça
            hindi Hintçe
            chinese Çince
        """),
        "thing": table("""
            book bir [kitap]
            bicycle bir [bisiklet]
            car bir [araba]
            lamp bir [lamba]
            table bir [masa]
            chair bir [sandalye]
            watch bir [saat]
            telephone bir [telefon]
        """),
    },
    relations={
        "home": Templates(
            statements=("{person} {value} yaşıyor .", "{person} {value} oturuyor ."),
            question="{person} nerede yaşıyor ?",
        ),
        "workplace": Templates(
            statements=(
                "{person} {value} çalışıyor .",
                "{person} {value} görev yapıyor .",
            ),
            question="{person} nerede çalışıyor ?",
        ),
        "job": Templates(
            statements=(
                "{person} bir {value} .",
                "{person} {value} olarak çalışıyor .",
            ),
            question="{person} ne iş yapıyor ?",
        ),
        "born": Templates(
            statements=(
                "{person} {value} yılında doğdu .",
                "{person} {value} doğumlu .",
            ),
            question="{person} hangi yılda doğdu ?",
        ),
        "food": Templates(
            statements=(
                "{person} en çok {value} seviyor .",
                "{person} her şeyden çok {value} seviyor .",
            ),
            question="{person} en çok hangi yemeği seviyor ?",
        ),
        "tongue": Templates(
            statements=(
                "{person} evde {value} konuşuyor .",
                "Evde {person} {value} konuşuyor .",
            ),
            question="{person} evde hangi dili konuşuyor ?",
        ),
        "wish": Templates(
            statements=(
                "{person} {value} almak istiyor .",
                "{person} {value} satın almak istiyor .",
            ),
            question="{person} ne almak istiyor ?",
        ),
    },
    tags=tagged("""
        ADJ: doğumlu
        ADP: olarak
        ADV: en çok
        DET: bir her hangi
        NOUN: görev iş yılında yılda yemeği evde Evde dili bilim satın şeyden
        PRON: nerede ne
        PUNCT: . ?
        VERB: yaşıyor oturuyor çalışıyor yapıyor doğdu seviyor konuşuyor almak istiyor
    """),
    tongue_tag="NOUN",
)
