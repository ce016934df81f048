"""XCOPA: COPA's validation and test questions in eleven languages, trained in English.

It has no English part and no training rows: XTREME-R trains on Social IQa, then on
English COPA. In two formats as those two: `xcopa` lists the two options and names one,
`xcopa_rank` takes the more likely one.
"""

from __future__ import annotations

from xtl_jax.data import multiple_choice, readers
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.intermediate import copa
from xtl_tasks.ranked import ranked

LANGUAGES = ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")


def _files(part: str) -> tuple[str, ...]:
    name = f"{{language}}/{part}.{{language}}.jsonl"
    return (f"xcopa/data/{name}", f"xcopa/{name}", f"xcopa/{part}-{{language}}.jsonl")


FAMILY = Family(
    name="xcopa",
    role="target",
    kind="classification",
    languages=LANGUAGES,
    standard_languages=LANGUAGES,
    files={"validation": _files("val"), "test": _files("test")},
    read=readers.copa,
    prompt=copa.LISTED,
    metric=accuracy.METRIC,
    labels=multiple_choice.choices(2),
    split_rows={"validation": 100, "test": 500},
    card=Card(
        summary="Which of two sentences is the cause or effect of a third, in eleven "
        "languages, parallel.",
        trains_on="social_iqa, then copa",
        selection="copa validation accuracy (English only)",
        normaliser="none: choice1 or choice2 must be exact",
        licence="CC BY 4.0",
        homepage="https://github.com/cambridgeltl/xcopa",
        traps=(
            "Chance is 50 percent, and one point is five of 500 rows. What is asked "
            "for differs from English COPA in some rows of the release: every Thai row "
            "and every Turkish validation row asks for the effect (half of them should "
            "not), as do 51 more in tr, 37 in sw and 4 in id and it, test. The word, "
            "cause or effect, is English in all languages. Its validation split may "
            "not choose a checkpoint in zero-shot transfer. XTREME-R's test files have "
            "label 0 in every row and are refused. The release's folder data-gmt is "
            "machine translation into English (for translate-test, with --file). "
            "Quechua is not in mT5's pre-training."
        ),
        get="the folder data of the homepage's repository, into xcopa/data/",
    ),
)
RANKED = ranked(
    FAMILY,
    prompt=copa.SCORED,
    trains_on="social_iqa_rank, then copa_rank",
    selection="copa_rank validation accuracy (English only)",
)
