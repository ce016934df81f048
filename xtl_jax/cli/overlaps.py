"""What of the evaluation sets stands in the data that a run learns from or chooses by.

Looked for before training, in the texts themselves (`data/overlap.py`), where the
release files are on this machine. What was found is kept beside the caches, so a run
that goes on does not look again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.cli.progress import counting, tell
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.train.config import RunConfig

_MOST_CHARACTERS = 2_000_000_000  # of one set of plain text: minutes, not hours
_CAVEAT = (
    "Found is what is the same after normalisation; a paraphrase, or a translation "
    "under another id, is not."
)


class Split(NamedTuple):
    """One split of a catalogue task."""

    task: str
    split: str

    def __str__(self) -> str:
        return f"{self.task}/{self.split}"


class Findings(NamedTuple):
    """What was looked for, as JSON values."""

    # One row for each learnt split, evaluation split and kind: `training`, `task`,
    # `split`, and the fields of `data.overlap.Overlap`.
    found: list[dict[str, Any]]
    not_checked: dict[str, str]  # split to reason


def evaluation_splits(task: str, *, settings: TaskSettings) -> list[Split]:
    """Splits of a task that nothing should be trained on, and that are here."""
    from xtl_tasks import catalog

    family, language = catalog.find(task)
    return [
        Split(task, split)
        for split in family.splits_of(language)
        if split != "train" and _is_here(Split(task, split), settings)
    ]


def _is_here(each: Split, settings: TaskSettings) -> bool:
    from xtl_tasks import catalog, loading

    family, language = catalog.find(each.task)
    try:
        source = loading.find_source(
            family, language, split=each.split, settings=settings
        )
    except UserError:  # a file setting that names no file of this machine
        return False
    return source is not None


def find(
    learnt: Sequence[Split],
    *,
    against: Sequence[Split],
    settings: TaskSettings,
    cache_dir: str,
) -> Findings:
    """Evaluation texts that stand in other splits.

    Args:
        learnt: splits that a model is trained on or chosen by.
        against: evaluation splits; a split is not held against itself.
        settings: where the data is, and the vocabulary.
        cache_dir: where the answer is kept.
    """
    from xtl_jax.data.overlap import Index
    from xtl_jax.infer import records

    kept = _kept(learnt, against, settings=settings, cache_dir=cache_dir)
    if kept is not None and kept.is_file():
        return Findings(**records.read_document(kept))
    why: dict[str, str] = {}
    sets = {str(each): _rows(each, settings, why) for each in against}
    index = Index(sets)
    named = {str(each): each for each in against}
    found = []
    for source in learnt:
        for name, kinds in index.search(_rows(source, settings, why)).items():
            if name == str(source) or {name, str(source)} & set(why):
                continue
            place = {"training": str(source), **named[name]._asdict()}
            found += [place | dataclasses.asdict(each) for each in kinds]
    findings = Findings(json.loads(json.dumps(found)), why)
    if kept is not None and not why:
        kept.parent.mkdir(parents=True, exist_ok=True)
        records.replace(kept, json.dumps(findings._asdict(), ensure_ascii=False))
    return findings


def _rows(each: Split, settings: TaskSettings, why: dict[str, str]) -> Iterator[Any]:
    """The rows of a split, with a progress bar; of plain text the first.

    Where they cannot be read they end, and `why` says so.
    """
    from xtl_tasks import catalog, loading

    family, language = catalog.find(each.task)
    expected = family.rows_published(language=language, split=each.split)
    characters = 0
    with counting(f"overlap: {each}", total=expected) as done:
        try:
            rows = loading.rows(family, language, split=each.split, settings=settings)
            for number, row in enumerate(rows):
                yield row
                if number % 1024 == 0:
                    done(number)
                if family.kind == "text":
                    characters += len(row.text)
                    if characters > _MOST_CHARACTERS:
                        tell(f"{each}: its first {number + 1:,} texts are looked at")
                        return
        except UserError as error:
            why[str(each)] = str(error)


def _kept(
    learnt: Iterable[Split],
    against: Iterable[Split],
    *,
    settings: TaskSettings,
    cache_dir: str,
) -> pathlib.Path | None:
    """The file of the answer about these very files; None if they are not here."""
    from xtl_tasks import catalog

    from xtl_jax.cli import caching
    from xtl_jax.data.overlap import VERSION

    content: list[Any] = [VERSION, _MOST_CHARACTERS]
    for each in (*learnt, Split("", ""), *against):
        if not each.task:
            content.append(None)
            continue
        family, language = catalog.find(each.task)
        recipe = caching.recipe_of(
            family, language, split=each.split, settings=settings, cache_dir=cache_dir
        )
        if recipe.sources is None:
            return None
        content.append([*each, recipe.sources])
    name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return pathlib.Path(cache_dir) / f"overlap-{name}.json"


# --- of a run -----------------------------------------------------------------------


def of_run(
    run: RunConfig,
    *,
    tasks: Iterable[str],
    dev_task: str | None,
    settings: TaskSettings,
) -> dict[str, Any]:
    """What `run.json` says of overlap; the user is told what was found.

    Held against the sets that the run names to be evaluated are its training splits and
    the split that chooses checkpoints. Toys are left out.

    Returns:
        `checked` (evaluation splits), `found` (where to how much) and `not_checked`
        (split to reason); empty where there is nothing to hold against each other.
    """
    why: dict[str, str] = {}
    learnt = [Split(task, "train") for task in tasks]
    if dev_task is not None:
        learnt.append(Split(dev_task, "validation"))
    learnt = [each for each in learnt if _usable(each, settings, why)]
    against = [each for each in _evaluated(run, settings) if each not in learnt]
    against = [each for each in against if _usable(each, settings, why)]
    if not learnt or not against:
        return {"checked": [], "found": {}, "not_checked": why} if why else {}
    findings = find(learnt, against=against, settings=settings, cache_dir=run.cache_dir)
    why |= findings.not_checked
    items = [row for row in findings.found if row["kind"] == "item" and row["shared"]]
    for line in _lines(items):
        tell(f"overlap: {line}")
    for reason in dict.fromkeys(why.values()):
        names = [name for name in why if why[name] == reason]
        tell(f"overlap: not checked: {', '.join(names)}: {reason}")
    return {
        "checked": [str(each) for each in against if str(each) not in why],
        "found": {
            f"{row['task']}/{row['split']} in {row['training']}": _share(row)
            for row in items
        },
        "not_checked": why,
    }


def _usable(each: Split, settings: TaskSettings, why: dict[str, str]) -> bool:
    from xtl_tasks import catalog

    family, _ = catalog.find(each.task)
    if family.card.toy:  # its parts are made of the same facts, and say so
        return False
    if _is_here(each, settings):
        return True
    why[str(each)] = "its files are not here"
    return False


def _evaluated(run: RunConfig, settings: TaskSettings) -> list[Split]:
    """The sets that would be predicted: of no split named, test where it is here."""
    wanted = []
    for entry in run.evaluate:
        name, _, split = entry.partition("/")
        for family, language in _members(name):
            have = family.splits_of(language)
            splits = [split] if split else ["test", "validation"]
            known = [Split(family.task_name(language), s) for s in splits if s in have]
            here = [each for each in known if _is_here(each, settings)]
            wanted += (here or known)[:1]
    return list(dict.fromkeys(wanted))


def _members(name: str) -> list[tuple[Family, str]]:
    from xtl_tasks import catalog

    for family in catalog.FAMILIES:
        if family.name == name:
            return [(family, language) for language in family.standard_languages]
    return [catalog.find(name)]


def _share(row: Mapping[str, Any]) -> str:
    return f"{row['shared']:,} of {row['total']:,} items"


def _lines(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each learnt split and evaluated family, its languages together."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for row in items:
        family, _, language = row["task"].partition(".")
        grouped.setdefault((row["training"], f"{family}/{row['split']}"), []).append(
            f"{language} {_share(row)}".strip()
        )
    return [
        f"{training} holds texts of {evaluated}: {', '.join(shares)}"
        for (training, evaluated), shares in grouped.items()
    ]


# --- shown --------------------------------------------------------------------------


def show(findings: Findings) -> None:
    """A table of what was found, and in words what was not."""
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    console.print()
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True)
    for head in ("evaluation", "what", "in"):
        table.add_column(head, no_wrap=True)
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("such as", no_wrap=True, ratio=1)  # what room is left
    clean: dict[str, list[str]] = {}
    for each in findings.found:
        name = f"{each['task']}/{each['split']}"
        if each["shared"]:
            counts = f"{each['shared']:,} of {each['total']:,}"
            sample = Text(" ".join(each["samples"][0].split()))
            where = each["training"].removesuffix("/train")
            table.add_row(name, each["kind"], where, counts, sample)
        elif each["kind"] != "item":
            place = f"{name} in {each['training']}"
            clean.setdefault(place, []).append(each["kind"])
    if table.row_count:
        console.print(table)
    for name, kinds in clean.items():
        console.print(Text(f"{name}: no {', '.join(kinds)} found"))
    for name, reason in findings.not_checked.items():
        console.print(Text(f"{name} not checked: {reason}"))
    console.print(Text(_CAVEAT, style="dim"))
