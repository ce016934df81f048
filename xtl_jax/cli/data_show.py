"""`xtl data show TASK_OR_MIXTURE`: what one example is at each stage.

    xtl data show squad_v1 --data_dir data --vocabulary mt5.model --n 2
    xtl data show mlqa --language en-ar --split validation
    xtl data show xnli.en --gin_file=models/xlmr_base.gin --vocabulary xlmr.model

The row as the release has it, the prompt, the tokens that the model sees, the target,
and the references that it is scored against. With the gin file of an encoder: its
inputs and labels. Needs no SeqIO and no TensorFlow.

`xtl data show MIXTURE` tells what training on a mixture reads (also of a single task,
with --steps): rates, epochs, tokens, how rows are filled.

    xtl data show intermediate_all --steps 10000 --batch_size 128
    xtl data show --gin_file=mixtures/nine_equal.gin --gin.MixtureConfig.cap=2097152
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import data_labelled, data_mixture, mixture_settings, task_settings
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.data.prompts import Example
    from xtl_jax.data.vocabulary import Vocabulary


def add_parser(subparsers: Any) -> None:
    """Add `xtl data show` to the actions of `xtl data`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "show",
        help="raw row, prompt, tokens and target of examples; rates of a mixture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "task",
        nargs="?",
        help="a task (mlqa.ar), a family with --language, or a mixture",
    )
    parser.add_argument("--language", help="such as ar; for MLQA also CONTEXT-QUESTION")
    parser.add_argument("--split", help="default: the first split that is here")
    parser.add_argument("--n", type=int, default=1, help="examples (default: 1)")
    parser.add_argument("--skip", type=int, default=0, help="examples to pass over")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    data_mixture.add_arguments(parser)
    mixture_settings.add_arguments(parser)
    task_settings.add_data_flags(parser)
    task_settings.add_vocabulary_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print some examples, or what training on a mixture reads."""
    from xtl_tasks import catalog, loading

    asked = mixture_settings.asked(args)
    mixture = asked.named()
    if mixture is None and args.steps is not None:
        mixture = mixture_settings.configured(asked.task, {})
    if mixture is not None:
        return data_mixture.show(args, asked, mixture)
    if args.n < 1 or args.skip < 0:
        raise UserError(
            f"--n must be 1 or more and --skip 0 or more, got {args.n}, {args.skip}"
        )
    if args.language:
        family, language = catalog.family(asked.task.split(".")[0]), args.language
    else:
        family, language = mixture_settings.find_task(asked.task)
    family.check_language(language)
    encoder = data_labelled.reading(args, asked)
    if encoder:
        args.vocabulary = None  # of mT5
    settings = task_settings.settings(args)
    splits = (args.split,) if args.split else family.splits_of(language)
    split = next(
        (
            each
            for each in splits
            if loading.find_source(family, language, split=each, settings=settings)
        ),
        splits[0],
    )
    dropped: Counter[str] = Counter()
    rows = loading.rows(
        family, language, split=split, settings=settings, dropped=dropped
    )
    rows = itertools.islice(rows, args.skip, args.skip + args.n)
    if encoder:
        shown = data_labelled.stages(rows, family=family, how=encoder)
    else:
        shown = [
            stages(row, family=family, vocabulary=settings.vocabulary) for row in rows
        ]
    if not shown:
        raise UserError(
            f"{family.task_name(language)}/{split} has no example number {args.skip}; "
            "give a smaller --skip"
        )
    source = loading.find_source(family, language, split=split, settings=settings)
    document = {
        "task": family.task_name(language),
        "language": language,
        "split": split,
        "source": str(source),
        "dropped": dict(dropped),
        "examples": shown,
    }
    if args.json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    elif encoder:
        data_labelled.show(document)
    else:
        _print(document)
    return 0


def stages(
    row: Any, *, family: Family, vocabulary: Vocabulary | None
) -> dict[str, Any]:
    """One example at each stage: row, prompt, tokens."""
    example = family.prompt(row)
    found: dict[str, Any] = {
        "row": dataclasses.asdict(row),
        "inputs": example.inputs,
        "targets": example.targets,
        "references": list(example.references),
    }
    if vocabulary is not None:
        for name, ids in _tokens(example, family=family, vocabulary=vocabulary).items():
            found[f"{name}_tokens"] = ids
            found[f"{name}_pieces"] = [vocabulary.piece(token) for token in ids]
    return found


def _tokens(
    example: Example, *, family: Family, vocabulary: Vocabulary
) -> dict[str, list[int]]:
    """Ids as the model sees them, with the end of sequence."""
    inputs = vocabulary.encode(example.inputs)
    targets = vocabulary.encode(example.targets)
    if family.kind == "text":
        from xtl_jax.data import span_corruption

        transform = family.card.transform
        pair = span_corruption.corrupt(
            targets,  # type: ignore[arg-type]  # any sequence of ids
            sentinels=vocabulary.sentinel_ids,
            key=(0, 0),
            noise_density=transform["noise_density"],
            mean_span=transform["mean_span"],
        )
        inputs, targets = (side.tolist() for side in pair)
    eos = vocabulary.eos_id
    return {"inputs": [*inputs, eos], "targets": [*targets, eos]}


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    console.print(Text(f"{document['task']}/{document['split']}", style="bold"))
    console.print(Text(f"from {document['source']}", style="dim"))
    for reason, count in document["dropped"].items():
        console.print(Text(f"left out so far: {count} ({reason})", style="dim"))
    for example in document["examples"]:
        table = Table(show_header=False, padding=(0, 1))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for field, value in example["row"].items():
            table.add_row(f"row.{field}", Text(_text(value)))
        table.add_section()
        table.add_row("inputs", Text(example["inputs"]))
        table.add_row("targets", Text(example["targets"]))
        for reference in example["references"] or ("none",):
            table.add_row("reference", Text(reference))
        for side in ("inputs", "targets"):
            if f"{side}_tokens" in example:
                ids, pieces = example[f"{side}_tokens"], example[f"{side}_pieces"]
                table.add_section()
                table.add_row(
                    f"{side}: {len(ids)} tokens", Text(" ".join(map(str, ids)))
                )
                table.add_row("as pieces", Text(" ".join(pieces)))
        console.print(table)


def _text(value: object) -> str:
    return " | ".join(map(str, value)) if isinstance(value, tuple) else str(value)
