"""XTREME and XTREME-R as data: their tasks, languages and groups.

    >>> BENCHMARKS["xtreme"].task("mlqa").languages
    ('en', 'es', 'de', 'ar', 'hi', 'vi', 'zh')
    >>> [group.name for group in BENCHMARKS["xtreme"].groups]
    ['classification', 'tagging', 'qa', 'retrieval']

All of it is that of XTREME's `evaluate.py` (commit 838c13b), in its order, but for what
is marked as ours: the script has no languages and no reader for LAReQA, and leaves it
out of its retrieval group. XTREME-R's XCOPA is in two groups.

What is computed from it is in `benchmark_score.py`.

Reference: Hu et al. 2020 (XTREME), Ruder et al. 2021 (XTREME-R).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from xtl_jax.errors import UserError, near


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One task of a benchmark."""

    name: str  # its folder in a submission
    title: str
    family: str  # in the catalogue
    keys: tuple[str, ...]  # the score is the mean of these values
    languages: tuple[str, ...]  # in the order in which they are added
    other_formats: tuple[str, ...] = ()  # families of the same data in another format
    split: str = "test"  # what the benchmark scores, by the catalogue's name
    own_mean: str = ""  # whose mean leaves English out, if the data's authors have one
    ours: bool = False  # `evaluate.py` has no score for it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Tasks that have a mean of their own."""

    name: str
    title: str
    tasks: tuple[str, ...]
    ours: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Tasks and groups, in the order of the script."""

    name: str  # as `--xtreme_version` has it
    title: str
    tasks: tuple[Task, ...]
    groups: tuple[Group, ...]

    def task(self, name: str) -> Task:
        """The task of that name.

        Raises:
            UserError: there is none; names the near ones.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        names = [task.name for task in self.tasks]
        raise UserError(
            f"{self.title} has no task {name!r}; near: {near(name, names)}; it has: "
            f"{', '.join(names)}"
        )


_PANX = (
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru "
    "ja ka ko th sw yo my zh kk tr et fi hu"
)
_MORE_PANX = "qu pl uk az lt pa gu ro"
_UDPOS = (
    "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th "
    "tl tr ur vi yo zh"
)
_TATOEBA = (
    "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka "
    "ko th sw zh kk tr et fi hu"
)
_XNLI = "ar bg de el en es fr hi ru sw th tr ur vi zh"
_XCOPA = "et ht id it qu sw ta th tr vi zh"
_XQUAD = "en es de el ru tr ar vi th zh hi"
_MLQA = "en es de ar hi vi zh"
_TYDIQA = "en ar bn fi id ko ru sw te"
_QA = ("exact_match", "f1")


def _task(
    name: str,
    title: str,
    languages: str,
    *keys: str,
    **others: Any,
) -> Task:
    return Task(
        name=name,
        title=title,
        keys=keys,
        languages=tuple(languages.split()),
        **{"family": name, **others},
    )


_SPANS = {"other_formats": ("panx_spans",)}
_TYDI = {"family": "tydiqa_goldp", "split": "validation", "own_mean": "TyDi QA"}


# What both versions group alike.
_SHARED_GROUPS = (
    Group(name="tagging", title="Tagging", tasks=("udpos", "panx")),
    Group(name="qa", title="Question answering", tasks=("xquad", "mlqa", "tydiqa")),
)

BENCHMARKS: Mapping[str, Benchmark] = {
    "xtreme": Benchmark(
        name="xtreme",
        title="XTREME",
        tasks=(
            _task("pawsx", "PAWS-X", "de en es fr ja ko zh", "accuracy"),
            _task("xnli", "XNLI", _XNLI, "accuracy"),
            _task("panx", "NER (PAN-X)", _PANX, "f1", **_SPANS),
            _task("udpos", "POS (UDPOS)", _UDPOS, "f1"),
            _task("bucc2018", "BUCC", "de fr ru zh", "f1", family="bucc"),
            _task("tatoeba", "Tatoeba", _TATOEBA, "accuracy"),
            _task("xquad", "XQuAD", _XQUAD, *_QA),
            _task("mlqa", "MLQA", _MLQA, *_QA),
            _task("tydiqa", "TyDiQA-GoldP", _TYDIQA, *_QA, **_TYDI),
        ),
        groups=(
            Group(
                name="classification",
                title="Classification",
                tasks=("pawsx", "xnli"),
            ),
            *_SHARED_GROUPS,
            Group(name="retrieval", title="Retrieval", tasks=("bucc2018", "tatoeba")),
        ),
    ),
    "xtreme-r": Benchmark(
        name="xtreme-r",
        title="XTREME-R",
        tasks=(
            _task("xnli", "XNLI", _XNLI, "accuracy"),
            _task("panx", "NER (PAN-X)", f"{_PANX} {_MORE_PANX}", "f1", **_SPANS),
            _task("udpos", "POS (UDPOS)", f"{_UDPOS} lt pl uk wo ro", "f1"),
            _task("tatoeba", "Tatoeba", f"{_TATOEBA} az lt pl uk ro", "accuracy"),
            _task("xcopa", "XCOPA", _XCOPA, "accuracy", other_formats=("xcopa_rank",)),
            _task("lareqa", "LAReQA", _XQUAD, "map@20", ours=True),
            _task("mewslix", "Mewsli-X", "ar de en es fa ja pl ro ta tr uk", "map@20"),
            _task("xquad", "XQuAD", f"{_XQUAD} ro", *_QA),
            _task("mlqa", "MLQA", _MLQA, *_QA),
            _task("tydiqa", "TyDiQA-GoldP", _TYDIQA, *_QA, **_TYDI),
        ),
        groups=(
            Group(
                name="classification",
                title="Classification",
                tasks=("xnli", "xcopa"),
            ),
            *_SHARED_GROUPS,
            Group(name="retrieval", title="Retrieval", tasks=("tatoeba", "mewslix")),
            Group(name="multi_choice", title="Multiple choice", tasks=("xcopa",)),
            Group(
                name="retrieval_with_lareqa",
                title="Retrieval with LAReQA",
                tasks=("tatoeba", "mewslix", "lareqa"),
                ours=True,
            ),
        ),
    ),
}
