"""`xtl tasks`: the catalogue, and one task's protocol card.

    xtl tasks                        every family, and whether its data is here
    xtl tasks mlqa                   how MLQA is used, scored, and where it misleads
    xtl tasks mlqa.en-ar --json      the same for programs

A split counts as here when a file of the release, or a prepared TFDS set, is found; it
is read and checked when it is used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import task_settings

if TYPE_CHECKING:
    from rich.table import Table
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data.mixture import MixtureConfig

WIDE = 130  # columns of a terminal from which on the table has sources and licences
# Fields of the protocol card in reading order, and their titles.
CARD_FIELDS = {
    "summary": "what",
    "trains_on": "trains on",
    "selection": "checkpoints chosen by",
    "normaliser": "scorer's normaliser",
    "licence": "licence",
    "homepage": "homepage",
    "traps": "mind",
    "get": "to get it",
}


def add_parser(subparsers: Any) -> None:
    """Add `xtl tasks` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "tasks",
        help="the catalogue of tasks, and what of it is on this machine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="a family, task or mixture")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    task_settings.add_data_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the catalogue or a card."""
    from xtl_tasks import catalog, mixtures

    settings = task_settings.settings(args)
    if args.name is None:
        families = [summary(family, settings=settings) for family in catalog.FAMILIES]
        mixed = [_mixture(mixture) for mixture in mixtures.MIXTURES]
        if args.json:
            _print_json({"families": families, "mixtures": mixed})
        else:
            _print_catalog(families, mixed, data_dir=settings.data_dir)
        return 0
    if args.name in mixtures.names():
        found = _with_shares(mixtures.mixture(args.name))
        _print_json(found) if args.json else _print_mixture(found)
        return 0
    if args.name in {family.name for family in catalog.FAMILIES}:
        family, languages = catalog.family(args.name), None
    else:
        family, language = catalog.find(args.name)
        languages = (language,)
    found = card(family, languages=languages, settings=settings)
    _print_json(found) if args.json else _print_card(found)
    return 0


def summary(family: Family, *, settings: TaskSettings) -> dict[str, Any]:
    """One family as the table shows it."""
    here = _here(family, languages=family.languages, settings=settings)
    return {
        "name": family.name,
        "role": family.role,
        "kind": family.kind,
        "languages": list(family.standard_languages),
        "other_languages": [
            language
            for language in family.languages
            if language not in family.standard_languages
        ],
        "metric": family.metric.name if family.metric else None,
        "train_rows": family.train_rows,
        "sources": _sources(family),
        "licence": family.card.licence,
        "toy": family.card.toy,
        "here": {
            split: [language for language, where in found.items() if where]
            for split, found in here.items()
        },
        "expected": {
            split: [
                language
                for language in family.standard_languages
                if split in family.splits_of(language)
            ]
            for split in family.splits
        },
    }


def card(
    family: Family, *, languages: Sequence[str] | None, settings: TaskSettings
) -> dict[str, Any]:
    """A family's protocol card, with where each split of each language is."""
    here = _here(family, languages=languages or family.languages, settings=settings)
    return {
        **summary(family, settings=settings),
        "tasks": [family.task_name(each) for each in languages or family.languages],
        "metric_keys": list(family.metric.keys) if family.metric else [],
        "labels": list(family.labels),
        "parts": [part.name for part in family.parts],
        "card": {field: getattr(family.card, field) for field in CARD_FIELDS},
        "transform": dict(family.card.transform),
        "files": {
            split: list(
                family.files_of(languages[0], split=split) if languages else names
            )
            for split, names in family.files.items()
            if not languages or split in family.splits_of(languages[0])
        },
        "tfds": {
            split: f"{source.name}:{source.split}"
            for split, source in family.tfds.items()
        },
        "where": here,
        "attacks": _attacks(family, languages or family.languages),
        "selected": list(languages or ()),
    }


def _attacks(family: Family, languages: Sequence[str]) -> list[str]:
    """Names of the attacks that have a meaning for its rows in one of the languages."""
    from xtl_jax.attacks import catalog
    from xtl_jax.data import rows
    from xtl_jax.metrics import languages as facts

    made = {
        "qa": rows.QuestionRow,
        "classification": rows.PairRow,
        "ranking": rows.ChoiceRow,
        "tagging": rows.TaggedRow,
    }
    if family.kind not in made:
        return []  # no answers that could be attacked
    known = [each for each in languages if facts.find(each.partition("-")[0])]
    return [
        attack.name
        for attack in catalog.ATTACKS
        if issubclass(made[family.kind], attack.kinds)
        and any(not attack.refuses(each.partition("-")[0]) for each in known)
    ]


def _here(
    family: Family, *, languages: Sequence[str], settings: TaskSettings
) -> dict[str, dict[str, str | None]]:
    """Split to language to place; None where the data is not here."""
    from xtl_tasks import loading

    found: dict[str, dict[str, str | None]] = {}
    for split in family.splits:
        found[split] = {}
        for language in languages:
            if split in family.splits_of(language):
                source = loading.find_source(
                    family, language, split=split, settings=settings
                )
                found[split][language] = str(source) if source else None
    return found


def _sources(family: Family) -> list[str]:
    names = ["files"] if any(each.files for each in family.releases) else []
    return names + (["TFDS"] if any(each.tfds for each in family.releases) else [])


def _mixture(mixture: MixtureConfig) -> dict[str, Any]:
    """What is known of a mixture without its data."""
    from xtl_tasks import mixtures

    whole = mixtures.expand(mixture)
    return {
        "name": whole.name,
        "rule": mixture.summary(),
        "tasks": list(whole.members),
    }


