"""Which evaluation sets a config names, found before a model is loaded.

Of retrieval a set is the queries; their candidates come with them: those of the same
store, or a pool that the languages of the family share, and where pairs are mined the
validation split that decides the threshold.
"""

from __future__ import annotations

import bisect
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from xtl_jax import storage
from xtl_jax.errors import UnlabelledError, UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data.encoder_vocabulary import EncoderVocabulary
    from xtl_jax.data.store import Store
    from xtl_jax.data.vocabulary import Vocabulary
    from xtl_jax.model.network import AnyConfig
    from xtl_jax.train.config import RunConfig

    AnyVocabulary = Vocabulary | EncoderVocabulary


class Wanted(NamedTuple):
    """One evaluation set."""

    family: Family
    language: str
    split: str
    store: Store
    examples: int  # the first ones of the split that are predicted
    pool: Store | None = None  # candidates that all languages of the family search
    tuning: Store | None = None  # what a threshold is tuned on

    @property
    def name(self) -> str:
        """Of its prediction file, without suffix."""
        return f"{self.family.name}.{self.language}"


class Absent(UserError):
    """The data of an evaluation set is neither here nor cached."""


class _Finder(NamedTuple):
    """What is needed to find a store."""

    config: RunConfig
    vocabulary: AnyVocabulary
    settings: TaskSettings
    unlabelled: bool  # whether splits without labels are predicted

    def store(self, family: Family, language: str, split: str) -> Store:
        """The store of one split, made if it is not cached.

        Raises:
            Absent: its data is neither here nor cached.
            UnlabelledError: it has no labels, and those were needed.
        """
        from xtl_tasks import loading

        from xtl_jax.cli import caching, labelled_caching
        from xtl_jax.data.encoder_vocabulary import EncoderVocabulary

        family.check_split(split, language=language)
        task = family.task_name(language)
        source = loading.find_source(
            family, language, split=split, settings=self.settings
        )
        cached = pathlib.Path(self.config.cache_dir) / task
        if source is None and not any(cached.glob(f"{split}-*")):
            raise Absent(f"the {split} split of {task} is neither here nor cached")
        if isinstance(self.vocabulary, EncoderVocabulary):
            return labelled_caching.ensure_store(
                task, split=split, run=self.config, vocabulary=self.vocabulary
            )
        stores = caching.ensure_cached(
            [(task, split)], run=self.config, vocabulary=self.vocabulary
        )
        return stores[task, split]

    def wanted(self, family: Family, language: str, split: str) -> Wanted:
        """One split with all that its prediction needs."""
        store = self.store(family, language, split)
        search = family.search
        rows = examples_in(store) if search is None else queries(store)
        examples = min(self.config.evaluate_examples or rows, rows)
        found = Wanted(family, language, split, store, examples)
        if search is None:
            return found
        if not self.unlabelled and not has_labels(store):
            raise UnlabelledError(
                f"the {split} split of {family.task_name(language)} is unlabelled, so "
                "it cannot be scored; `xtl predict RUN --unlabelled` predicts it for a "
                "submission (`xtl submit`)"
            )
        if search.pool:
            found = found._replace(pool=self.store(family, search.pool, split))
        if search.method == "mining" and split != "validation":
            tuning = self.store(family, language, "validation")
            if not has_labels(tuning):
                raise UnlabelledError(
                    f"the validation split of {family.task_name(language)} is "
                    "unlabelled, and the threshold is tuned on it"
                )
            found = found._replace(tuning=tuning)
        return found

    def first_of(self, family: Family, language: str, splits: Sequence[str]) -> Wanted:
        """The first of some splits that can be had.

        Raises:
            Absent: none; says why of each.
        """
        reasons = []
        for split in splits:
            try:
                return self.wanted(family, language, split)
            except (Absent, UnlabelledError) as error:
                reasons.append(str(error))
        raise Absent("; ".join(reasons))


def examples_in(store: Store) -> int:
    """How many examples a store has; an encoder's may be several windows each."""
    if not _has_windows(store):
        return store.num_examples
    return store.meta(store.num_examples - 1)["example"] + 1


def rows_of(store: Store, examples: int) -> list[range]:
    """Rows of each of the first examples of a store: its windows, or itself."""
    if not _has_windows(store):
        return [range(row, row + 1) for row in range(examples)]
    begins: list[int] = []
    for row in range(store.num_examples):
        number = store.meta(row)["example"]
        if number == examples:
            return [*map(range, begins, [*begins[1:], row])]
        if number == len(begins):
            begins.append(row)
    return [*map(range, begins, [*begins[1:], store.num_examples])]


def _has_windows(store: Store) -> bool:
    return store.card.get("kind") in ("span", "tagging")


def queries(store: Store) -> int:
    """How many queries a retrieval store has; its candidates come after them."""
    return bisect.bisect_left(
        range(store.num_examples),
        1,
        key=lambda index: store.meta(index)["side"] == "candidate",
    )


def has_labels(store: Store) -> bool:
    """Whether a query of a retrieval store has a right candidate."""
    return any(store.meta(index)["references"] for index in range(queries(store)))


