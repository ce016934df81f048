"""The embedded default: a small multilingual world, a toy.

Twenty people with homes, jobs, wishes and years of birth, told of in nine languages and
five scripts by templates written for this project. One file a question:

    language.py     what a language has: words, statements, questions; the notation
    lexicons/       the nine languages, one file each
    facts.py        the sampled world: which fact belongs to which split
    sentences.py    a fact to a sentence with its answer, words and tags
    text.py         raw text
    tasks.py        questions, inference, paraphrase, tagging, retrieval
    generate.py     all of it to files in the formats of the real tasks
    words.py        the words, laid out for the training of a vocabulary
    chance.py       what guessing scores
"""

from __future__ import annotations

LANGUAGES = ("en", "de", "es", "sw", "tr", "ru", "ar", "hi", "zh")
