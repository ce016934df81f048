"""`xtl quickstart`: the main job on the embedded toy world, end to end.

Offline and on a laptop: a small mT5 is pre-trained by span corruption on text in nine
languages, trained on an English intermediate task, fine-tuned on a target task's
English data, and scored zero-shot in all nine, with and without the intermediate task.
The world is a toy, made from templates; its numbers say that the pipeline works and
nothing else.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time
from typing import Any, NamedTuple

from xtl_jax import storage
from xtl_jax.cli import config as configs
from xtl_jax.cli.config import Binding, Config
from xtl_jax.cli.progress import tell

VOCABULARY_SIZE = 1100
TARGET = "world_qa"


class Stage(NamedTuple):
    """One run of the quickstart."""

    name: str  # of its folder
    gin: str
    start: str | None  # the stage whose checkpoint it begins with
    says: str


STAGES = (
    Stage("pretrain", "runs/world_pretrain.gin", None, "pre-train on raw text"),
    Stage(
        *("intermediate", "runs/world_intermediate.gin", "pretrain"),
        "intermediate task, English",
    ),
    Stage(
        *("with_intermediate", "runs/world_target.gin", "intermediate"),
        "target task, English, after the intermediate task",
    ),
    Stage(
        *("without_intermediate", "runs/world_target.gin", "pretrain"),
        "target task, English, straight from pre-training",
    ),
)
SCORED = ("without_intermediate", "with_intermediate")  # the baseline first


def add_parser(commands: Any) -> None:
    """Register `xtl quickstart`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "quickstart",
        help="the whole path on an embedded toy world, offline, in minutes on a CPU",
        description=__doc__,
        epilog="example:\n  xtl quickstart --out runs/quickstart",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out",
        default="runs/quickstart",
        help="folder for data, runs and report (default: %(default)s); again with the "
        "same folder goes on where it was stopped",
    )
    parser.add_argument("--seed", type=int, default=0, help="of world and training")
    parser.add_argument(
        "--steps",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="train that many times the usual steps (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """World, vocabulary, four stages, scores, one page."""
    from xtl_jax.cli import report, run_files, train
    from xtl_jax.cli import run as pipeline

    began = time.perf_counter()
    out = pathlib.Path(storage.on_disk(arguments.out, what="--out"))
    make_world(out, seed=arguments.seed)
    results: dict[str, Any] = {}
    for number, stage in enumerate(STAGES, start=1):
        config = stage_config(
            stage, out=out, seed=arguments.seed, factor=arguments.steps
        )
        tell(f"{number} of {len(STAGES)}: {stage.says}, {config.run.steps} steps")
        trained = train.train(config)
        if trained["outcome"] == "stopped":
            return 143
        if stage.name in SCORED:
            results[stage.name] = pipeline.evaluate(config, show=False)[TARGET]
    arms = [out / name for name in SCORED]
    for arm in arms:
        assert run_files.read(arm) is not None
    page = report.write_report(
        arms, out=out, title="Quickstart: zero-shot transfer in a toy world"
    )
    seconds = time.perf_counter() - began
    summary = {
        "report": str(page),
        "seconds": round(seconds, 1),
        "target": TARGET,
        "languages": _per_language(arms),
        "families": results,
    }
    if arguments.json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        _show(summary)
    return 0


def make_world(out: pathlib.Path, *, seed: int) -> None:
    """Data and vocabulary, unless they are there already."""
    from xtl_jax.data import vocabulary
    from xtl_jax.world import generate, words

    model = out / "vocabulary.model"
    if model.is_file():
        return
    tell("making the toy world and its vocabulary")
    generate.generate(out / "data", seed=seed)
    trained = vocabulary.train(words.lines(), size=VOCABULARY_SIZE)
    partial = model.with_suffix(".partial")
    partial.write_bytes(trained)
    partial.replace(model)


def stage_config(
    stage: Stage, *, out: pathlib.Path, seed: int, factor: float = 1.0
) -> Config:
    """The config of a stage: its packaged gin files and this folder's paths."""
    bindings: list[Binding] = []
    for name in ("models/world.gin", stage.gin):
        path = configs.folder() / name
        bindings += configs.parse(path.read_text(encoding="utf-8"), source=str(path))
    steps = next(b.value for b in reversed(bindings) if b.field == "steps")
    values = {
        "run_dir": str(out / stage.name),
        "data_dir": str(out / "data"),
        "cache_dir": str(out / "cache"),
        "vocabulary": str(out / "vocabulary.model"),
        "initial_checkpoint": str(out / stage.start) if stage.start else "",
        "seed": seed,
        "steps": max(1, round(steps * factor)),
        "name": stage.name.replace("_", " "),
    }
    bindings += [Binding("RunConfig", k, v, "quickstart") for k, v in values.items()]
    return configs.resolve(bindings)


def _per_language(arms: list[pathlib.Path]) -> dict[str, dict[str, Any]]:
    """Language to each arm's primary value, interval and chance."""
    found: dict[str, dict[str, Any]] = {}
    for arm in arms:
        for path in sorted((arm / "scores").glob(f"{TARGET}.*.json")):
            score = json.loads(path.read_text(encoding="utf-8"))
            primary = score["primary"]
            found.setdefault(score["language"], {})[arm.name] = {
                primary: score["values"][primary],
                "interval": score["intervals"][primary],
                "chance_percent": score["chance_percent"],
            }
    return found


def _show(summary: dict[str, Any]) -> None:
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    table = Table(title=f"{summary['target']}: zero-shot, percent [95% interval]")
    table.add_column("language")
    for name in SCORED:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("chance", justify="right")
    for language, arms in summary["languages"].items():
        cells = []
        for name in SCORED:
            arm = dict(arms[name])
            low, high = arm.pop("interval")
            chance = arm.pop("chance_percent")
            (value,) = arm.values()
            cells.append(f"{value:.1f} \\[{low:.1f}, {high:.1f}]")
        table.add_row(language, *cells, "" if chance is None else f"{chance:.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"A toy world: these numbers say that the pipeline works, nothing else. "
        f"{summary['seconds']:.0f} s.",
        highlight=False,
    )
    console.print(f"report: {summary['report']}", markup=False, soft_wrap=True)