def own_vocabulary(
    config: RunConfig, *, sha256: str, model: AnyConfig | None = None
) -> AnyVocabulary:
    """The vocabulary that a run was trained with.

    Args:
        config: names it.
        sha256: of the vocabulary then.
        model: of the run; an encoder lays its ids out in its own way.

    Raises:
        UserError: `RunConfig.vocabulary` has another checksum now.
    """
    vocabulary = vocabulary_of(config, model=model)
    if vocabulary.sha256 != sha256:
        raise UserError(
            f"the vocabulary {config.vocabulary} is not the one that {config.run_dir} "
            "was trained with (another checksum), and its answers would be noise: "
            "restore that file"
        )
    return vocabulary


def vocabulary_of(config: RunConfig, *, model: AnyConfig | None) -> AnyVocabulary:
    """`RunConfig.vocabulary` as a model lays its ids out; None: as mT5 does."""
    from xtl_jax.data import encoder_vocabulary
    from xtl_jax.data import vocabulary as vocabularies
    from xtl_jax.model.encoder_sizes import EncoderConfig

    if isinstance(model, EncoderConfig):
        return encoder_vocabulary.load(config.vocabulary)
    return vocabularies.load(config.vocabulary, extra_ids=config.extra_ids)


def find_wanted(
    config: RunConfig,
    vocabulary: AnyVocabulary,
    *,
    split: str | None,
    unlabelled: bool = False,
) -> tuple[list[Wanted], dict[str, str]]:
    """Evaluation sets that a config names, and those that cannot be had.

    Of a family, languages without data or labels are left out, each with its reason; a
    task that is named itself must be there. Without a split it is test where that can
    be had, else validation.

    Args:
        config: the run; `evaluate` names the sets.
        vocabulary: to tokenise with.
        split: of names that state none.
        unlabelled: retrieval sets without right candidates are predicted too.

    Raises:
        UserError: an unknown name, a named task without labels, nothing to predict, or
            data that is here and wrong.
    """
    from xtl_tasks import catalog

    from xtl_jax.cli import caching

    if not config.evaluate:
        raise UserError(
            "nothing to predict: give --task NAME or RunConfig.evaluate; `xtl tasks` "
            "lists what there is"
        )
    finder = _Finder(
        config,
        vocabulary,
        caching.task_settings(config, vocabulary=None),
        unlabelled,
    )
    wanted: dict[tuple[str, str, str], Wanted] = {}
    missing: dict[str, str] = {}
    for entry in config.evaluate:
        name, _, own_split = entry.partition("/")
        is_family = name in {family.name for family in catalog.FAMILIES}
        family, languages = (
            (catalog.family(name), catalog.family(name).standard_languages)
            if is_family
            else _one(catalog.find(name))
        )
        if family.metric is None:
            raise UserError(f"{name} has no answers to predict: it is plain text")
        if family.search is not None and family.search.pool in languages:
            raise UserError(
                f"{name} holds what the languages of {family.name} search in, and no "
                f"query; name {family.name} or a language of it"
            )
        for language in languages:
            asked = own_split or split
            have = family.splits_of(language)
            splits = [s for s in ("test", "validation") if s in have]
            try:
                each = finder.first_of(family, language, [asked] if asked else splits)
                wanted[family.name, language, each.split] = each
            except Absent as error:
                if not is_family:
                    raise UserError(str(error)) from error
                missing[f"{family.name}.{language}"] = str(error)
    if not wanted:
        reasons = "; ".join(f"{name}: {why}" for name, why in missing.items())
        raise UserError(f"none of the evaluation sets can be had: {reasons}")
    _check_one_split(wanted.values())
    return list(wanted.values()), missing


def _one(found: tuple[Family, str]) -> tuple[Family, tuple[str, ...]]:
    return found[0], (found[1],)


def _check_one_split(wanted: Iterable[Wanted]) -> None:
    """Languages of a family are averaged, so they must be of one split."""
    first: dict[str, Wanted] = {}
    for each in wanted:
        other = first.setdefault(each.family.name, each)
        if each.split != other.split:
            raise UserError(
                f"{other.name} would be predicted on its {other.split} split and "
                f"{each.name} on its {each.split} split, and their mean would say "
                f"nothing; name one split for all, e.g. {each.family.name}/{each.split}"
            )


def write_expected(
    folder: storage.AnyPath, wanted: Sequence[Wanted], missing: Mapping[str, str]
) -> None:
    """Ids that should be predicted, so that scoring can see which are missing."""
    from xtl_jax.infer import records

    path = folder / records.EXPECTED
    known = records.read_document(path) if path.is_file() else {}
    with records.understood(path):
        before, lacked = dict(known.get("sets", {})), dict(known.get("missing", {}))
    sets = before | {
        each.name: {
            "split": each.split,
            "ids": [
                each.store.meta(rows[0])["id"]
                for rows in rows_of(each.store, each.examples)
            ],
        }
        for each in wanted
    }
    absent = {
        name: why for name, why in {**lacked, **missing}.items() if name not in sets
    }
    document = {"sets": sets, "missing": absent}
    records.replace(path, json.dumps(document, ensure_ascii=False) + "\n")
