"""The files of the world: right formats, parallel, balanced, disjoint, reproducible."""

from __future__ import annotations

import collections
import hashlib
import itertools
import json

import pytest

from xtl_jax.world import LANGUAGES, chance, language, tasks
from xtl_jax.world.facts import SPLITS, World
from xtl_jax.world.generate import Sizes, WorldSizes, files, generate
from xtl_jax.world.lexicons import LEXICONS

SMALL = Sizes(train=120, validation=30, test=60)
SIZES = WorldSizes(
    text=SMALL, qa=SMALL, nli=SMALL, paraphrase=SMALL, tagging=SMALL, retrieval=SMALL
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    generate(folder, seed=3, sizes=SIZES)
    return folder / "world"


def read(path):
    return path.read_text(encoding="utf-8")


def rows(root, task, code, split):
    lines = read(root / task / f"{code}.{split}.tsv").splitlines()
    return [line.split("\t") for line in lines]


def questions(root, code, split):
    release = json.loads(read(root / "qa" / f"{code}.{split}.json"))
    assert release["version"] == "1.1"
    for article in release["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield paragraph["context"], question


@pytest.mark.parametrize(("code", "split"), list(itertools.product(LANGUAGES, SPLITS)))
def test_each_answer_is_at_its_start(root, code, split):
    seen = list(questions(root, code, split))
    assert len(seen) == getattr(SMALL, split)
    for context, question in seen:
        (answer,) = question["answers"]
        start = answer["answer_start"]
        assert context[start : start + len(answer["text"])] == answer["text"]
        found = chance.candidates(
            context, answer=answer["text"], language=code, among="stated"
        )
        assert len(found) == tasks.CONTEXT_LENGTH


@pytest.mark.parametrize("split", SPLITS)
def test_rows_are_parallel_over_languages(root, split):
    ids = [[q["id"] for _, q in questions(root, c, split)] for c in LANGUAGES]
    assert all(each == ids[0] for each in ids)
    assert len(set(ids[0])) == len(ids[0])
    for task, column in (("nli", 2), ("paraphrase", 2), ("retrieval", 0)):
        columns = [
            [row[column] for row in rows(root, task, code, split)] for code in LANGUAGES
        ]
        assert all(each == columns[0] for each in columns)
        assert len(columns[0]) == getattr(SMALL, split)


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_balanced(root, split):
    count = getattr(SMALL, split)
    nli = collections.Counter(row[2] for row in rows(root, "nli", "sw", split))
    assert nli == dict.fromkeys(tasks.NLI_LABELS, count // 3)
    same = collections.Counter(row[2] for row in rows(root, "paraphrase", "ar", split))
    assert same == {"0": count // 2, "1": count // 2}


def test_tagging_files_have_a_word_and_a_universal_tag_a_line(root):
    # https://universaldependencies.org/u/pos/
    universal = {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"}
    universal |= {"PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"}
    for code in LANGUAGES:
        blocks = read(root / "tagging" / f"{code}.test.tsv").strip().split("\n\n")
        assert len(blocks) == SMALL.test
        for block in blocks:
            tags = [line.split("\t")[1] for line in block.splitlines()]
            assert set(tags) <= universal
            assert tags.count("PUNCT") >= 1


def test_no_fact_is_in_two_splits():
    world = World(seed=3)
    for relation, person in itertools.product(language.RELATIONS, language.PEOPLE):
        values = [
            world.values(split, person=person, relation=relation) for split in SPLITS
        ]
        assert all(len(each) >= 2 for each in values)
        assert len(set(itertools.chain(*values))) == sum(map(len, values))


def test_items_of_a_split_use_its_facts_only_and_share_no_context():
    world = World(seed=3)
    contexts = collections.defaultdict(set)
    for split in SPLITS:
        said = []
        for item in tasks.questions(world, split=split, count=50):
            said += item.context
            contexts[split].add(frozenset(item.context))
        pairs = tasks.inferences(world, split=split, count=48)
        pairs += tasks.paraphrases(world, split=split, count=48)
        for pair in pairs:
            said += [*pair.first, pair.second]
        for fact, _ in said:
            allowed = world.values(split, person=fact.person, relation=fact.relation)
            assert fact.value in allowed
    for one, other in itertools.combinations(SPLITS, 2):
        assert not contexts[one] & contexts[other]


@pytest.mark.parametrize("split", SPLITS)
def test_an_nli_label_is_what_the_premise_says_of_the_hypothesis(split):
    """Derived from the facts alone, as a reader would."""
    for pair in tasks.inferences(World(seed=5), split=split, count=300):
        stated = {said.fact for said in pair.first}
        hypothesis = pair.second.fact
        rivals = [
            fact
            for fact in stated
            if (fact.person, fact.relation) == (hypothesis.person, hypothesis.relation)
        ]
        if hypothesis in stated:
            expected = "entailment"
        elif rivals and hypothesis.relation in language.SINGLE_VALUED:
            expected = "contradiction"
        else:
            expected = "neutral"
        assert pair.label == expected


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_text(root):
    def digests(seed):
        return {
            name: hashlib.sha256(content.encode()).hexdigest()
            for name, content in files(seed=seed, sizes=SIZES)
        }

    first = digests(3)
    on_disk = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.*")
        if path.name != "README.txt"
    }
    assert first == on_disk
    other = digests(4)
    assert first.keys() == other.keys()
    same = {name for name in first if first[name] == other[name]}
    assert same == {"words.txt"}  # the words of the languages, whatever the facts
    assert "toy" in read(root / "README.txt")


def test_text_is_in_its_language_or_beside_another(root):
    for code in LANGUAGES:
        lines = read(root / "text" / f"{code}.train.txt").splitlines()
        assert len(lines) == SMALL.train
        assert all(line and line == line.strip() for line in lines)
        assert len(set(lines)) > 0.9 * len(lines)


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match=r"Sizes\.test must be at least 1, got 0"):
        Sizes(train=1, validation=1, test=0)


def test_a_vocabulary_of_its_words_keeps_them_whole(root):
    from xtl_jax.data import vocabulary

    model = vocabulary.train(read(root / "words.txt").splitlines(), size=1200)
    path = root / "vocabulary.model"
    path.write_bytes(model)
    pieces = vocabulary.load(path)
    for code in LANGUAGES:
        lines = read(root / "tagging" / f"{code}.test.tsv").strip().splitlines()
        words = [line.split("\t")[0] for line in lines if line]
        count = len(pieces.encode(LEXICONS[code].separator.join(words)))
        assert count < 1.6 * len(words)  # an unfit vocabulary takes three a word
        text = read(root / "text" / f"{code}.train.txt")
        assert pieces.unk_id not in pieces.encode(text)


def test_more_rows_than_the_world_has_are_refused():
    with pytest.raises(ValueError, match="different items of 'tagging' for 'test'"):
        tasks.statements(
            World(seed=0), split="test", count=700, task="tagging", length=1
        )


def test_chance_by_hand():
    rows = [
        ("Anna lives in Paris. Omar lives in Rome.", "Rome"),
        ("Anna was born in 1950.", "1950"),
        ("Anna was born in 1950. Omar lives in Rome.", "Rome"),
    ]
    of = {
        among: chance.qa_chance_percent(rows, language="en", among=among)
        for among in ("stated", "type")
    }
    assert of == pytest.approx({"stated": 200 / 3, "type": 250 / 3})
    with pytest.raises(ValueError, match="no word of the toy world"):
        chance.candidates(
            "Anna lives in Paris.", answer="Mars", language="en", among="type"
        )
    # A feminine form holds the masculine one; only the whole word counts.
    found = chance.candidates(
        "سارة كاتبة. عمر طبيب.", answer="كاتبة", language="ar", among="type"
    )
    assert found == ("كاتبة", "طبيب")
