"""Span corruption over plain text: mT5's pre-training objective.

One family reads any text files, one document a line: name them with a pattern,
`--file 'span_corruption/train=text/*.txt.xz'`. It is a stage of its own (continued
pre-training) or part of a mixture with an intermediate task, which keeps a model from
forgetting how to write other languages.

A cached task keeps the raw tokens: noise is drawn when a batch is, so that each epoch
cuts other holes.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers
from xtl_tasks.family import Card, Family

# T5's and mT5's values.
TRANSFORM = {"name": "span_corruption", "noise_density": 0.15, "mean_span": 3.0}

FAMILY = Family(
    name="span_corruption",
    role="unsupervised",
    kind="text",
    languages=("mul",),  # ISO 639's code for several languages in one
    standard_languages=("mul",),
    files={
        "train": ("text/*.train.txt", "text/*.txt"),
        "validation": ("text/*.validation.txt",),
    },
    read=readers.text_lines,
    prompt=prompts.text,
    metric=None,
    card=Card(
        summary="Fill in the holes of any text: 15 percent of tokens, spans of 3.",
        trains_on="span_corruption",
        selection="none: it is trained for its number of steps",
        normaliser="none: only the loss is reported",
        licence="that of the text",
        homepage="https://arxiv.org/abs/2010.11934",
        traps=(
            "Text with the paragraphs of an evaluation set (Wikipedia has most) is "
            "contamination: `xtl data cache` reports the overlap."
        ),
        get="UTF-8 text, one document a line: --file 'span_corruption/train=PATTERN'",
        transform=TRANSFORM,
    ),
)
