"""Sentences and their translations, which bring an encoder's languages together.

`parallel_text.sw` reads English-Swahili pairs of the user's own, named by a file
setting. Nothing is labelled: a sentence and its translation should have vectors that
are nearer to each other than to those of other sentences (`train/contrast.py`). It is a
member of a mixture beside the task whose transfer is wanted, or a stage of its own.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers
from xtl_jax.data.language_codes import ISO3
from xtl_tasks.family import Card, Family

FAMILY = Family(
    name="parallel_text",
    role="unsupervised",
    kind="parallel",
    languages=tuple(language for language in ISO3 if language != "en"),
    standard_languages=tuple(language for language in ISO3 if language != "en"),
    files={"train": ("parallel/{language}.tsv", "parallel/en-{language}.tsv")},
    read=readers.translations,
    reads_together=True,
    prompt=prompts.sentence,
    metric=None,
    card=Card(
        summary="English sentences and their translations, of the user's own.",
        trains_on="parallel_text in each language",
        selection="none: it is trained for its number of steps",
        normaliser="none: only the loss is reported",
        licence="that of the text",
        homepage="https://arxiv.org/abs/2506.15415",
        traps=(
            "Parallel text is no label, so that transfer stays zero-shot in labels; "
            "but the model has seen the language beside English, which must be said "
            "beside any score: `run.json` says it. Pairs of an evaluation set "
            "(Tatoeba's and BUCC's are) are contamination: a run reports the overlap. "
            "Encoders alone learn from it."
        ),
        get=(
            "two columns with a tab, English first: --file "
            "'parallel_text.sw/train=PAIRS.tsv'; or Tatoeba's or BUCC's files, joined "
            "by ' + '"
        ),
    ),
)
