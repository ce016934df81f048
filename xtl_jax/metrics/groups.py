"""Means over groups of languages: by resources, script, family, pre-training.

A family's languages are parted in several ways, the *dimensions*. A group's value is
the plain mean of its languages' values, as a macro average is:

    >>> values = {"en": {"f1": 80.0}, "sw": {"f1": 50.0}, "te": {"f1": 40.0}}
    >>> found = {
    ...     (group.dimension, group.name): group.values
    ...     for group in of_languages(values, draws={}, languages=tuple(values))
    ... }
    >>> found["resource", "low"], found["script", "Telugu"]
    ({'f1': 45.0}, {'f1': 40.0})

English is the language that zero-shot transfer starts from, so a mean that holds it
mixes supervised and transferred. Each group that has it beside others is given a
second time without it, as `NAME_without_english`.

A language that was not scored is listed, and its groups have no value: a mean over
fewer languages would be another number under the same name. Groups of resources and of
pre-training are there even where a family has no such language, so that one sees that
it cannot answer the question: MLQA has no low-resource language. Languages of which
`languages.py` knows nothing are in a group called `unknown`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xtl_jax.metrics.languages import SOURCE, Language, find
from xtl_jax.metrics.metric import Values, mean_values

UNKNOWN = "unknown"
WITHOUT_ENGLISH = "_without_english"

Intervals = Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dimension:
    """One way to part languages."""

    name: str
    title: str
    group: Callable[[Language], Any]  # facts to the group's name; None: unknown
    titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    always: tuple[str, ...] = ()  # groups that are there without a language too


def _resource(facts: Language) -> str | None:
    if facts.low_resource is None:
        return None
    return "low" if facts.low_resource else "high"


def _in_or_out(flag: bool) -> str:
    return "in" if flag else "out"


DIMENSIONS = (
    Dimension(
        name="resource",
        title="Resource level",
        group=_resource,
        titles={"low": "Low (Joshi 0–2)", "high": "The rest (Joshi 3–5)"},
        always=("low", "high"),
    ),
    Dimension(
        name="joshi",
        title="Joshi class",
        group=lambda facts: facts.joshi_class,
        titles={str(number): f"Class {number}" for number in range(6)},
    ),
    Dimension(name="script", title="Script", group=lambda facts: facts.script),
    Dimension(name="family", title="Family", group=lambda facts: facts.family),
    Dimension(name="genus", title="Genus", group=lambda facts: facts.genus),
    Dimension(
        name="mt5",
        title="mT5's pre-training",
        group=lambda facts: _in_or_out(facts.in_mt5),
        titles={"in": "In mT5's pre-training", "out": "Not in mT5's pre-training"},
        always=("in", "out"),
    ),
    Dimension(
        name="xlmr",
        title="XLM-R's pre-training",
        group=lambda facts: _in_or_out(facts.in_xlmr),
        titles={"in": "In XLM-R's pre-training", "out": "Not in XLM-R's pre-training"},
        always=("in", "out"),
    ),
    Dimension(
        name="source",
        title="English and the rest",
        group=lambda facts: "english" if facts.code == SOURCE else "others",
        titles={"english": "English", "others": "All other languages"},
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Some of a family's languages; `values` is None where one is missing."""

    dimension: str
    name: str
    title: str
    languages: tuple[str, ...]  # all that belong to it, missing ones too
    missing_languages: tuple[str, ...]
    values: Values | None
    intervals: Intervals | None  # 95 %, by key


def of_languages(
    values: Mapping[str, Values],
    *,
    draws: Mapping[str, Mapping[str, Any]],
    languages: Sequence[str],
) -> tuple[Group, ...]:
    """All groups of all dimensions.

    Args:
        values: by language that was scored, percent by key.
        draws: the same, resampled: arrays of which entry i belongs to resample i in
            every language, as `bootstrap.draws` gives them. Empty: no intervals.
        languages: those to be parted.
    """
    return tuple(
        _group(
            dimension,
            name=name,
            members=members,
            values=values,
            draws=draws,
        )
        for dimension in DIMENSIONS
        for name, members in _parted(dimension, languages).items()
    )


def intervals(arrays: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each key's resampled values."""
    from xtl_jax.metrics import bootstrap  # numpy is imported only when it is needed

    return {key: bootstrap.interval(array) for key, array in arrays.items()}


def to_json(
    groups: Sequence[Group], *, keys: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Groups by dimension and name, for `scores/summary.json`."""
    document: dict[str, dict[str, dict[str, Any]]] = {}
    for group in groups:
        document.setdefault(group.dimension, {})[group.name] = {
            "title": group.title,
            "languages": list(group.languages),
            "missing_languages": list(group.missing_languages),
            # A mean that cannot be given is null under its key.
            "values": dict(group.values or dict.fromkeys(keys)),
            "intervals": {
                key: list(pair) for key, pair in (group.intervals or {}).items()
            },
        }
    return document


def _parted(
    dimension: Dimension, languages: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Group name to its languages, in the order in which tables show groups."""
    parted: dict[str, list[str]] = {name: [] for name in dimension.always}
    unknown: list[str] = []
    for language in languages:
        facts = find(language)
        name = None if facts is None else dimension.group(facts)
        (unknown if name is None else parted.setdefault(str(name), [])).append(language)
    ordered = [*dimension.always, *sorted(parted.keys() - set(dimension.always))]
    if unknown:
        parted[UNKNOWN] = unknown
        ordered.append(UNKNOWN)
    found: dict[str, tuple[str, ...]] = {}
    for name in ordered:
        members = tuple(parted[name])
        found[name] = members
        if SOURCE in members and len(members) > 1:
            found[name + WITHOUT_ENGLISH] = tuple(
                language for language in members if language != SOURCE
            )
    return found


def _group(
    dimension: Dimension,
    *,
    name: str,
    members: tuple[str, ...],
    values: Mapping[str, Values],
    draws: Mapping[str, Mapping[str, Any]],
) -> Group:
    missing = tuple(language for language in members if language not in values)
    complete = bool(members) and not missing
    whole = name.removesuffix(WITHOUT_ENGLISH)
    known = {**dimension.titles, UNKNOWN: "Not in our table"}
    title = known.get(whole, whole)
    return Group(
        dimension=dimension.name,
        name=name,
        title=title if whole == name else f"{title}, without English",
        languages=members,
        missing_languages=missing,
        values=mean_values({language: values[language] for language in members})
        if complete
        else None,
        intervals=intervals(
            mean_values({language: draws[language] for language in members})
        )
        if complete and draws
        else None,
    )
