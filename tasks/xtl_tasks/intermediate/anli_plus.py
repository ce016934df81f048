"""ANLI+: SNLI, MNLI and ANLI's three rounds as one English intermediate task.

Phang et al. (2020) train on their union, 1,104,934 rows, under one output head; here
under one prompt. Rows keep their order and get their part's name before the id.
"""

from __future__ import annotations

import functools

from xtl_jax.data import prompts, readers
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.intermediate import anli, mnli, snli

FAMILY = Family(
    name="anli_plus",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={},
    parts=(snli.FAMILY, mnli.FAMILY, anli.FAMILY),
    read=readers.nli,
    prompt=functools.partial(prompts.inference, name="anli_plus"),
    metric=accuracy.METRIC,
    labels=prompts.NLI_WORDS,
    train_rows=1_104_934,
    split_rows={"validation": 22_857},
    card=Card(
        summary="Inference, English: SNLI, MNLI and ANLI's rounds together.",
        trains_on="anli_plus",
        selection="English validation accuracy (the parts' validation rows together)",
        normaliser="none: the label word must be exact",
        licence="those of its parts; ANLI is CC BY-NC 4.0",
        homepage="https://github.com/facebookresearch/anli",
        traps=(
            "Half of its rows are SNLI's and 15 percent ANLI's, so 43 percent of the "
            "validation score is SNLI's. All of its parts must be here. It contains "
            "MNLI, the training set of XNLI. A mixture of snli, mnli and anli is "
            "another thing: there each part has its own prompt and rate."
        ),
        get="what `xtl tasks` says of snli, mnli and anli",
    ),
)
