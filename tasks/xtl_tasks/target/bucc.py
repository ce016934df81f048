"""BUCC 2018: which sentences of two large texts are translations of each other.

`bucc.de` mines German and English Wikipedia. Most sentences have no partner. XTREME's
dev split is the shared task's sample, its test split the training set of that task.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers
from xtl_jax.metrics import retrieval
from xtl_tasks.family import Card, Family, Search

LANGUAGES = ("de", "fr", "ru", "zh")


def _files(xtreme: str, release: str) -> tuple[str, ...]:
    """With and without gold pairs, under XTREME's and the release's names."""
    names = (
        f"bucc2018/{{language}}-en.{xtreme}",
        f"bucc2018/{{language}}-en/{{language}}-en.{release}",
        f"bucc2018/{{language}}-en.{release}",
    )
    texts = [name + ".{language} + " + name + ".en" for name in names]
    return (
        *(f"{both} + {name}.gold" for both, name in zip(texts, names, strict=True)),
        *texts,
    )


FAMILY = Family(
    name="bucc",
    role="target",
    kind="retrieval",
    languages=LANGUAGES,
    standard_languages=LANGUAGES,
    files={"validation": _files("dev", "sample"), "test": _files("test", "training")},
    read=readers.bucc,
    reads_together=True,
    prompt=prompts.sentence,
    metric=retrieval.BUCC,
    search=Search(method="mining"),
    split_rows={"zh/validation": 8_624 + 13_589},
    card=Card(
        summary="Translations mined from Wikipedia, four languages with English.",
        trains_on="nothing: the encoder as it is, or after intermediate tasks",
        selection=(
            "none for the checkpoint; the threshold of each language is tuned on its "
            "own validation split, which uses its gold pairs: XTREME's protocol"
        ),
        normaliser="none: F1 over the set of pairs of ids",
        licence="none stated; texts are Wikipedia's (CC BY-SA)",
        homepage="https://comparable.limsi.fr/bucc2018/bucc2018-task.html",
        traps=(
            "Nothing is trained: vectors are the mean of encoder states (see tatoeba "
            "for layers). Margin of 4 neighbours in both directions, best pairs merged "
            "greedily; a text that occurs twice is dropped. The threshold comes from "
            "validation and is applied to test: XTREME's own function tunes it again "
            "on whatever gold it is given. XTREME leaves out the gold of test; the "
            "shared task's training-gold archives have it. Mining ru takes 460,000 by "
            "558,000 sentences: a matter of hours on a CPU."
        ),
        get=(
            "bucc2018-LANGUAGE-en.sample-gold.tar.bz2 and "
            "bucc2018-LANGUAGE-en.training-gold.tar.bz2 from the homepage, unpacked "
            "where they make bucc2018/LANGUAGE-en/"
        ),
    ),
)
