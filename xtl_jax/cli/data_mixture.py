"""`xtl data show MIXTURE`: rates, epochs, tokens, and how rows are filled.

    xtl data show intermediate_all --steps 10000 --batch_size 128
    xtl data show --gin_file=mixtures/nine_equal.gin --gin.MixtureConfig.cap=2097152

With a vocabulary the tasks are tokenised (once, into caches) and everything is measured
on them. Without one, or for tasks whose data is not here, examples are the published
numbers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import mixture_measures, task_settings
from xtl_jax.cli.mixture_measures import Training
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.cli.mixture_settings import Asked
    from xtl_jax.data.features import Lengths
    from xtl_jax.data.mixture import MixtureConfig
    from xtl_jax.data.store import Store

_BATCH_SIZE = 128  # RunConfig's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags that are about training on a mixture."""
    group = parser.add_argument_group("mixtures")
    group.add_argument("--steps", type=int, help="of the run: tells epochs per task")
    group.add_argument("--batch_size", type=int, help="rows in a step (default: 128)")
    group.add_argument(
        "--lengths",
        metavar="inputs=N,targets=N",
        help="of a row (default: what 99 of 100 examples of each task fit)",
    )
    group.add_argument(
        "--cache_dir",
        default=task_settings.default_cache_dir(),
        help="folder of tokenised examples (default: $XTL_CACHE_DIR, ~/.cache/xtl_jax)",
    )


def show(args: argparse.Namespace, asked: Asked, mixture: MixtureConfig) -> int:
    """Print what training on a mixture reads."""
    from xtl_tasks import catalog

    settings = task_settings.settings(args)
    for task in mixture.members:
        family, language = catalog.find(task)
        family.check_split("train", language=language)
    stores = _stores(mixture, settings=settings, cache_dir=args.cache_dir)
    sizes = _sizes(mixture, stores=stores)
    document = mixture_measures.measure(
        mixture,
        sizes=sizes,
        stores=stores,
        training=_training(args, asked, stores=stores),
    )
    if args.json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        _print(document, with_vocabulary=settings.vocabulary is not None)
    return 0


def _stores(
    mixture: MixtureConfig, *, settings: TaskSettings, cache_dir: str
) -> dict[str, Store]:
    """The training data of the tasks that are here, tokenised now if need be."""
    from xtl_tasks import catalog, loading

    from xtl_jax.cli import caching

    if settings.vocabulary is None:
        return {}
    found = {}
    for task in mixture.members:
        family, language = catalog.find(task)
        try:
            found[task] = caching.ensure_one(
                task, split="train", settings=settings, cache_dir=cache_dir
            )
        except UserError:
            if loading.find_source(family, language, split="train", settings=settings):
                raise  # the data is here, and wrong
    return found


def _sizes(mixture: MixtureConfig, *, stores: Mapping[str, Store]) -> dict[str, int]:
    """Examples of each task: as they are here, else as published.

    Raises:
        UserError: the rates depend on a number that neither tells.
    """
    from xtl_tasks import catalog

    sizes = {}
    for task in mixture.members:
        family, language = catalog.find(task)
        size = (
            stores[task].num_examples
            if task in stores
            else family.rows_published(language=language, split="train")
        )
        if size is not None:
            sizes[task] = size
        elif mixture.depends_on_sizes and task in mixture.tasks:
            raise UserError(
                f"mixture {mixture.name!r} has rates by number of examples, and that "
                f"of {task} is not known: give --vocabulary and its data (`xtl tasks "
                f"{task}` says how to get it)"
            )
    return sizes


