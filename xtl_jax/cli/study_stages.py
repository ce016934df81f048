"""What is known of a study's stages before one of them runs.

`Describer` resolves the gin files of a stage as `xtl train` would, and says what
decides its result: settings without paths, the data's checksums, the versions of the
code that reads the data, trains, predicts or scores.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import caching, code_version, labelled_caching
from xtl_jax.cli import config as configs
from xtl_jax.cli.config import Binding, Config
from xtl_jax.cli.train_inputs import dev_task
from xtl_jax.data import cache, fetch, labelled, prompts, store
from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.studies.graph import Described, Draft, Graph, graph
from xtl_jax.studies.zero_shot import Task
from xtl_jax.train.config import MUTABLE

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.cli.study_config import Asked

# Of the fields that a run may change on its way, those that decide which checkpoint a
# finished one has as its best.
_TRAIN = frozenset({"steps", "save_period", "eval_period", "eval_examples", "keep"})
# What a prediction depends on beside the model.
_PREDICT = frozenset(
    {
        *("lengths", "extra_ids", "window_stride", "question_length", "tagged_piece"),
        *("evaluate", "evaluate_examples", "decode_length", "classify", "rank_by"),
        *("embed_layer", "embed_prefix", "head", "answer_n_best", "answer_length"),
        *("null_threshold", "beams", "length_penalty", "beam_rule", "temperature"),
        *("top_k", "top_p", "sampling_seed", "smoothing_sigma", "smoothing_samples"),
        *("smoothing_confidence", "smoothing_seed"),
        *("attacks", "attack_budget", "attack_seed"),
    }
)
# Settings that are no part of what a stage is, or are told elsewhere.
_NOT_SAID = frozenset({"task", "name", "dev_task"})
# Modules of `data` that make a task's examples: they count with their tasks.
_OF_TASKS = ("readers", "prompts", "tagging", "sources", "tfds_rows", "fetch")
NO_VOCABULARY = "not given"
_SMALL = 1 << 20  # bytes; larger files of a checkpoint are known by name and size


class Describer:
    """Describes drafts; what two of them share is found out once.

    Attributes:
        data: (task, split) to "here", "cached" or "missing".
    """

    def __init__(
        self, *, overrides: Sequence[Binding] = (), search: Sequence[str] = ()
    ):
        self.overrides = tuple(overrides)
        self.search = tuple(search)
        self.data: dict[tuple[str, str], str] = {}
        self._bindings: dict[str, list[Binding]] = {}
        self._configs: dict[str, Config] = {}
        self._facts: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._versions: dict[str, str] = {}
        self._definitions: dict[str, dict[str, Any]] = {}
        self._scorers: dict[str, list[str]] = {}

    def __call__(self, draft: Draft) -> Described:
        """What decides a stage.

        Raises:
            UserError: a setting, file or task that does not exist or is not allowed.
        """
        config = self.config(draft)
        run = config.to_json()["run"]
        if draft.kind == "train":
            tasks, wanted = self._trained(config)
            settings = {
                field: value
                for field, value in run.items()
                if field not in (MUTABLE - _TRAIN) | _NOT_SAID
            }
            decides: dict[str, Any] = {
                "mixture": _without_name(config),
                "model": config.to_json()["model"],
            }
        else:
            tasks, wanted = self._scored(config)
            settings = {field: run[field] for field in sorted(_PREDICT)}
            decides = {}
        if draft.kind != "score" and isinstance(config.model, EncoderConfig):
            labelled_caching.check_windows(tasks, run=config.run)
        if draft.kind == "score":
            from xtl_tasks import catalog

            families = {f.name: f for f, _ in map(catalog.find, tasks)}
            scorers = {name: self._scorer(each) for name, each in families.items()}
            return Described({"scored": [*families]}, {"scorers": scorers}, tasks)
        decides |= {
            "run": settings,
            "vocabulary": self._vocabulary(config),
            "data": [self._data(each, split, config) for each, split in wanted],
            "initial": _identity(draft.initial) if draft.initial else None,
            "code": self._code(draft.kind, attacked=bool(config.run.attacks)),
        }
        if draft.kind == "predict":
            lexicons = config.run.attack_lexicons
            decides["lexicons"] = {k: _identity(v) for k, v in lexicons.items()}
        return Described(settings=settings, decides=decides, tasks=tasks)

    def config(self, draft: Draft) -> Config:
        """A stage's settings as a run would have them, its places not yet set."""
        values = dict(draft.values)
        if draft.kind != "train":
            values["RunConfig.task"] = _some_task(values["RunConfig.evaluate"][0])
        key = json.dumps([draft.files, values, draft.initial], sort_keys=True)
        if key in self._configs:
            return self._configs[key]
        given = [
            Binding("RunConfig", "run_dir", "stage", "study"),
            Binding("RunConfig", "vocabulary", NO_VOCABULARY, "study"),
            Binding("RunConfig", "steps", 1, "study"),  # of what trains nothing
            # Something is begun with, be it an earlier stage: LoRA asks for it.
            Binding("RunConfig", "initial_checkpoint", draft.initial or ".", "study"),
        ]
        for name in draft.files:
            given += self._file(name)
        given += self.overrides
        for name, value in values.items():
            owner, _, field = name.partition(".")
            given.append(Binding(owner, field, value, f"study, {draft.title}"))
        try:
            found = configs.resolve(given)
        except UserError as error:
            raise UserError(f"stage {draft.title!r}: {error}") from error
        self._configs[key] = found
        return found

    def _file(self, name: str) -> list[Binding]:
        if name not in self._bindings:
            self._bindings[name] = configs.parse_file(name, search=self.search)
        return self._bindings[name]

    def _trained(self, config: Config) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        """Tasks that a stage trains on, and the splits that it reads."""
        members = config.mixture.members
        wanted = [(task, "train") for task in members]
        dev = dev_task(config)
        if dev is not None:
            wanted.append((dev, "validation"))
        return members, [each for each in wanted if _has_split(*each)]

    def _scored(self, config: Config) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        """Tasks that are predicted, each with the split that is taken first."""
        tasks, wanted = [], []
        for entry in config.run.evaluate:
            name, _, split = entry.partition("/")
            for task in _tasks_of(name):
                tasks.append(task)
                options = (split,) if split else ("test", "validation")
                wanted += [(task, each) for each in options if _has_split(task, each)]
        return tuple(tasks), wanted

    def _data(self, task: str, split: str, config: Config) -> dict[str, Any]:
        """What decides the examples of one split."""
        run = config.run
        change = [run.augmentation, run.augmentation_share, run.augmentation_seed]
        augmented = change if run.augmentation and split == "train" else []
        key = (task, split, json.dumps(augmented))
        if key in self._facts:
            return self._facts[key]
        from xtl_tasks import catalog

        family, language = catalog.find(task)
        settings = caching.task_settings(run, vocabulary=None)
        sources = caching.source_digests(
            family, language, split=split, settings=settings, cache_dir=run.cache_dir
        )
        where = "missing" if sources is None else "here"
        if sources is None:
            sources = _cached(pathlib.Path(run.cache_dir) / task, split)
            where = "missing" if sources is None else "cached"
        self.data[task, split] = where
        self._facts[key] = {
            "task": task,
            "split": split,
            "family": self._definition(family),
            "prompts_version": prompts.VERSION,
            "labelled_version": labelled.VERSION,
            "store_version": store.FORMAT_VERSION,
            "augmentation": augmented,
            "sources": sources,
        }
        return self._facts[key]

    def _vocabulary(self, config: Config) -> str:
        """Checksum of the vocabulary's file; what names it, where it is not here."""
        name = config.run.vocabulary
        if not pathlib.Path(name).is_file():
            return name
        (found,) = cache.digests([name], cache_dir=config.run.cache_dir) or ({},)
        return found["sha256"]

    def _code(self, kind: str, *, attacked: bool) -> str:
        key = f"{kind} {attacked}"
        if key not in self._versions:
            names = ["xtl_jax.model", *_data_modules()]
            names += ["xtl_jax.train"] if kind == "train" else ["xtl_jax.infer"]
            names += ["xtl_jax.attacks"] if attacked else []
            self._versions[key] = code_version.of_modules(names)
        return self._versions[key]

    def _definition(self, family: Family) -> dict[str, Any]:
        """What decides a family's examples, beside its files."""
        if family.name not in self._definitions:
            of, search = code_version.of_function, family.search
            self._definitions[family.name] = {
                "name": family.name,
                "kind": family.kind,
                "read": of(family.read, within="xtl_jax.data.readers"),
                "prompt": of(family.prompt),
                "postprocess": of(family.postprocess),
                "place": of(family.place),
                "labels": family.labels,
                "tags": family.tags,
                "candidates": family.candidates,
                "search": None if search is None else dataclasses.asdict(search),
                "transform": dict(family.card.transform),
                "parts": [self._definition(part) for part in family.parts],
            }
        return self._definitions[family.name]

    def _scorer(self, family: Family) -> list[str]:
        """Versions of what turns a family's predictions into numbers."""
        metric, within = family.metric, "xtl_jax.metrics"
        if metric is None:
            return []
        if family.name not in self._scorers:
            self._scorers[family.name] = [
                code_version.of_function(metric.counts, within=within),
                code_version.of_function(metric.combine, within=within),
                json.dumps([metric.name, metric.primary, metric.keys]),
                code_version.of_modules([f"{within}.scoring"], within=within),
            ]
        return self._scorers[family.name]


