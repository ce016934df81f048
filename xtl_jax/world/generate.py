"""Write the toy world to a folder, in the file formats of the real tasks.

    FOLDER/world/README.txt                        what this is: a toy
    FOLDER/world/words.txt                         lines to train a vocabulary on
    FOLDER/world/text/LANGUAGE.SPLIT.txt           one document a line
    FOLDER/world/qa/LANGUAGE.SPLIT.json            SQuAD v1.1
    FOLDER/world/nli/LANGUAGE.SPLIT.tsv            premise, hypothesis, label
    FOLDER/world/paraphrase/LANGUAGE.SPLIT.tsv     sentence1, sentence2, 0 or 1
    FOLDER/world/tagging/LANGUAGE.SPLIT.tsv        word, tag; blank line after each
    FOLDER/world/retrieval/LANGUAGE.SPLIT.tsv      id, sentences

The files are a pure function of seed and sizes, byte for byte. Training files exist in
every language; zero-shot transfer uses the English ones alone.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from xtl_jax.world import sentences, tasks, text, words
from xtl_jax.world.facts import SPLITS, Split, World
from xtl_jax.world.language import Lexicon
from xtl_jax.world.lexicons import LEXICONS

README = """\
A toy. These texts are generated from a few templates and word lists in nine languages.
People, places and facts are invented; no fact is true of anyone. Numbers measured on
them say whether a pipeline works, and nothing about a model's use in the real world.
Only the English training files are meant to be trained on; text/ is unlabelled.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """Rows of one language, by split."""

    train: int
    validation: int
    test: int

    def __post_init__(self) -> None:
        """Refuse empty splits."""
        for split in SPLITS:
            if getattr(self, split) < 1:
                raise ValueError(
                    f"Sizes.{split} must be at least 1, got {getattr(self, split)}"
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorldSizes:
    """How much of the world is written."""

    text: Sizes = Sizes(train=4000, validation=100, test=100)
    qa: Sizes = Sizes(train=4000, validation=150, test=300)
    nli: Sizes = Sizes(train=4000, validation=150, test=300)
    paraphrase: Sizes = Sizes(train=2000, validation=150, test=300)
    tagging: Sizes = Sizes(train=1000, validation=150, test=300)
    retrieval: Sizes = Sizes(train=1000, validation=150, test=300)


def generate(
    folder: pathlib.Path, *, seed: int = 0, sizes: WorldSizes | None = None
) -> None:
    """Write the world of a seed under `folder/world`, replacing files of these names.

    Args:
        folder: the data folder that holds, or will hold, `world`.
        seed: decides facts, splits and texts.
        sizes: rows by task and split; the defaults suit the quickstart.
    """
    root = pathlib.Path(folder) / "world"
    root.mkdir(parents=True, exist_ok=True)
    (root / "README.txt").write_text(README, encoding="utf-8")
    for name, content in files(seed=seed, sizes=sizes or WorldSizes()):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")


def files(*, seed: int, sizes: WorldSizes) -> Iterator[tuple[str, str]]:
    """Every file of the world as (name under `world`, content)."""
    world = World(seed=seed)
    yield "words.txt", _lines(list(words.lines()))
    for split in SPLITS:
        for code in LEXICONS:
            lines = text.documents(
                world, language=code, split=split, count=getattr(sizes.text, split)
            )
            yield f"text/{code}.{split}.txt", _lines(lines)
        items = _items(world, split, sizes)
        for code, lexicon in LEXICONS.items():
            yield f"qa/{code}.{split}.json", _squad(items["qa"], lexicon)
            yield f"nli/{code}.{split}.tsv", _pairs(items["nli"], lexicon)
            yield f"paraphrase/{code}.{split}.tsv", _pairs(items["paraphrase"], lexicon)
            yield f"tagging/{code}.{split}.tsv", _tagged(items["tagging"], lexicon)
            yield (
                f"retrieval/{code}.{split}.tsv",
                _retrieval(items["retrieval"], lexicon, split),
            )


def _items(world: World, split: Split, sizes: WorldSizes) -> Mapping[str, Sequence]:
    def count(task: str) -> int:
        return getattr(getattr(sizes, task), split)

    return {
        "qa": tasks.questions(world, split=split, count=count("qa")),
        "nli": tasks.inferences(world, split=split, count=count("nli")),
        "paraphrase": tasks.paraphrases(world, split=split, count=count("paraphrase")),
        "tagging": tasks.statements(
            world, split=split, count=count("tagging"), task="tagging", length=1
        ),
        "retrieval": tasks.statements(
            world, split=split, count=count("retrieval"), task="retrieval", length=2
        ),
    }


def _say(said: Sequence[tasks.Said], lexicon: Lexicon) -> list[sentences.Sentence]:
    return [sentences.state(each.fact, lexicon=lexicon, way=each.way) for each in said]


def _squad(items: Sequence[tasks.Question], lexicon: Lexicon) -> str:
    paragraphs = []
    for item in items:
        told = _say(item.context, lexicon)
        before = told[: item.context.index(item.asked)]
        answer = told[len(before)]
        start = sum(len(each.text) + len(lexicon.separator) for each in before)
        question = sentences.ask(item.asked.fact, lexicon=lexicon).text
        answers = [{"text": answer.answer, "answer_start": start + answer.answer_start}]
        paragraphs.append(
            {
                "context": sentences.text(told, lexicon=lexicon),
                "qas": [{"id": item.id, "question": question, "answers": answers}],
            }
        )
    # One title for all: the world is one article.
    release = {
        "version": "1.1",
        "data": [{"title": "A toy world", "paragraphs": paragraphs}],
    }
    return json.dumps(release, ensure_ascii=False, indent=1) + "\n"


def _pairs(items: Sequence[tasks.Pair], lexicon: Lexicon) -> str:
    return _lines(
        "\t".join(
            (
                sentences.text(_say(item.first, lexicon), lexicon=lexicon),
                _say([item.second], lexicon)[0].text,
                item.label,
            )
        )
        for item in items
    )


def _tagged(items: Sequence[Sequence[tasks.Said]], lexicon: Lexicon) -> str:
    blocks = []
    for item in items:
        for sentence in _say(item, lexicon):
            rows = zip(sentence.words, sentence.tags, strict=True)
            blocks.append("".join(f"{word}\t{tag}\n" for word, tag in rows))
    return "\n".join(blocks)


def _retrieval(
    items: Sequence[Sequence[tasks.Said]], lexicon: Lexicon, split: Split
) -> str:
    return _lines(
        f"{split}-{i:05d}\t{sentences.text(_say(item, lexicon), lexicon=lexicon)}"
        for i, item in enumerate(items)
    )


def _lines(lines: Iterator[str] | Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
