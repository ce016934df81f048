"""Several arms of `xtl robustness`: each run attacked and scored, then all compared."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax import storage
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.cli.run_results import Arm as Wanted
    from xtl_jax.cli.score_attacked import Scored
    from xtl_jax.metrics.robustness_arms import Arm

FILES = ("robustness.json", "robustness.md")
Compared = dict[str, dict[str, tuple["Arm", ...]]]


def run(
    arguments: argparse.Namespace,
    wanted: Sequence[Wanted],
    *,
    attack: Callable[[argparse.Namespace], tuple[dict[str, Any], list[Scored]] | None],
) -> int:
    """Attack all runs, compare the arms, write and show.

    Args:
        arguments: of the command.
        wanted: the arms, the baseline first.
        attack: predicts and scores one run; None on hosts that are not the first.
    """
    names = _names(wanted)
    _check_seeds(dict(zip(names, wanted, strict=True)))
    scored: dict[str, list[list[Scored]]] = {name: [] for name in names}
    missing: dict[str, str] = {}
    for name, arm in zip(names, wanted, strict=True):
        for run_dir in arm.run_dirs:
            arguments.run_dir_or_checkpoint = str(run_dir)
            done = attack(arguments)
            if done is None:
                continue
            predicted, found = done
            missing |= {
                f"{run_dir}: {file}": why for file, why in predicted["missing"].items()
            }
            scored[name].append(found)
    if not all(scored.values()):
        return 0  # another host has them
    compared, left_out = compare(scored)
    missing |= left_out
    out = storage.at(arguments.out) if arguments.out else wanted[-1].run_dirs[-1]
    paths = _write(compared, out=out)
    if arguments.json:
        document = {
            "families": _document(compared),
            "missing": missing,
            "files": [str(path) for path in paths],
        }
        print(json.dumps(document, ensure_ascii=False))
        return 0
    _show(compared, missing=missing, paths=paths)
    return 0


def compare(
    scored: Mapping[str, Sequence[Sequence[Scored]]],
) -> tuple[Compared, dict[str, str]]:
    """Arms by family and attack, and why an attack of some runs is left out.

    Raises:
        UserError: no attack was made on all runs, or their answers do not belong
            together.
    """
    from xtl_jax.metrics import robustness_arms

    runs = {
        f"{name}, run {number}": of_run
        for name, of_arm in scored.items()
        for number, of_run in enumerate(of_arm)
    }
    keys = {
        (each.family.name, each.attack["name"]): each
        for of_run in runs.values()
        for each in of_run
    }
    found: Compared = {}
    left_out = {}
    for (family, attack), first in sorted(keys.items(), key=_order):
        members = {
            run: {e.language: e for e in of_run if _key(e) == (family, attack)}
            for run, of_run in runs.items()
        }
        without = [run for run, by_language in members.items() if not by_language]
        if without:
            left_out[f"{family} under {attack}"] = "not predicted for " + "; ".join(
                without
            )
            continue
        for code in sorted({code for m in members.values() for code in m}):
            lacking = [run for run, m in members.items() if code not in m]
            if lacking:
                left_out[f"{family}.{code} under {attack}"] = (
                    "in no mean, not predicted for " + "; ".join(lacking)
                )
        splits = {e.document["split"] for m in members.values() for e in m.values()}
        if len(splits) > 1:
            raise UserError(
                f"{family} under {attack} was predicted on several splits: "
                f"{', '.join(sorted(splits))}; predict all runs with one --split"
            )
        metric = first.family.metric
        assert metric is not None, "a family without a metric is not scored"
        arms = robustness_arms.compare(
            {
                name: [
                    {code: e.rows for code, e in members[f"{name}, run {i}"].items()}
                    for i in range(len(of_arm))
                ]
                for name, of_arm in scored.items()
            },
            metric=metric,
        )
        by_attack = found.setdefault(family, {})
        title = str(first.attack["title"])
        by_attack[attack if title in by_attack else title] = arms
    if not found:
        raise UserError(
            "no attack was made on all runs, so nothing can be compared: "
            + "; ".join(f"{name}: {why}" for name, why in left_out.items())
            + "; predict all runs with the same --attack"
        )
    return found, left_out


def _order(entry: tuple[tuple[str, str], Scored]) -> tuple[str, float, str]:
    (family, attack), first = entry
    return family, first.attack["strength"], attack


def _key(each: Scored) -> tuple[str, str]:
    return each.family.name, each.attack["name"]


def _names(wanted: Sequence[Wanted]) -> list[str]:
    names = [arm.name or "+".join(path.name for path in arm.run_dirs) for arm in wanted]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"two arms are called {twice!r}; name them: NAME=RUN+RUN")
    return names


def _check_seeds(arms: Mapping[str, Wanted]) -> None:
    """Runs are paired by their place, so one seed must have one place.

    Raises:
        UserError: two arms have a seed at different places.
    """
    seeds = {name: [_seed(path) for path in arm.run_dirs] for name, arm in arms.items()}
    first, *others = seeds
    for other in others:
        pairs = list(zip(seeds[first], seeds[other], strict=False))
        known = all(None not in pair for pair in pairs)
        shared = set(seeds[first]) & set(seeds[other])
        if known and shared and any(one != same for one, same in pairs):
            raise UserError(
                "runs are compared seed by seed, in the order in which they are given; "
                f"RunConfig.seed of {first} is {seeds[first]}, of {other} "
                f"{seeds[other]}: give the runs of all arms in the order of their seeds"
            )


def _seed(run_dir: storage.AnyPath) -> int | None:
    """Of a run; None of what is none, such as a checkpoint from outside."""
    from xtl_jax.infer import records

    path = run_dir / "run.json"
    if not path.is_file():
        return None
    return records.read_document(path).get("run", {}).get("seed")


def _document(compared: Compared) -> dict[str, Any]:
    return {
        family: {
            attack: {arm.arm: arm.to_json() for arm in arms}
            for attack, arms in by_attack.items()
        }
        for family, by_attack in compared.items()
    }


def _write(compared: Compared, *, out: storage.AnyPath) -> list[storage.AnyPath]:
    from xtl_jax.infer import records
    from xtl_jax.report import robustness_arms

    texts = (
        json.dumps(_document(compared), ensure_ascii=False, allow_nan=False) + "\n",
        robustness_arms.markdown(compared),
    )
    paths = [out / name for name in FILES]
    for path, text in zip(paths, texts, strict=True):
        records.replace(path, text)
    return paths


def _show(
    compared: Compared, *, missing: Mapping[str, str], paths: Sequence[storage.AnyPath]
) -> None:
    from rich import box
    from rich.table import Table

    from xtl_jax.cli.screen import Console
    from xtl_jax.report import robustness_arms

    console = Console()
    for family, by_attack in compared.items():
        table = Table(
            title=f"{family} under attack",
            title_style="bold",
            caption=robustness_arms.caption(by_attack),
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for i, column in enumerate(robustness_arms.HEAD):
            table.add_column(column, justify="left" if i < 2 else "right")
        for cells in robustness_arms.rows(by_attack):
            table.add_row(*cells)
        console.print(table)
    for name, why in missing.items():
        console.print(f"missing  {name}: {why}", markup=False, soft_wrap=True)
    for path in paths:
        console.print(f"table: {path}", markup=False, soft_wrap=True)
