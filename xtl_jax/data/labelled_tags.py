"""Tagged sentences: each word's tag stands on its first token.

    tokens    <s>  ▁New  ▁Yo  rk   </s>
    labels     -1     1    2  -1     -1

-1 is no label. Every word is cut into tokens on its own, as if a space stood before it.
Where no piece of the vocabulary begins with that space, the first token is the lone
mark of a word, `▁`: rare in English, the rule in Chinese and Japanese. The tag stands
there all the same, as in XTREME's script, or on the token after it, as
`Layout.tagged_piece` says.
A word of which nothing is left (a zero-width character alone) becomes `<unk>`, so that
it has a place that is tagged, as in XTREME's script. A tag that is not among the labels
(CCG has some that no training sentence has) is -1 too: it is not trained on, and as it
is never predicted it counts as wrong.

A sentence that is longer than the input is cut between words into several *windows*, so
that no word is left out. A window keeps the number of its sentence, how many words come
before it, and the input position of each of its words.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from xtl_jax.data.encoder_layout import SINGLE, Layout
from xtl_jax.data.prompts import Example
from xtl_jax.data.rows import TaggedRow
from xtl_jax.data.store import Example as Stored

IGNORED = -1  # the label of a token that has none
_MARK = "▁"
_WORDS = 1 << 18  # whose tokens are kept


def windows(sizes: Sequence[int], *, room: int) -> list[tuple[int, int]]:
    """First word and end of each window, as many words as fit.

    Args:
        sizes: tokens of each word.
        room: tokens of a window; a longer word has one for itself.

    Example:
        >>> windows([2, 3, 1, 9, 1], room=5)
        [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    found = []
    begin = used = 0
    for number, size in enumerate(sizes):
        if used + size > room and number > begin:
            found.append((begin, number))
            begin, used = number, 0
        used += size
    return [*found, (begin, len(sizes))]


def examples(
    rows: Iterable[TaggedRow],
    *,
    layout: Layout,
    labels: Sequence[str],
    prompt: Callable[[TaggedRow], Example],
    keep_text: bool,
    counts: collections.Counter[str],
) -> Iterator[Stored]:
    """All windows of all sentences, in their order.

    Args:
        rows: sentences.
        layout: of inputs.
        labels: tags by class; others are not labelled.
        prompt: tells the references.
        keep_text: whether windows keep what evaluation needs.
        counts: is told of `rows`, `windows`, `words`; of `split` sentences, of `cut`
            words, of words `without_token`, and of `unknown_tags`.
    """
    vocabulary = layout.vocabulary
    classes = {tag: number for number, tag in enumerate(labels)}
    room = layout.length - SINGLE

    @functools.lru_cache(maxsize=_WORDS)
    def read(word: str) -> tuple[int, ...]:
        return tuple(vocabulary.encode(word))

    def tagged(word: tuple[int, ...]) -> int:
        """The place of the tag among a word's tokens."""
        alone = len(word) == 1 or vocabulary.piece(word[0]) != _MARK
        return 0 if alone or layout.tagged_piece == "first" else 1

    for number, row in enumerate(rows):
        words = [read(word) for word in row.tokens]
        counts["rows"] += 1
        counts["words"] += len(words)
        counts["without_token"] += sum(not tokens for tokens in words)
        counts["cut"] += sum(len(tokens) > room for tokens in words)
        counts["unknown_tags"] += sum(tag not in classes for tag in row.tags)
        words = [tokens[:room] or (vocabulary.unk_id,) for tokens in words]
        found = windows([len(tokens) for tokens in words], room=room)
        counts["windows"] += len(found)
        counts["split"] += len(found) > 1
        for begin, end in found:
            tokens, targets, positions = [vocabulary.start_id], [IGNORED], []
            for word, tag in zip(words[begin:end], row.tags[begin:end], strict=True):
                place = tagged(word)
                positions.append(len(tokens) + place)
                tokens += word
                own = [IGNORED] * len(word)
                own[place] = classes.get(tag, IGNORED)
                targets += own
            stored: dict[str, Any] = {
                "inputs": [*tokens, vocabulary.end_id],
                "targets": [*targets, IGNORED],
            }
            if keep_text:
                stored["meta"] = {
                    "id": row.id,
                    "inputs": " ".join(row.tokens),
                    "targets": " ".join(row.tags),
                    "references": list(prompt(row).references),
                    "context": "\t".join(row.tokens),
                    "example": number,
                    "offset": begin,
                    "positions": positions,
                }
            yield stored