def _with_shares(mixture: MixtureConfig) -> dict[str, Any]:
    """The same and each task's share, where numbers of examples do not decide it."""
    from xtl_tasks import mixtures

    whole = mixtures.expand(mixture)
    shares = {} if whole.depends_on_sizes else whole.shares({})
    return {
        **_mixture(mixture),
        "shares_percent": {task: 100.0 * share for task, share in shares.items()}
        or None,
    }


def _print_json(document: Mapping[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


def _print_catalog(
    families: Sequence[Mapping[str, Any]],
    mixed: Sequence[Mapping[str, Any]],
    *,
    data_dir: str | None,
) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    # In a file or a log, lines are as long as they need to be.
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    wide = console.width >= WIDE
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("languages", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    table.add_column("train rows", no_wrap=True, justify="right")
    table.add_column("data here")
    if wide:
        table.add_column("source", no_wrap=True)
        table.add_column("licence")
    above = ""
    for family in families:
        rows = family["train_rows"]
        role = "toy" if family["toy"] else family["role"]
        if role != above:
            above = role
            table.add_row(Text(role, style="bold"))
        cells = [
            f"  {family['name']}",
            _languages(family, short=True),
            family["metric"] or "loss",
            f"{rows:,}" if rows else "",
            _here_cell(family),
        ]
        if wide:
            cells += [", ".join(family["sources"]), family["licence"]]
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print()
    console.print(_mixtures_table(mixed))
    console.print(
        Text(
            f"data directory: {data_dir or 'none: set --data_dir or XTL_DATA_DIR'}\n"
            "`xtl tasks NAME` tells more of one family, task or mixture: its sources, "
            "licence and traps, and the attacks that apply to it; `xtl docs attacks` "
            "shows each attack in six scripts."
        )
    )


def _mixtures_table(mixed: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("mixture", no_wrap=True)
    table.add_column("tasks", justify="right")
    table.add_column("rates")
    for mixture in mixed:
        cells = (mixture["name"], str(len(mixture["tasks"])), mixture["rule"])
        table.add_row(*map(Text, cells))
    return table


def _languages(family: Mapping[str, Any], *, short: bool = False) -> str:
    """The languages by name, or where that is long and `short` is set, their number."""
    names = " ".join(family["languages"])
    others = family["other_languages"]
    if short and len(family["languages"]) > 1:
        return f"{len(family['languages'])}" + (f" + {len(others)}" if others else "")
    if not others:
        return names
    pairs = [language for language in others if "-" in language]
    more = [language for language in others if language not in pairs]
    if len(pairs) < 5:
        return f"{names} + {' '.join(others)}"
    return f"{names} + {' '.join([*more, f'{len(pairs)} pairs'])}"


def _here_cell(family: Mapping[str, Any]) -> str:
    """`train 3/9, validation 9/9`, or `yes` and `no` where all splits agree."""
    counts = {
        split: (len(set(found) & set(family["expected"][split])), len(expected))
        for split, found in family["here"].items()
        if (expected := family["expected"][split])
    }
    if all(found == wanted for found, wanted in counts.values()):
        return "yes"
    if not any(found for found, _ in counts.values()):
        return "no"
    return ", ".join(
        f"{split} {found}/{wanted}" for split, (found, wanted) in counts.items()
    )


def _print_card(found: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    selected = found["selected"]
    name = found["tasks"][0] if selected else found["name"]
    console.print(Text(name, style="bold"))
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")

    def line(title: str, value: str) -> None:
        table.add_row(title, Text(value))

    line(CARD_FIELDS["summary"], found["card"]["summary"])
    line("role", f"{found['role']} ({found['kind']})")
    line("languages", _languages(found))
    if found["metric"]:
        line("metric", f"{found['metric']}: {', '.join(found['metric_keys'])}")
    if found["labels"]:
        line("targets", " | ".join(found["labels"]))
    if found["train_rows"]:
        line("train rows", f"{found['train_rows']:,} as published")
    if found["parts"]:
        line("rows of", " + ".join(found["parts"]))
    for field, title in CARD_FIELDS.items():
        if field != "summary":
            line(title, found["card"][field])
    for split, names in found["files"].items():
        line(f"{split} files", names[0] + (" (or …)" if len(names) > 1 else ""))
    for split, source in found["tfds"].items():
        line(f"{split} TFDS", source)
    if found["attacks"]:
        line("attacks", " ".join(found["attacks"]))
        line("", "each is shown in six scripts by `xtl docs attacks`")
    for split, where in found["where"].items():
        line(f"{split} here", _where(where, selected=bool(selected)))
    console.print(table)


def _where(where: Mapping[str, str | None], *, selected: bool) -> str:
    here = [language for language, place in where.items() if place]
    if selected:
        return next(iter(where.values()), None) or "no"
    if len(here) == len(where) and here:
        return f"all of {len(here)}"
    return " ".join(here) or "no"


def _print_mixture(found: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    console.print(Text(found["name"], style="bold"))
    console.print(Text(f"rates: {found['rule']}"))
    shares = found["shares_percent"] or {}
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("task")
    table.add_column("share" if shares else "", justify="right")
    for task in found["tasks"]:
        table.add_row(task, f"{shares[task]:.1f}%" if task in shares else "")
    console.print(table)
    console.print(
        Text(
            f"`xtl data show {found['name']}` tells rates, epochs, tokens and packing.",
            style="dim",
        )
    )
