"""`xtl data cache TASK_OR_MIXTURE`: tokenise once, and see what will be trained on.

    xtl data cache squad_v1 --data_dir data --vocabulary mt5.model
    xtl data cache mlqa --split test --lengths inputs=512,targets=64
    xtl data cache squad_v1 --split train --against xquad mlqa.en
    xtl data cache intermediate_all --split train
    xtl data cache xnli --gin_file=models/xlmr_base.gin --lengths inputs=128

For each task and split: examples, tokens, the share that the lengths would cut, how
full packed rows are, bytes, seconds, and the lengths that 99 of 100 examples fit.
`--against` reports which evaluation texts the training split contains. With the gin
file of an encoder: its inputs, of one length, and its labels.

A task of your own, registered with SeqIO, is cached by its name: `--module my_tasks`
imports the module that registers it.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.cli import (
    cache_processes,
    data_labelled,
    data_measures,
    mixture_settings,
    overlaps,
    task_settings,
)
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.cli.data_labelled import Reading
    from xtl_jax.cli.mixture_settings import Asked
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
        "task",
        nargs="?",
        help="a task, a family (all its languages) or a mixture; or the --gin_file of "
        "one",
    )
    mixture_settings.add_arguments(parser)
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
        default=task_settings.default_cache_dir(),
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
    asked = mixture_settings.asked(args)
    mixture = asked.named()
    given = _given(args, asked)
    encoder, settings, lengths = given
    cache_dir = args.cache_dir
    names = (
        list(mixture.members) if mixture else task_names(asked.task, module=args.module)
    )
    against = [name for given in args.against for name in task_names(given)]
    rows, jobs = [], []
    for name in names:
        if name in _registered(args.module):
            if encoder:
                raise UserError(
                    f"{name} is a SeqIO task of your own: it gives text to text, and "
                    "an encoder needs labels; give the --gin_file of an mT5"
                )
            rows += _external(
                args, name, settings, cache_dir=cache_dir, lengths=lengths
            )
            continue
        jobs += [
            (name, split)
            for split in _splits(name, wanted=args.split, settings=settings)
        ]
    if jobs:
        processes = cache_processes.count(jobs, settings=settings, cache_dir=cache_dir)
        if processes > 1:
            rows += cache_processes.rows(_begin, args, jobs, processes=processes)
        else:
            make = _maker(given, cache_dir)
            rows += [make(*job) for job in jobs]
    if not rows:
        raise UserError(
            f"nothing of {asked.task} is here; `xtl tasks {asked.task}` says how to "
            "get it, or name files with --data_dir and --file"
        )
    findings = overlaps.Findings([], {})
    if against:
        findings = overlaps.find(
            [overlaps.Split(each["task"], "train") for each in rows if _trains(each)],
            against=[
                split
                for each in against
                for split in overlaps.evaluation_splits(each, settings=settings)
            ],
            settings=settings,
            cache_dir=cache_dir,
        )
    if args.json:
        document = {
            "caches": rows,
            "overlap": findings.found,
            "overlap_not_checked": findings.not_checked,
        }
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return 0
    if encoder:
        data_labelled.show_cached(rows)
    else:
        _print(rows)
    if against:
        overlaps.show(findings)
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
    if given in mixtures.names():
        return list(mixtures.expand(mixtures.mixture(given)).members)
    for family in catalog.FAMILIES:
        if family.name == given:
            return [family.task_name(each) for each in family.standard_languages]
    try:
        family, language = catalog.find(given)
    except UserError:
        known = catalog.task_names() + mixtures.names()
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


def _trains(row: Mapping[str, Any]) -> bool:
    """Whether a cache is a training split whose texts can be read again."""
    from xtl_tasks import catalog

    return row["split"] == "train" and row["task"] in catalog.task_names()


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


class _Given(NamedTuple):
    """How tasks are read."""

    encoder: Reading | None  # None: as text, for an mT5
    settings: TaskSettings
    lengths: Lengths | None  # of an mT5, where they are chosen


def _given(args: argparse.Namespace, asked: Asked) -> _Given:
    from xtl_jax.data.features import Lengths

    encoder = data_labelled.reading(args, asked)
    of_mt5 = {} if encoder is None else {"vocabulary": None}
    settings = task_settings.settings(argparse.Namespace(**{**vars(args), **of_mt5}))
    if settings.vocabulary is None and encoder is None:
        raise UserError(
            "no vocabulary is given; pass --vocabulary (a SentencePiece model's path, "
            "or 'bytes') or set XTL_VOCABULARY"
        )
    lengths = None
    if args.lengths and encoder is None:
        lengths = Lengths.parse(args.lengths)
    return _Given(encoder, settings, lengths)


def _begin(args: argparse.Namespace) -> cache_processes.Make:
    """What a process of several makes stores with."""
    return _maker(_given(args, mixture_settings.asked(args)), args.cache_dir)


def _maker(given: _Given, cache_dir: str) -> cache_processes.Make:
    """Makes the store of a task's split, and says what is in it."""
    encoder, settings, lengths = given
    if encoder:
        return functools.partial(data_labelled.cached, how=encoder)

    def make(name: str, split: str) -> dict[str, Any]:
        from xtl_jax.cli import caching

        began = time.perf_counter()
        store = caching.ensure_one(
            name, split=split, settings=settings, cache_dir=cache_dir
        )
        return data_measures.measures(
            store, lengths=lengths, seconds=time.perf_counter() - began
        )

    return make


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


def _print(rows: Iterable[Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("task/split", no_wrap=True)
    table.add_column("examples", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for head in ("tokens", "length", "cut %", "fill %", "advised"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        begins = [f"{row['task']}/{row['split']}", f"{row['examples']:,}"]
        for name, tokens in row["tokens"].items():
            table.add_row(*begins, name, _short(tokens), *_fits(row, name))
            begins = ["", ""]
    console.print(table)
    for row in rows:
        left_out = row.get("left_out", 0)
        console.print(
            Text(
                f"{row['task']}/{row['split']}: {row['bytes'] / 1e6:,.1f} MB in "
                f"{row['seconds']:.1f} s: {row['folder']}"
                f"{f'; {left_out} texts too short to hide a part of' * bool(left_out)}"
            ),
            soft_wrap=True,
        )


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
