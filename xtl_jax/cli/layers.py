"""`xtl layers`: which encoder layer retrieves best, to choose one by.

Every layer's vectors come out of one pass over the texts; each layer is then searched
by and scored like `xtl predict` and `xtl score` would. What was best is set with
`--embed_layer` or RunConfig.embed_layer.

A layer that was chosen by the labels of a language is not zero-shot in it. So layers
are scored on validation splits, and what is printed names the languages whose labels
were used; `--oracle` lets test splits in, and marks the outcome.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import auto_mesh, predict_sets, run_files
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.cli.predict_sets import Wanted
    from xtl_jax.infer.search import Found
    from xtl_jax.metrics.metric import Values
    from xtl_jax.train.config import RunConfig

EXAMPLE = """examples:
  xtl layers runs/mnli --task mewslix.en               English labels alone
  xtl layers runs/mnli --task bucc --layers=-1,4,6,8   of four languages: not zero-shot
  xtl layers runs/mnli --task tatoeba/test --oracle    how much a choice could bring
"""


def add_parser(commands: Any) -> None:
    """Register `xtl layers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "layers",
        help="score retrieval by every encoder layer, to choose one on dev",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_dir", help="run directory of `xtl train`")
    parser.add_argument(
        "--task",
        action="append",
        required=True,
        metavar="NAME[/SPLIT]",
        help="retrieval family or task; repeatable within a family; split: validation",
    )
    parser.add_argument(
        "--layers", help="such as -1,0,6 (default: all; -1 is the normalised last)"
    )
    parser.add_argument(
        "--oracle", action="store_true", help="allow test splits, and say so"
    )
    parser.add_argument(
        "--step", type=int, help="checkpoint; default: the best on English dev"
    )
    parser.add_argument("--examples", type=int, help="only the first N of each set")
    parser.add_argument("--batch_size", type=int, help="rows encoded together")
    parser.add_argument("--data_dir", help="folder of original release files")
    parser.add_argument("--cache_dir", help="folder of tokenised examples")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), help="of computation"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score the layers, name the best."""
    from xtl_jax.train.config import MeshConfig, RunConfig

    document = run_files.read(arguments.run_dir)
    if document is None:
        raise UserError(
            f"{arguments.run_dir} holds no run.json: give the run directory that "
            "`xtl train` wrote"
        )
    given = {
        "data_dir": arguments.data_dir,
        "cache_dir": arguments.cache_dir,
        "predict_batch_size": arguments.batch_size,
        "evaluate_examples": arguments.examples,
    }
    values = document["run"] | {k: v for k, v in given.items() if v is not None}
    values |= {"run_dir": arguments.run_dir, "evaluate": tuple(arguments.task)}
    result = sweep(
        RunConfig(**values),
        mesh=MeshConfig(**document["mesh"]),
        vocabulary_sha256=document["environment"]["vocabulary_sha256"],
        dtype=arguments.dtype or document["model"]["dtype"],
        step=arguments.step,
        layers=_numbers(arguments.layers),
        oracle=arguments.oracle,
    )
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _print(result)
    return 0


def sweep(
    config: RunConfig,
    *,
    mesh: Any,
    vocabulary_sha256: str,
    dtype: str,
    step: int | None = None,
    layers: Sequence[int] | None = None,
    oracle: bool = False,
) -> dict[str, Any]:
    """Scores of each layer.

    Args:
        config: the run; `evaluate` names the sets, all of one retrieval family.
        mesh: of the run.
        vocabulary_sha256: of the vocabulary that it was trained with.
        dtype: of computation.
        step: which checkpoint; None takes the best on English dev.
        layers: which ones; None takes all.
        oracle: whether test splits may be scored.

    Returns:
        JSON values: `layers` has for each its number, `scores` by language and their
        `mean`; `best` is the number of the best mean, of equals the first; `labels_of`
        are the languages whose labels that used.
    """
    from xtl_jax.cli import devices, predict_plain
    from xtl_jax.cli.predict_retrieval import Searcher, checked_layers
    from xtl_jax.infer import model as models
    from xtl_jax.train import sharding

    path = predict_plain.weights_of(config)
    vocabulary = predict_sets.own_vocabulary(
        config, sha256=vocabulary_sha256, model=predict_plain.shape_of(path)
    )
    _check_splits(config.evaluate, oracle=oracle)
    wanted, missing = predict_sets.find_wanted(
        config, vocabulary, split=None if oracle else "validation"
    )
    metric, split = _check_retrieval(wanted)
    for name, why in missing.items():
        tell(f"missing: {name}: {why}")
    model = models.load(path, dtype=dtype, step=step)
    layers = checked_layers(model.config, layers)
    scores: dict[int, dict[str, float]] = {layer: {} for layer in layers}
    mesh = auto_mesh.chosen(mesh, program="predict", model=model.config, run=config)
    with devices.on_mesh(mesh) as placed:
        sharding.check_rows(
            placed, config.predict_batch_size, name="RunConfig.predict_batch_size"
        )
        by = predict_plain.predictor(config, model, vocabulary=vocabulary, mesh=placed)
        searcher = Searcher(by, layers=layers)
        for each in wanted:
            for layer, (found, _) in zip(
                layers, searcher.find_by_layer(each), strict=True
            ):
                scores[layer][each.language] = _score(each, found)[metric]
    table = [
        {
            "layer": layer,
            "scores": by_language,
            "mean": sum(by_language.values()) / len(by_language),
        }
        for layer, by_language in scores.items()
    ]
    return {
        "family": wanted[0].family.name,
        "split": split,
        "metric": metric,
        "labels_of": [each.language for each in wanted],
        "oracle": split == "test",
        "missing": missing,
        "checkpoint": model.source,
        "step": model.step,
        "layers": table,
        "best": max(table, key=lambda row: row["mean"])["layer"],
    }


def _check_splits(names: Sequence[str], *, oracle: bool) -> None:
    """A test split is no place to choose a layer on."""
    for name in names:
        if not oracle and name.endswith("/test"):
            raise UserError(
                f"{name}: a layer that is chosen on test labels is oracle selection; "
                "name a validation split, or add --oracle to have it marked so"
            )


def _check_retrieval(wanted: Sequence[Wanted]) -> tuple[str, str]:
    """The key of the metric and the split of some sets."""
    families = {each.family.name: each.family for each in wanted}
    for family in families.values():
        if family.kind != "retrieval":
            raise UserError(
                f"{family.name} is no retrieval family: its answers are not found by "
                "vectors"
            )
    if len(families) > 1:
        raise UserError(
            f"{', '.join(families)} have different metrics: give tasks of one family"
        )
    metric = wanted[0].family.metric
    assert metric is not None  # find_wanted refuses plain text
    return metric.primary, wanted[0].split


def _score(wanted: Wanted, found: Sequence[Found]) -> Values:
    from xtl_jax.metrics.metric import add

    metric = wanted.family.metric
    assert metric is not None
    rows = [
        metric.counts(
            " ".join(each.ids),
            references=tuple(wanted.store.meta(index)["references"]),
            language=wanted.language,
        )
        for index, each in enumerate(found)
    ]
    return metric.combine(add(rows))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """Layers as they are given in one flag.

    Example:
        >>> _numbers("-1,0,6")
        (-1, 0, 6)
    """
    if text is None:
        return None
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--layers={text}: give whole numbers with commas between, as in "
            "--layers=-1,0,6"
        ) from None
    if len(set(found)) < len(found):
        raise UserError(f"--layers={text} names a layer twice; name each once")
    return found


def _print(result: Mapping[str, Any]) -> None:
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    console = Console(highlight=False)
    languages = result["labels_of"]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("layer", *languages, "mean"):
        table.add_column(head, justify="right")
    for row in result["layers"]:
        values = [*(row["scores"][code] for code in languages), row["mean"]]
        marked = " *" if row["layer"] == result["best"] else ""
        cells = [f"{value:.2f}" for value in values]
        table.add_row(str(row["layer"]), *cells[:-1], cells[-1] + marked)
    title = f"{result['family']}, {result['split']}, {result['metric']}"
    console.print(f"{title}; -1 is the normalised last layer, 0 the embedding")
    console.print(table)
    console.print(f"best: --embed_layer={result['best']}")
    if result["oracle"]:
        told = "ORACLE SELECTION by test labels of"
    elif set(languages) == {"en"}:
        told = "chosen by English labels alone"
        languages = ()
    else:
        told = "with this layer no zero-shot results in"
    console.print(" ".join([told, ", ".join(languages)]).strip(), soft_wrap=True)
