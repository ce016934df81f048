"""`xtl study similarity`: how alike a study's tasks are to what its targets train on.

Computes `StudyConfig.similarity` for the orders `similar_first` and `similar_last` from
the caches of training splits: the overlap of subwords, 0 to 1 (`studies/similarity.py`
says how). Prints the line to put into the study's gin file, where it decides the order
for everyone who runs the study; nothing is changed by this command.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from xtl_jax import storage
from xtl_jax.cli import study_config
from xtl_jax.errors import UserError

EXAMPLE = """example:
  xtl data cache world_nli.en
  xtl study similarity task_order --scale world --cache_dir ~/.cache/xtl
"""


def add_parser(commands: Any) -> None:
    """Register `xtl study similarity`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "similarity",
        help="subword overlap of a study's tasks with what its targets train on",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="of the study")
    study_config.add_scale(parser)
    parser.add_argument(
        "--cache_dir", required=True, help="folder of tokenised examples"
    )
    parser.add_argument(
        "--gin_search_path",
        action="append",
        default=[],
        metavar="FOLDER",
        help="further folders to look for NAME/study.gin in",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run, gin_file=[])


def run(arguments: argparse.Namespace) -> int:
    """Show the overlaps.

    Raises:
        UserError: a study without tasks or trained targets, or a cache that is not
            there, or not of one vocabulary.
    """
    import numpy as np

    from xtl_jax.data.store import Store
    from xtl_jax.studies import similarity

    config = study_config.load(
        arguments.name, scale=arguments.scale, arguments=arguments
    ).config
    targets = tuple(dict.fromkeys(t.train for t in config.parsed_targets() if t.train))
    if not config.tasks or not targets:
        raise UserError(
            f"study {config.name!r} has {len(config.tasks)} tasks and {len(targets)} "
            "targets that train on anything; a likeness needs one of each"
        )
    found: dict[str, Any] = {}
    vocabularies: dict[str, str] = {}
    for task in dict.fromkeys((*config.tasks, *targets)):
        stored = Store(_folder(task, cache_dir=arguments.cache_dir))
        vocabularies[task] = str(stored.card.get("vocabulary_sha256"))
        found[task] = similarity.shares(np.asarray(stored.tokens_of["inputs"]))
    if len(set(vocabularies.values())) > 1:
        raise UserError(
            f"the caches in {arguments.cache_dir} are of different vocabularies: "
            f"{vocabularies}; cache all of them with one (`xtl data cache`)"
        )
    likeness = similarity.to_targets(
        {task: found[task] for task in config.tasks},
        {target: found[target] for target in targets},
    )
    ordered = dict(sorted(likeness.items(), key=lambda pair: -pair[1]))
    if arguments.json:
        print(json.dumps({"similarity": ordered, "targets": targets}))
        return 0
    print(f"overlap of subwords with {', '.join(targets)}:")
    width = max(map(len, ordered))
    for task, value in ordered.items():
        print(f"  {task:{width}}  {value:.4f}")
    rounded = {task: round(value, 4) for task, value in ordered.items()}
    print(f"\nStudyConfig.similarity = {json.dumps(rounded)}")
    return 0


def _folder(task: str, *, cache_dir: str) -> Any:
    """The one cache of a task's training split.

    Raises:
        UserError: there is none, or more than one.
    """
    place = storage.at(storage.on_disk(cache_dir, what="--cache_dir")) / task
    found = sorted(place.glob("train-*"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            f"{place} holds no cache of the train split: run `xtl data cache {task}`"
        )
    names = ", ".join(path.name for path in found)
    raise UserError(f"{place} holds {len(found)} caches ({names}): keep one of them")