def planned(asked: Asked, *, search: Sequence[str] = ()) -> tuple[Graph, Describer]:
    """The stages of a study, and what describes them.

    Raises:
        UserError: what the study asks for does not exist or is not allowed.
    """
    describer = Describer(overrides=asked.overrides, search=search)
    found = graph(asked.config, describer, task=describe_task, languages=languages)
    return found, describer


def describe_task(name: str) -> Task:
    """What the zero-shot rule must know of a task."""
    from xtl_tasks import catalog
    from xtl_tasks.family import scored_language

    family, language = catalog.find(name)
    labelled_task = family.kind not in ("text", "parallel")
    return Task(
        family=family.name,
        language=scored_language(language) if labelled_task else language,
        labelled=labelled_task,
        head=family.shares_head or family.name,
    )


def languages(name: str) -> tuple[str, ...]:
    """Languages that a family or task, perhaps with a split, is scored in."""
    from xtl_tasks.family import scored_language

    tasks = _tasks_of(name.partition("/")[0])
    return tuple(scored_language(task.partition(".")[2] or "en") for task in tasks)


def _tasks_of(name: str) -> tuple[str, ...]:
    """A task, or the tasks of a family in its standard languages."""
    from xtl_tasks import catalog

    if name in {family.name for family in catalog.FAMILIES}:
        family = catalog.family(name)
        return tuple(map(family.task_name, family.standard_languages))
    family, language = catalog.find(name)
    return (family.task_name(language),)


