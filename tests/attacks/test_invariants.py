"""What every attack keeps, in every language, on real rows."""

from __future__ import annotations

import functools
import lzma
import subprocess
import sys
import unicodedata

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks import real_rows
from xtl_jax.attacks import catalog, multichecklist, sentences, texts
from xtl_jax.attacks.attack import Attack, Resources
from xtl_jax.attacks.lexicon import Lexicon
from xtl_jax.data.rows import ChoiceRow, PairRow, QuestionRow, TaggedRow, TextRow
from xtl_jax.errors import UserError
from xtl_jax.metrics import languages

LANGUAGES = tuple(languages.LANGUAGES)
# Attacks whose subject is the code points within a cluster.
WITHIN_CLUSTERS = (
    *("unicode_nfd", "unicode_nfc", "unicode_nfkc", "homoglyph", "misread"),
    *("tashkeel", "diacritics", "arabic_letters", "half_width", "keyboard"),
)


class Rows:
    """Real rows of a language, of as many kinds as there are."""

    def __init__(self, folder):
        self.folder = folder
        path = folder / "multichecklist/checklist_templates.tsv.xz"
        self.templates = lzma.decompress(path.read_bytes()).decode()

    @functools.cache  # noqa: B019 - lives as long as the session
    def of(self, language):
        rows = [TextRow(id="text", text="")]
        questions = self.questions(language)
        rows += questions[:: max(1, len(questions) // 12)]
        if language in real_rows.XNLI:
            rows += real_rows.inferences(self.folder, language)[:12]
        if language in real_rows.PAWSX:
            rows += real_rows.paraphrases(self.folder, language)[:12]
        rows += real_rows.tagged(self.folder).get(language, ())[:12]
        rows += real_rows.names(self.folder).get(language, ())
        rows += real_rows.choices(self.folder).get(language, ())[:12]
        rows += [TextRow(id=row.id, text=row.context) for row in questions[:3]]
        return rows

    @functools.cache  # noqa: B019
    def questions(self, language):
        if language in (*real_rows.XQUAD, *real_rows.TYDIQA):
            return real_rows.questions(self.folder, language)
        try:
            tests = multichecklist.parse(self.templates, language=language)
        except UserError:
            return ()
        names = ("Ada", "Alan", "Grace")
        filled = [
            multichecklist.fill(test, language=language, names=names, seed=0, count=3)
            for test in tests
        ]
        return tuple(row for each in filled for row in each)

    @functools.cache  # noqa: B019
    def resources(self, language):
        """Pools, translations of the same ids, and a lexicon of what is here."""
        others = [each for each in ("en", "th", "ar") if each != language]
        rows = [row for row in self.of(language) if isinstance(row, QuestionRow)]
        words = {
            word.lower(): (f"{word[:2]}x", "two words")
            for row in rows
            for word in row.context.split()
            if len(word) > 3
        }
        return Resources(
            sentences=sentences.pool(rows or self.of("en"), language=language),
            foreign_sentences={
                each: sentences.pool(self.questions(each)[:60], language=each)
                for each in others
            },
            parallel={
                each: {
                    row.id: row
                    for rows in (
                        self.questions(each),
                        real_rows.inferences(self.folder, each)[:12],
                    )
                    for row in rows
                }
                for each in others
            },
            lexicons={"xx": Lexicon(language, "xx", words or {"x": ("y",)})},
        )


@pytest.fixture(scope="session")
def rows(shared):
    return Rows(shared / "data")


def check(attack: Attack, row, language, *, seed, budget, resources):
    """Everything that must hold after an attack; returns what it did."""
    attacked = attack.perturb(
        row, language=language, seed=seed, budget=budget, resources=resources
    )
    again = attack.perturb(
        row, language=language, seed=seed, budget=budget, resources=resources
    )
    assert attacked == again
    changed = attacked.row
    assert type(changed) is type(row)
    assert changed.id == row.id
    if attacked.not_applied:
        assert changed is row
        assert not attacked.edits
        return attacked
    assert changed != row, "an attack that did nothing must say so"
    assert attacked.edits
    refused = attack.applies(row, language)
    assert refused is None, refused
    _check_labels(row, changed)
    for text in texts.texts(changed):
        text.value.encode("utf-8")  # no lone surrogates
        assert not any(unicodedata.category(each) == "Cs" for each in text.value)
    _check_fields(row, attacked)
    _check_budget(attack, row, attacked, language, budget)
    if attack.name not in WITHIN_CLUSTERS:
        _check_clusters(row, attacked)
    if attack.name.startswith("character_"):
        _check_pieces(row, attacked)
    return attacked


def _check_labels(row, changed):
    if isinstance(row, QuestionRow):
        assert changed.answers == row.answers
        assert len(changed.answer_starts) == len(row.answer_starts)
        for answer, start in zip(changed.answers, changed.answer_starts, strict=True):
            assert changed.context[start : start + len(answer)] == answer
    if isinstance(row, PairRow):
        assert changed.label == row.label
    if isinstance(row, ChoiceRow):
        assert (changed.options, changed.answer) == (row.options, row.answer)
        if row.question in ("cause", "effect"):
            assert changed.question == row.question
    if isinstance(row, TaggedRow):
        assert changed.tags == row.tags
        assert len(changed.tokens) == len(row.tags)
        assert all(token.split() == [token] for token in changed.tokens)


def _check_fields(row, attacked):
    fields = set(attacked.changed_fields)
    for field in texts.FIELDS[type(row)]:
        differs = getattr(row, field) != getattr(attacked.row, field)
        assert differs <= (field in fields), field


def _check_budget(attack, row, attacked, language, budget):
    method = attack.method
    if not hasattr(method, "find"):
        return
    for field in attacked.changed_fields:
        group = [text for text in texts.texts(row) if text.field == field]
        counts = [len(method._spans(text, language)) for text in group]
        edits = [edit for edit in attacked.edits if edit.field == field]
        assert len(edits) <= max(1, int(budget * sum(counts)))


def _check_clusters(row, attacked):
    """Edits begin and end between clusters of the clean text."""
    values = {(text.field, text.index): text.value for text in texts.texts(row)}
    for edit in attacked.edits:
        value = values[edit.field, edit.index]
        cuts = {0, *(match.end() for match in regex.finditer(r"\X", value))}
        assert {edit.start, edit.end} <= cuts
        for cut in (edit.start, edit.end):
            torn = unicodedata.category(value[cut : cut + 1] or " ")[0] == "M"
            assert not torn or cut == 0


def _check_pieces(row, attacked):
    """A changed word is made of the clean word's clusters and of bare letters."""
    values = {(text.field, text.index): text.value for text in texts.texts(row)}
    for edit in attacked.edits:
        old = values[edit.field, edit.index][edit.start : edit.end]
        pieces = sorted(regex.findall(r"\X\p{M}*", old), key=len, reverse=True)
        choices = "|".join(map(regex.escape, pieces))
        assert regex.fullmatch(rf"(?:{choices}|\p{{L}})*", edit.text), (old, edit.text)


@pytest.mark.parametrize("attack", catalog.ATTACKS, ids=catalog.names())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_labelled_stands_after_any_attack(attack, rows, data):
    language = data.draw(st.sampled_from(LANGUAGES))
    row = data.draw(st.sampled_from(rows.of(language)))
    seed = data.draw(st.integers(0, 9))
    largest = attack.budget.largest
    if attack.budget.whole:
        budget = data.draw(st.integers(1, int(largest)))
    else:
        budget = data.draw(st.floats(0.02, largest))
    check(
        attack,
        row,
        language,
        seed=seed,
        budget=budget,
        resources=rows.resources(language),
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_attack_in_every_language_changes_a_row_or_says_why(rows, language):
    some = rows.of(language)
    resources = rows.resources(language)
    for attack in catalog.ATTACKS:
        fitting = [row for row in some if isinstance(row, attack.kinds)][:4]
        for row in fitting:
            budget = attack.budget.default
            check(attack, row, language, seed=1, budget=budget, resources=resources)


def test_every_attack_changes_real_rows_of_its_languages(rows):
    for attack in catalog.ATTACKS:
        some = [each for each in LANGUAGES if not attack.refuses(each)]
        changed = 0
        for language in [each for each in some if each in real_rows.XQUAD] or some:
            for row in rows.of(language):
                attacked = attack.perturb(
                    row, language=language, seed=0, resources=rows.resources(language)
                )
                changed += not attacked.not_applied
        assert changed, f"{attack.name} changed no row of {some}"


def test_nearly_every_language_has_a_real_row(rows):
    without = {each for each in LANGUAGES if len(rows.of(each)) == 1}
    assert without <= {"fil", "om", "xh", "zu", "wo", "ha", "sw"}


@pytest.mark.parametrize("name", ["character_noise", "misread", "distractor"])
def test_other_seeds_give_other_texts(rows, name):
    attack = catalog.find(name)
    some = [row for row in rows.of("ru") if isinstance(row, QuestionRow)]
    resources = rows.resources("ru")
    for row in some[:5]:
        found = attack.candidates(
            row, language="ru", seed=0, k=8, resources=resources, budget=None
        )
        assert len({each.row for each in found}) == len(found) >= 3


HASHED = """
from tests.attacks import real_rows
from xtl_jax.attacks import catalog
import hashlib, pathlib, sys
rows = real_rows.questions(pathlib.Path(sys.argv[1], "data"), "ru")[:5]
rows = rows[::int(sys.argv[2])]
names = ("character_noise", "keyboard", "misread", "sentences_shuffled", "zero_width")
found = {
    (name, row.id): catalog.find(name).perturb(row, language="ru", seed=3).row
    for name in names for row in rows
}
print(hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest())
"""


def test_neither_hash_seed_nor_order_changes_a_text(shared, request):
    root = request.config.rootpath
    digests = {
        subprocess.run(
            [sys.executable, "-c", HASHED, str(shared), order],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, order in (("0", "1"), ("1", "-1"))
    }
    assert len(digests) == 1


def test_the_attacks_package_imports_in_milliseconds_and_without_jax(request):
    code = (
        "import sys, time; start = time.process_time(); "
        "from xtl_jax.attacks import catalog; spent = time.process_time() - start; "
        "bad = {'jax', 'numpy', 'seqio', 'tensorflow'} & set(sys.modules); "
        "print(bad or spent < 1.0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"
