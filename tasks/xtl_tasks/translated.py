"""Machine translations of English training sets: the translate-train setting.

XTREME (Hu et al. 2020) translated the training sets of five targets; the authors of
XNLI and PAWS-X had translated theirs before, and their files are read where XTREME's
are not here. A model that has seen them is not zero-shot any more.

These families have training rows only; the languages are those of the target without
English. `TARGET_translate_train` (`mixtures.py`) is English and all of them together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from xtl_jax.data import prompts, readers
from xtl_jax.data.readers import ReadOptions
from xtl_jax.data.rows import QuestionRow
from xtl_jax.metrics import accuracy, qa
from xtl_jax.metrics.metric import Metric
from xtl_tasks.family import Card, Family, Kind
from xtl_tasks.target import pawsx, tydiqa_goldp, xnli, xquad

# What XTREME's bucket of translations is to be copied into, under the data directory.
ROOT = "xtreme_translations"
_HOMEPAGE = "https://github.com/google-research/xtreme#translations"


def _questions(
    path: str,
    *,
    language: str,
    split: str,
    options: ReadOptions = readers.DEFAULT,
    dropped: readers.Dropped | None = None,
) -> Iterator[QuestionRow]:
    """Translated questions: the answer was translated apart from its context.

    Where it stands, or whether it does, is not looked at, and ids may repeat.
    """
    return readers.squad(
        path,
        language=language,
        split=split,
        options=dataclasses.replace(options, answer_offsets="ignore"),
        dropped=dropped,
        may_repeat=lambda id: True,
    )


def _family(
    name: str,
    *,
    target: str,
    head: str,
    languages: tuple[str, ...],
    english: str,
    kind: Kind,
    files: tuple[str, ...],
    read: Callable[..., Any],
    prompt: Callable[[Any], prompts.Example],
    metric: Metric,
    labels: tuple[str, ...] = (),
    licence: str,
    traps: str,
    also: str = "",
) -> Family:
    languages = tuple(each for each in languages if each != "en")
    return Family(
        name=name,
        role="intermediate",
        kind=kind,
        languages=languages,
        standard_languages=languages,
        files={"train": files},
        read=read,
        prompt=prompt,
        metric=metric,
        labels=labels,
        shares_head=head,
        card=Card(
            summary=f"{english}'s training rows, translated by machine for {target}.",
            trains_on=f"{english} and its translations ({target}_translate_train)",
            selection=f"{english} validation (English only)",
            normaliser="that of the target: only training rows are here",
            licence=licence,
            homepage=_HOMEPAGE,
            traps=f"Translate-train, not zero-shot: report it apart. {traps}",
            get=f"the bucket xtreme_translations, copied into {ROOT}/{also}",
        ),
    )


XNLI = _family(
    "xnli_translated",
    target="xnli",
    head="xnli",
    languages=xnli.LANGUAGES,
    english="mnli",
    kind="classification",
    files=(
        f"{ROOT}/XNLI/translate-train/en-{{language}}-translated.tsv",
        "XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
        "xnli/XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
    ),
    read=readers.nli,
    prompt=prompts.xnli,
    metric=accuracy.METRIC,
    labels=prompts.NLI_DIGITS,
    licence="CC BY-NC 4.0 (XNLI); MultiNLI's for its text",
    traps=(
        "XTREME's and XNLI's own translations differ, as do the scores after them: "
        "say which."
    ),
    also="; or XNLI-MT-1.0.zip of XNLI's authors, unpacked into XNLI-MT-1.0/",
)
PAWSX = _family(
    "pawsx_translated",
    target="pawsx",
    head="pawsx",
    languages=pawsx.LANGUAGES,
    english="pawsx.en",
    kind="classification",
    files=(
        f"{ROOT}/PAWSX/translate-train/en-{{language}}-translated.tsv",
        "pawsx/x-final/{language}/translated_train.tsv",
        "x-final/{language}/translated_train.tsv",
    ),
    read=readers.paraphrase,
    prompt=prompts.paraphrase,
    metric=accuracy.METRIC,
    labels=prompts.PARAPHRASE_WORDS,
    licence="free for any purpose, with acknowledgement",
    traps=(
        "Some rows of both translations are damaged; those without a label are left "
        "out and counted."
    ),
    also="; or PAWS-X's own release in pawsx/x-final/",
)
SQUAD = _family(
    "squad_translated",
    target="xquad",
    head="squad_v1",
    languages=xquad.STANDARD,
    english="squad_v1",
    kind="qa",
    files=(f"{ROOT}/SQuAD/translate-train/squad.translate.train.en-{{language}}.json",),
    read=_questions,
    prompt=prompts.question_answer,
    metric=qa.METRIC,
    licence="CC BY-SA 4.0",
    traps="Of MLQA's languages all are here. Answers were aligned by machine.",
)
TYDIQA = _family(
    "tydiqa_goldp_translated",
    target="tydiqa_goldp",
    head="tydiqa_goldp",
    languages=tuple(tydiqa_goldp.NAMES),
    english="tydiqa_goldp.en",
    kind="qa",
    files=(
        f"{ROOT}/TyDiQA-GoldP/translate-train/tydiqa.translate.train.en-{{language}}.json",
    ),
    read=_questions,
    prompt=prompts.question_answer,
    metric=qa.METRIC,
    licence="Apache-2.0",
    traps=(
        "Take these or the human training rows of the same languages, not both: the "
        "second are another setting. Answers were aligned by machine."
    ),
)