def _some_task(evaluated: str) -> str:
    return _tasks_of(evaluated.partition("/")[0])[0]


def _has_split(task: str, split: str) -> bool:
    from xtl_tasks import catalog

    family, language = catalog.find(task)
    return split in family.splits_of(language)


def _without_name(config: Config) -> dict[str, Any]:
    mixture = dict(config.to_json()["mixture"])
    del mixture["name"]
    return mixture


def _cached(folder: pathlib.Path, split: str) -> Any:
    """What the one cache of a split was made from; None where that is not certain."""
    cards = [store.read_card(each) for each in sorted(folder.glob(f"{split}-*"))]
    found = {json.dumps(card.get("sources"), sort_keys=True) for card in cards}
    return json.loads(found.pop()) if len(found) == 1 else None


def _identity(path: str) -> Any:
    """What a checkpoint or file from outside is, by its content as far as it is small.

    Where it is not here, what names it.
    """
    here = pathlib.Path(path)
    files = sorted(here.rglob("*")) if here.is_dir() else [here]
    found: list[Mapping[str, Any]] = []
    for file in files:
        if file.is_file():
            name = str(file.relative_to(here)) if file != here else file.name
            size = file.stat().st_size
            digest = fetch.sha256_of(file) if size <= _SMALL else None
            found.append({"name": name, "size": size, "sha256": digest})
    return found or {"named": path}


def _data_modules() -> list[str]:
    """Modules of `data` that no single task owns."""
    folder = pathlib.Path(store.__file__).parent
    names = sorted(path.stem for path in folder.glob("*.py"))
    kept = [name for name in names if name not in (*_OF_TASKS, "__init__")]
    return [f"xtl_jax.data.{name}" for name in kept]
