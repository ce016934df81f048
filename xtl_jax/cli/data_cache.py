"""`xtl data cache TASK_OR_MIXTURE`: tokenise once, and see what will be trained on.

    xtl data cache squad_v1 --data_dir data --vocabulary mt5.model
    xtl data cache mlqa --split test --lengths inputs=512,targets=64
    xtl data cache squad_v1 --split train --against xquad mlqa.en

For each task and split: examples, tokens, the share that the lengths would cut, how
full packed rows are, bytes, seconds, and the lengths that 99 of 100 examples fit.
`--against` reports which evaluation texts the training split contains.

A task of your own, registered with SeqIO, is cached by its name: `--module my_tasks`
imports the module that registers it.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import textwrap
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import data_measures, task_settings
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data.features import Lengths


def add_parser(subparsers: Any) -> None:
    """Add `xtl data cache` to the actions of `xtl data`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "cache",
        help="tokenise tasks once; size, truncation, fill, overlap",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "task", help="a task, a family (all its languages) or a mixture"
    )
    parser.add_argument(
        "--split",
        action="append",
        default=[],
        help="default: every split that is here; may be repeated",
    )
    parser.add_argument(
        "--lengths",
        metavar="inputs=N,targets=N",
        help="report for these lengths (default: the recommended ones)",
    )
    parser.add_argument(
        "--cache_dir",
        default=os.environ.get("XTL_CACHE_DIR"),
        help="folder of tokenised examples (default: $XTL_CACHE_DIR, ~/.cache/xtl_jax)",
    )
    parser.add_argument(
        "--against",
        nargs="+",
        default=[],
        metavar="TASK",
        help="report evaluation texts of these that the training split contains",
    )
    parser.add_argument(
        "--module", help="Python module that registers SeqIO tasks of your own"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    task_settings.add_data_flags(parser)
    task_settings.add_vocabulary_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the caches and print what is in them."""
    from xtl_jax.data.features import Lengths

    settings = task_settings.settings(args)
    if settings.vocabulary is None:
        raise UserError(
            "no vocabulary is given; pass --vocabulary (a SentencePiece model's path, "
            "or 'bytes') or set XTL_VOCABULARY"
        )
    lengths = Lengths.parse(args.lengths) if args.lengths else None
    cache_dir = args.cache_dir or str(pathlib.Path.home() / ".cache" / "xtl_jax")
    names = task_names(args.task, module=args.module)
    against = [name for given in args.against for name in task_names(given)]
    rows = []
    for name in names:
        if name in _registered(args.module):
            rows += _external(
                args, name, settings, cache_dir=cache_dir, lengths=lengths
            )
            continue
        for split in _splits(name, wanted=args.split, settings=settings):
            rows.append(_cached(name, split, settings, cache_dir, lengths=lengths))
    if not rows:
        raise UserError(
            f"nothing of {args.task} is here; `xtl tasks {args.task}` says how to get "
            "it, or name files with --data_dir and --file"
        )
    overlaps = [
        found
        for row in rows
        if row["split"] == "train" and against
        for found in data_measures.overlap(
            row["task"], against=against, settings=settings
        )
    ]
    document = {"caches": rows, "overlap": overlaps}
    if args.json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        _print(document, asked=bool(against))
    return 0


def task_names(given: str, *, module: str | None = None) -> list[str]:
    """Tasks that a name stands for: itself, a mixture's, or all of a family's.

    Raises:
        UserError: it is none of these.

    Example:
        >>> task_names("squad_v1_and_mnli"), task_names("mlqa.en-ar")
        (['squad_v1', 'mnli'], ['mlqa.en-ar'])
    """
    from xtl_tasks import catalog, mixtures

    own = _registered(module)
    if given in own:
        return [given]
    for mixture in mixtures.MIXTURES:
        if mixture.name == given:
            return list(mixture.rates)
    for family in catalog.FAMILIES:
        if family.name == given:
            return [family.task_name(each) for each in family.standard_languages]
    try:
        family, language = catalog.find(given)
    except UserError:
        known = catalog.task_names() + [mixture.name for mixture in mixtures.MIXTURES]
        if given.partition(".")[0] in {family.name for family in catalog.FAMILIES}:
            raise  # the family is right, its language is not
        raise UserError(
            f"no task, family or mixture {given!r}; near: {near(given, known + own)}; "
            "see `xtl tasks`, or import your own SeqIO tasks with --module"
        ) from None
    return [family.task_name(language)]


def _registered(module: str | None) -> list[str]:
    """SeqIO tasks of the user's own module."""
    if module is None:
        return []
    import importlib

    from xtl_jax.cli import caching

    with caching.quiet_import():
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise UserError(
                f"--module {module}: {error}; run where it can be imported, or set "
                "PYTHONPATH"
            ) from None
        import seqio
    return list(seqio.TaskRegistry.names())


def _splits(name: str, *, wanted: list[str], settings: TaskSettings) -> Iterable[str]:
    """The splits asked for, or all whose data is here."""
    from xtl_tasks import catalog, loading

    if wanted:
        return wanted
    family, language = catalog.find(name)
    return [
        split
        for split in family.splits_of(language)
        if loading.find_source(family, language, split=split, settings=settings)
    ]


def _cached(
    name: str,
    split: str,
    settings: TaskSettings,
    cache_dir: str,
    *,
    lengths: Lengths | None,
) -> dict[str, Any]:
    from xtl_jax.cli import caching

    began = time.perf_counter()
    store = caching.ensure_one(
        name, split=split, settings=settings, cache_dir=cache_dir
    )
    return data_measures.measures(
        store, lengths=lengths, seconds=time.perf_counter() - began
    )


def _external(
    args: argparse.Namespace,
    name: str,
    settings: TaskSettings,
    *,
    cache_dir: str,
    lengths: Lengths | None,
) -> list[dict[str, Any]]:
    """Caches of a SeqIO task that the user registered.

    What its source is made of is not known here: if it changes, delete the cache.
    """
    import seqio

    from xtl_jax.cli import caching
    from xtl_jax.data import cache
    from xtl_jax.data.store import Store

    task = seqio.TaskRegistry.get(name)
    vocabulary = settings.vocabulary
    for feature, spec in task.output_features.items():
        size = spec.vocabulary.vocab_size
        if size != vocabulary.size or spec.vocabulary.eos_id != vocabulary.eos_id:
            raise UserError(
                f"SeqIO task {name}: its {feature} have a vocabulary of {size} ids, "
                f"--vocabulary {vocabulary.spec} has {vocabulary.size}; name the "
                "vocabulary that the task uses (and its --extra_ids)"
            )
    rows = []
    for split in args.split or sorted(task.splits):
        began = time.perf_counter()
        recipe = cache.Recipe(
            task=name,
            split=split,
            definition={"seqio": name, "module": args.module},
            vocabulary_sha256=vocabulary.sha256,
            sources=(),
            keep_text=split != "train",
        )
        folder = caching.build(
            lambda: task, recipe, cache_dir=cache_dir, vocabulary=vocabulary
        )
        took = time.perf_counter() - began
        rows.append(
            data_measures.measures(Store(folder), lengths=lengths, seconds=took)
        )
    return rows


def _print(document: Mapping[str, Any], *, asked: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("task/split", no_wrap=True)
    table.add_column("examples", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for head in ("tokens", "length", "cut %", "fill %", "advised"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in document["caches"]:
        begins = [f"{row['task']}/{row['split']}", f"{row['examples']:,}"]
        for name, tokens in row["tokens"].items():
            table.add_row(*begins, name, _short(tokens), *_fits(row, name))
            begins = ["", ""]
    console.print(table)
    for row in document["caches"]:
        left_out = row.get("left_out", 0)
        console.print(
            Text(
                f"{row['task']}/{row['split']}: {row['bytes'] / 1e6:,.1f} MB in "
                f"{row['seconds']:.1f} s: {row['folder']}"
                f"{f'; {left_out} texts too short to hide a part of' * bool(left_out)}"
            ),
            soft_wrap=True,
        )
    if asked:
        _print_overlap(document["overlap"])


def _fits(row: Mapping[str, Any], name: str) -> list[str]:
    """How one feature fits rows; a text for span corruption is cut to any length."""
    if not row["recommended_lengths"]:
        return ["any", "-", "-", "-"]
    return [
        str(row["lengths"][name]),
        f"{row['truncated_percent'][name]:.2f}",
        f"{row['fill_percent'][name]:.1f}",
        str(row["recommended_lengths"][name]),
    ]


def _short(count: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= 10 * size:
            return f"{count / size:,.0f}{unit}"
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def _print_overlap(found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print()
    table = Table(box=None, padding=(0, 1, 0, 0))
    for head in ("evaluation", "what", "in"):
        table.add_column(head, no_wrap=True)
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("such as", no_wrap=True)
    clean: dict[str, list[str]] = {}
    for each in found:
        name = f"{each['task']}/{each['split']}"
        if each["shared"]:
            counts = f"{each['shared']:,} of {each['total']:,}"
            sample = Text(textwrap.shorten(each["samples"][0], 32, placeholder=" …"))
            table.add_row(name, each["kind"], each["training"], counts, sample)
        else:
            clean.setdefault(name, []).append(each["kind"])
    if table.row_count:
        console.print(table)
    for name, kinds in clean.items():
        console.print(Text(f"{name}: no {', '.join(kinds)} found in training"))
    console.print(
        Text(
            "Found is what is the same after normalisation; a paraphrase, or a "
            "translation under another id, is not.",
            style="dim",
        )
    )