def _training(
    args: argparse.Namespace, asked: Asked, *, stores: Mapping[str, Store]
) -> Training:
    from xtl_jax.data.features import Lengths

    run = asked.run
    if args.lengths:
        lengths = Lengths.parse(args.lengths)
    elif "lengths" in run:
        lengths = Lengths(**run["lengths"])
    else:
        lengths = _recommended(stores)
    steps = args.steps if args.steps is not None else run.get("steps")
    batch_size = args.batch_size or run.get("batch_size", _BATCH_SIZE)
    if (steps is not None and steps < 1) or batch_size < 1:
        raise UserError(
            f"--steps and --batch_size must be 1 or more, got {steps}, {batch_size}"
        )
    return Training(
        lengths=lengths,
        batch_size=batch_size,
        steps=steps,
        pack=run.get("pack", True),
        seed=run.get("seed", 0),
    )


def _recommended(stores: Mapping[str, Store]) -> Lengths | None:
    """Lengths that 99 of 100 examples of each task fit; texts fit any."""
    from xtl_jax.cli import data_measures
    from xtl_jax.data.features import Lengths

    found = [
        data_measures.recommended(store.card)
        for store in stores.values()
        if not store.card.get("transform")
    ]
    if not found:
        return None
    return Lengths(
        inputs=max(each["inputs"] for each in found),
        targets=max(each["targets"] for each in found),
    )


def _print(document: Mapping[str, Any], *, with_vocabulary: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    console.print(Text(document["mixture"], style="bold"))
    console.print(Text(f"rates: {document['rule']}"))
    steps = document["steps"]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("task", no_wrap=True)
    varying = "rates" in document
    heads = ["mean share" if varying else "share", "examples"]
    heads += [f"epochs in {steps:,}" if steps else "epochs", "tokens", "cut %"]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for name, task in document["tasks"].items():
        table.add_row(Text(name), *_cells(task))
    console.print(table)
    if varying:
        _print_rates(console, document["rates"])
    for line in _lines(document, with_vocabulary=with_vocabulary):
        console.print(Text(line, style="dim"))


def _cells(task: Mapping[str, Any]) -> list[str]:
    examples, epochs, tokens = task["examples"], task["epochs"], task["tokens"]
    cut = task["truncated_percent"]
    return [
        f"{task['share_percent']:.2f}%",
        "-" if examples is None else f"{examples:,}{'' if task['here'] else ' *'}",
        "-" if epochs is None else f"{epochs:.2f}",
        "-" if tokens is None else f"{sum(tokens.values()):,}",
        "-" if cut is None else "/".join(f"{value:.1f}" for value in cut.values()),
    ]


def _print_rates(console: Any, rates: Mapping[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    names = next(iter(rates["steps"].values()))
    table.add_column("from step" if rates["between"] == "hold" else "at step")
    for name in names:
        table.add_column(name, justify="right")
    for step, shares in rates["steps"].items():
        table.add_row(
            f"{int(step):,}", *(f"{100 * share:.2f}%" for share in shares.values())
        )
    console.print()
    console.print(table)
    if rates["between"] == "linear":
        console.print("on a line between these steps")


def _lines(document: Mapping[str, Any], *, with_vocabulary: bool) -> list[str]:
    lines = []
    if document["fill_percent"]:
        lengths, fill = document["lengths"], document["fill_percent"]
        cut = document["truncated_percent"]
        lines.append(
            f"rows of {lengths['inputs']} and {lengths['targets']} tokens, "
            f"{document['batch_size']} a step{', packed' * document['pack']}: "
            f"{document['examples_per_step']:,.1f} examples a step, rows "
            f"{fill['inputs']:.1f}% and {fill['targets']:.1f}% full, "
            f"{cut['inputs']:.2f}% and {cut['targets']:.2f}% of examples cut"
        )
    missing = [name for name, task in document["tasks"].items() if not task["here"]]
    if missing and not with_vocabulary:
        lines.append(
            "* as published. Epochs, tokens and packing are measured with --vocabulary "
            "and the data."
        )
    elif missing:
        lines.append(
            f"* as published: the data of {', '.join(missing)} is not here, so epochs "
            "and packing of the mixture are not measured."
        )
    return lines
