"""Russian. Cities are locative, jobs instrumental, food and things accusative."""

from __future__ import annotations

from xtl_jax.world.language import Lexicon, Templates, table, tagged

LEXICON = Lexicon(
    language="ru",
    english_name="Russian",
    script="CYRILLIC",
    people=table("""
        anna Анна
        maria Мария
        sara Сара
        layla Лейла
        amina Амина
        elena Елена
        olga Ольга
        nina Нина
        julia Юлия
        sofia София
        omar Омар
        ali Али
        ivan Иван
        peter Петер
        paul Пауль
        david Давид
        daniel Даниэль
        adam Адам
        yusuf Юсуф
        hassan Хасан
    """),
    words={
        "city": table("""
            london Лондоне
            paris Париже
            berlin Берлине
            madrid Мадриде
            rome Риме
            moscow Москве
            cairo Каире
            nairobi Найроби
            istanbul Стамбуле
            delhi Дели
            beijing Пекине
            tokyo Токио
        """),
        "job": table("""
            doctor врачом
            teacher учителем/учительницей
            engineer инженером
            cook поваром
            farmer фермером
            driver водителем
            nurse медбратом/медсестрой
            journalist журналистом/журналисткой
            painter художником/художницей
            writer писателем/писательницей
        """),
        "food": table("""
            rice рис
            bread хлеб
            fish рыбу
            cheese сыр
            cake торт
            honey мёд
            chocolate шоколад
            salad салат
        """),
        "tongue": table("""
            english по-английски
            german по-немецки
            spanish по-испански
            swahili на суахили
            turkish по-турецки
            russian по-русски
            arabic по-арабски
            hindi на хинди
            chinese по-китайски
        """),
        "thing": table("""
            book книгу
            bicycle велосипед
            car машину
            lamp лампу
            table стол
            chair стул
            watch часы
            telephone телефон
        """),
    },
    relations={
        "home": Templates(
            statements=(
                "{person} живёт в {value} .",
                "{person} проживает в {value} .",
            ),
            question="Где живёт {person} ?",
        ),
        "workplace": Templates(
            statements=(
                "{person} работает в {value} .",
                "{person} трудится в {value} .",
            ),
            question="Где работает {person} ?",
        ),
        "job": Templates(
            statements=(
                "{person} работает {value} .",
                "{person} трудится {value} .",
            ),
            question="Кем работает {person} ?",
        ),
        "born": Templates(
            statements=(
                "{person} родился/родилась в {value} году .",
                "{person} {value} года рождения .",
            ),
            question="Когда родился/родилась {person} ?",
        ),
        "food": Templates(
            statements=(
                "{person} больше всего любит {value} .",
                "Больше всего {person} любит {value} .",
            ),
            question="Что {person} любит больше всего ?",
        ),
        "tongue": Templates(
            statements=(
                "{person} говорит дома {value} .",
                "Дома {person} говорит {value} .",
            ),
            question="На каком языке {person} говорит дома ?",
        ),
        "wish": Templates(
            statements=(
                "{person} хочет купить {value} .",
                "{person} хотел/хотела бы купить {value} .",
            ),
            question="Что хочет купить {person} ?",
        ),
    },
    tags=tagged("""
        ADP: в на На
        ADV: Где Когда дома Дома больше Больше
        AUX: бы
        DET: каком
        NOUN: году года рождения языке суахили хинди
        PRON: Кем Что всего
        PUNCT: . ?
        VERB: живёт проживает работает трудится родился родилась любит говорит
        VERB: хочет хотел хотела купить
    """),
    tongue_tag="ADV",
)
