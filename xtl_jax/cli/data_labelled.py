"""What an encoder reads of a task, for `xtl data show` and `xtl data cache`.

A `--gin_file=models/…` of an encoder asks for this: inputs as they are laid out for
XLM-R or BERT, and labels, in place of mT5's inputs and targets.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import config as configs
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.cli.mixture_settings import Asked
    from xtl_jax.data.encoder_layout import Layout
    from xtl_jax.data.encoder_vocabulary import EncoderVocabulary
    from xtl_jax.data.store import Example
    from xtl_jax.train.config import RunConfig

_LENGTH = 128  # XTREME's, but for questions about a context


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How an encoder reads: what of a run decides it, and the vocabulary."""

    run: RunConfig
    vocabulary: EncoderVocabulary


def reading(arguments: argparse.Namespace, asked: Asked) -> Reading | None:
    """How the settings of a command have an encoder read; None: they are no encoder's.

    Args:
        arguments: of `xtl data show` or `cache`.
        asked: what gin sets beside the model.

    Raises:
        UserError: no vocabulary, or a length that is none.
    """
    if not any(b.owner == "EncoderConfig" for b in configs.bindings(arguments)):
        return None
    from xtl_jax.data import encoder_vocabulary
    from xtl_jax.data.sources import parse_file_settings
    from xtl_jax.train.config import RunConfig

    if not arguments.vocabulary:
        raise UserError(
            "no vocabulary is given; pass --vocabulary (the SentencePiece model of the "
            "encoder) or set XTL_VOCABULARY"
        )
    values: dict[str, Any] = {
        field: asked.run[field]
        for field in ("window_stride", "question_length", "tagged_piece")
        if field in asked.run
    }
    run = RunConfig(
        task=asked.task,
        steps=1,
        lengths={"inputs": _length(arguments.lengths, asked.run), "targets": 2},
        vocabulary=arguments.vocabulary,
        run_dir="",
        data_dir=arguments.data_dir or "",
        cache_dir=arguments.cache_dir,
        files=parse_file_settings(arguments.file),
        **values,
    )
    return Reading(run=run, vocabulary=encoder_vocabulary.load(run.vocabulary))


def _length(flag: str | None, run: Mapping[str, Any]) -> int:
    """Tokens of an input: of the flag, else of the run, else XTREME's."""
    if not flag:
        return run.get("lengths", {}).get("inputs", _LENGTH)
    for part in flag.split(","):
        name, _, value = part.partition("=")
        if name == "inputs" and value.isdigit():
            return int(value)
    raise UserError(f"--lengths={flag}: write inputs=N, such as inputs={_LENGTH}")


def stages(rows: Iterable[Any], *, family: Family, how: Reading) -> list[dict]:
    """Rows, and what an encoder reads of each: one input, or some windows of it."""
    from xtl_jax.cli import labelled_caching
    from xtl_jax.data import labelled

    layout = labelled_caching.layout_of(how.run, how.vocabulary)
    labels = labelled_caching.labels_of(family, run=how.run)
    found = []
    for row in rows:
        inputs = labelled.examples(
            [row],
            family=family,
            task=family.name,
            split="shown",
            layout=layout,
            labels=labels,
            keep_text=True,
            card={},
        )
        found.append(
            {
                "row": dataclasses.asdict(row),
                "head": labelled.kind_of(family),
                "inputs": [
                    _input(each, family=family, labels=labels, layout=layout)
                    for each in inputs
                ],
            }
        )
    return found


def _input(
    example: Example, *, family: Family, labels: tuple[str, ...], layout: Layout
) -> dict[str, Any]:
    """One input: tokens, pieces, and the label in words."""
    from xtl_jax.data import labelled

    tokens = [int(token) for token in example["inputs"]]
    pieces = [layout.vocabulary.piece(token) for token in tokens]
    numbers = [int(number) for number in example["targets"]]
    kind = labelled.kind_of(family)
    said: Any = None
    if kind == "classification":
        said = labels[numbers[0]]
    elif kind == "choice":
        said = example["meta"]["options"][numbers[0]]
    elif kind == "span":
        first, last = numbers
        said = " ".join(pieces[first : last + 1]) if last else "no answer here"
    elif kind == "tagging":
        said = " ".join(
            f"{piece}/{labels[number]}"
            for piece, number in zip(pieces, numbers, strict=True)
            if number >= 0
        )
    return {"tokens": tokens, "pieces": pieces, "labels": numbers, "label": said}


def show(document: Mapping[str, Any]) -> None:
    """Print what `stages` found, under the task that it is of."""
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    console.print(Text(f"{document['task']}/{document['split']}", style="bold"))
    console.print(Text(f"from {document['source']}", style="dim"))
    for example in document["examples"]:
        table = Table(show_header=False, padding=(0, 1))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for field, value in example["row"].items():
            table.add_row(f"row.{field}", Text(str(value)))
        table.add_section()
        table.add_row("head", Text(example["head"] or "none: vectors"))
        for each in example["inputs"]:
            table.add_section()
            ids = Text(" ".join(map(str, each["tokens"])))
            table.add_row(f"input: {len(each['tokens'])} tokens", ids)
            table.add_row("as pieces", Text(" ".join(each["pieces"])))
            if each["label"] is not None:
                table.add_row("label", Text(each["label"]))
        console.print(table)


def cached(name: str, split: str, *, how: Reading) -> dict[str, Any]:
    """Make the store of a split, and say what is in it."""
    from xtl_jax.cli import labelled_caching

    began = time.perf_counter()
    store = labelled_caching.ensure_store(
        name, split=split, run=how.run, vocabulary=how.vocabulary
    )
    card = store.card
    counts = dict(card["counts"])
    return {
        "task": card["task"],
        "split": card["split"],
        "head": card["kind"],
        "labels": len(card["labels"]),
        "counts": counts,
        "inputs": store.num_examples,
        "tokens": card["lengths"]["inputs"]["tokens"],
        "length": card["length"],
        "cut_percent": round(100 * card["cut_share"], 3),
        "bytes": sum(card["files"].values()),
        "seconds": round(time.perf_counter() - began, 2),
        "folder": str(store.folder),
    }


def show_cached(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print what `cached` found, a line for each split."""
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console, rows = Console(), list(rows)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("task/split", no_wrap=True)
    table.add_column("head", no_wrap=True)
    for head in ("labels", "rows", "inputs", "tokens", "length", "cut %"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row['task']}/{row['split']}",
            row["head"] or "vectors",
            f"{row['labels']:,}",
            f"{row['counts'].get('rows', row['inputs']):,}",
            f"{row['inputs']:,}",
            f"{row['tokens']:,}",
            str(row["length"]),
            f"{row['cut_percent']:.2f}",
        )
    console.print(table)
    for row in rows:
        said = f"{row['task']}/{row['split']}: {row['bytes'] / 1e6:,.1f} MB in "
        said += f"{row['seconds']:.1f} s: {row['folder']}"
        console.print(Text(said), soft_wrap=True)
