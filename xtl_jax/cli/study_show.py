"""`xtl study show`: a study's arms and graph of stages, and what it would take."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING, Any

import xtl_jax
from xtl_jax.cli import study_config
from xtl_jax.studies.oracle import MARK

if TYPE_CHECKING:
    from xtl_jax.cli.study_cost import Cost
    from xtl_jax.cli.study_stages import Describer
    from xtl_jax.studies.graph import Graph, Stage

EXAMPLE = """example:
  xtl study show
  xtl study show task_order --scale world --picture task_order.svg
  xtl study show number_of_tasks --scale full --gin.StudyConfig.seeds=[0,1,2] --json

Nothing is trained. Data that is here is read once for its checksum, which is part of
the stages' ids; where data is missing, ids are of the study without it.
"""
_SHOWN = 12  # names of missing data


def add_parser(commands: Any) -> None:
    """Register `xtl study show`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "show",
        help="arms, stages with their ids, what data is here, FLOPs, hours, money",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="of the study; without it, all of them"
    )
    study_config.add_flags(parser)
    parser.add_argument("--stages", action="store_true", help="list every stage")
    parser.add_argument(
        "--picture", metavar="FILE", help="the graph of one seed as an SVG picture"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show one study, or what studies there are."""
    if arguments.name is None:
        return _list(arguments)
    from xtl_jax.cli.study_cost import cost
    from xtl_jax.cli.study_stages import planned
    from xtl_jax.studies import picture

    asked = study_config.load(
        arguments.name, scale=arguments.scale, arguments=arguments
    )
    found, describer = planned(asked, search=arguments.gin_search_path)
    taken = cost(found, describer)
    if arguments.picture:
        pathlib.Path(arguments.picture).write_text(picture.svg(found), encoding="utf-8")
    if arguments.json:
        print(json.dumps(document(found, describer, taken), ensure_ascii=False))
    else:
        _show(found, describer, taken, stages=arguments.stages)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    found = {}
    for name in study_config.folders(arguments.gin_search_path):
        asked = study_config.load(name, scale=arguments.scale, arguments=arguments)
        found[name] = asked.config.question
    if arguments.json:
        print(json.dumps({"studies": found}, ensure_ascii=False))
        return 0
    width = max(map(len, found), default=0)
    for name, question in found.items():
        print(f"{name:{width}}  {question}")
    print("\nShow one: xtl study show NAME --scale world|real|small|full")
    return 0


def document(graph: Graph, describer: Describer, taken: Cost) -> dict[str, Any]:
    """A study as JSON values: what `--json` prints, and `study.json` holds."""
    config = graph.config
    return {
        "xtl_jax": xtl_jax.__version__,
        "study": dataclasses.asdict(config),
        "arms": [
            {
                "name": arm.name,
                "place": dict(arm.place),
                "take": arm.take,
                "phases": [dataclasses.asdict(phase) for phase in arm.phases],
            }
            for arm in graph.arms
        ],
        "stages": [stage_document(stage) for stage in graph.stages],
        "counts": graph.counts(),
        "unshared_training_stages": graph.unshared(),
        "marks": list(graph.marks()),
        "data": {
            f"{task}/{split}": where
            for (task, split), where in sorted(describer.data.items())
        },
        "cost": taken._asdict(),
    }


def stage_document(stage: Stage) -> dict[str, Any]:
    """One stage, likewise: what its `stage.json` holds."""
    return {
        "id": stage.id,
        "kind": stage.kind,
        "title": stage.title,
        "parents": [parent._asdict() for parent in stage.parents],
        "seed": stage.seed,
        "target": stage.target,
        "arms": list(stage.arms),
        "marks": list(stage.marks),
        "oracle": stage.oracle,
        "settings": dict(stage.settings),
    }


def _show(graph: Graph, describer: Describer, taken: Cost, *, stages: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    config, console = graph.config, Console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    say(f"{config.name} at scale {config.scale}: {config.question}")
    table = Table(title=f"{len(graph.arms)} arms")
    for column in ("arm", "phases", "steps"):
        table.add_column(column)
    for arm in graph.arms:
        chain = " -> ".join(" + ".join(phase.tasks) for phase in arm.phases)
        counted = sum(phase.steps for phase in arm.phases)
        table.add_row(
            escape(arm.name),
            escape(chain),
            f"{counted:,}" if arm.take is None else f"{arm.take:,} of {counted:,}",
        )
    console.print(table)
    counts = graph.counts()
    say(
        f"{len(config.seeds)} seeds, {len(config.targets)} targets "
        f"({', '.join(config.targets)})"
        + (f", {len(config.attacks)} attacks" if config.attacks else "")
    )
    say(
        f"stages: {counts['train']:,} to train ({graph.unshared():,} if nothing were "
        f"shared), {counts['predict']:,} to predict, {counts['score']:,} to score"
    )
    beside = sum(s.oracle is not None and s.kind == "predict" for s in graph.stages)
    if beside:
        say(f"of these, {beside:,} each for oracle selection ({MARK})")
    say(_data(describer))
    say(_cost(taken))
    for mark in graph.marks():
        say(f"marked: {mark}")
    if stages:
        every = Table(title="stages")
        for column in ("id", "kind", "stage", "seed", "begins with", "arms"):
            every.add_column(column, no_wrap=column == "id")
        for stage in graph.stages:
            parents = ", ".join(
                parent.id + (f" at {parent.take}" if parent.take else "")
                for parent in stage.parents
            )
            every.add_row(
                *(stage.id, stage.kind, escape(stage.title)),
                "" if stage.seed is None else str(stage.seed),
                parents or escape(stage.draft.initial),
                str(len(stage.arms)),
            )
        console.print(every)


def _data(describer: Describer) -> str:
    counted = collections.Counter(describer.data.values())
    missing = [
        f"{task}/{split}"
        for (task, split), where in sorted(describer.data.items())
        if where == "missing"
    ]
    text = (
        f"data: of {len(describer.data)} splits {counted['here']} here, "
        f"{counted['cached']} cached, {counted['missing']} missing"
    )
    if missing:
        more = ", …" if len(missing) > _SHOWN else ""
        text += f" ({', '.join(missing[:_SHOWN])}{more})"
    return text


def _cost(taken: Cost) -> str:
    text = f"training: {taken.steps:,} updates, {taken.flops:.3g} FLOPs"
    if taken.hours is not None:
        text += f"; on {taken.topology} ({taken.chips} chips) {taken.hours:,.1f} hours"
        text += "" if taken.usd is None else f", ${taken.usd:,.0f}"
        text += (
            f"; memory of a device about {taken.memory_gib:.1f} of "
            f"{taken.usable_gib:.1f} GiB"
        )
    return f"{text} ({taken.says})"
