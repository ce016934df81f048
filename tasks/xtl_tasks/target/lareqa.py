"""LAReQA: the sentence that answers a question, in whichever language it stands.

Questions of XQuAD in eleven languages; the candidates are all sentences of all eleven.
`lareqa.ar` has the Arabic questions, `lareqa.pool` the candidates. A question has one
right sentence in each language: a model that prefers its own language cannot win.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers
from xtl_jax.metrics import retrieval
from xtl_tasks.family import Card, Family, Search

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
CANDIDATES = 13_014


def _together(folder: str) -> str:
    return " + ".join(f"{folder}{language}.json" for language in LANGUAGES)


FAMILY = Family(
    name="lareqa",
    role="target",
    kind="retrieval",
    languages=(*LANGUAGES, readers.POOL),
    standard_languages=LANGUAGES,
    files={"test": (_together("lareqa/xquad-r/"), _together("xquad-r/"))},
    read=readers.lareqa,
    reads_together=True,
    prompt=prompts.sentence,
    metric=retrieval.LAREQA,
    search=Search(method="nearest", top=20, pool=readers.POOL),
    split_rows={"test": 1_190, f"{readers.POOL}/test": CANDIDATES},
    card=Card(
        summary="Answer sentences to 1,190 questions, across eleven languages at once.",
        trains_on="squad_v1",
        selection="squad_v1 validation F1 (English only)",
        normaliser="none: mean average precision of the first 20 sentences found",
        licence="CC BY-SA 4.0",
        homepage="https://github.com/google-research-datasets/lareqa",
        traps=(
            "The mean is over all questions of all languages, here the same as over "
            "languages, as each has 1,190. Average precision is cut at 20 and divided "
            "by the right sentences or 20; the LAReQA paper's has no cut. XTREME-R's "
            "dual encoder is tuned on SQuAD v1.1 with in-batch softmax and normalises "
            "its vectors before the plain dot product; here the encoder is taken as "
            "it is, its vectors normalised. A candidate is read as sentence and "
            "paragraph together, as XTREME-R does. Its contexts are a part of SQuAD's "
            "validation paragraphs."
        ),
        get="the folder xquad-r of the homepage, as lareqa/xquad-r/",
    ),
)
