"""`xtl doctor`: versions, devices, data; what is missing and how to get it.

With a folder (of a run, a study or caches): what is in it, whether all of it is whole,
and what can be gone on with. `--fix` removes what kills have left half-written, if it
is surely nothing else, and changes nothing besides.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import shutil
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.report.text import visible

# What each package is for; the first group is all that training from a cache needs.
PACKAGES = {
    "jax": "training and prediction",
    "flax": "training and prediction",
    "optax": "training and prediction",
    "orbax-checkpoint": "training and prediction",
    "numpy": "training and prediction",
    "gin-config": "configuration",
    "sentencepiece": "vocabularies",
    "rich": "tables and progress",
    "seqio": "making caches",
    "tensorflow": "making caches",
    "tensorflow-text": "making caches",
    "tensorflow-datasets": "data by TFDS",
    "tensorstore": "T5X checkpoints",
    "jinja2": "report.html",
    "tensorboardX": "TensorBoard events",
    "libtpu": "TPUs (extra tpu)",
    "gcsfs": "gs:// paths (extra gcs)",
}
OPTIONAL = {"libtpu", "gcsfs", "tensorboardX"}


def add_parser(commands: Any) -> None:
    """Register `xtl doctor`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="versions, devices, data found or not, and how to get what is missing",
        description=__doc__,
        epilog="examples:\n  xtl doctor --data_dir=DATA\n  xtl doctor runs/squad --fix",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", nargs="?", metavar="RUN_DIR", help="of a run, a study or caches"
    )
    parser.add_argument(
        "--fix", action="store_true", help="remove what is surely temporary in RUN_DIR"
    )
    parser.add_argument("--data_dir", default=os.environ.get("XTL_DATA_DIR", ""))
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look around and say what was found."""
    if arguments.folder:
        return _run_folder(arguments)
    if arguments.fix:
        raise UserError("--fix mends a folder: give the folder, too")
    found = examine(arguments.data_dir)
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)
    return 1 if found["problems"] else 0


def _run_folder(arguments: argparse.Namespace) -> int:
    """Look at one folder; 1 if something in it is damaged or missing."""
    from xtl_jax.cli import doctor_run

    seen = doctor_run.examine(arguments.folder)
    removed = doctor_run.remove(seen.findings) if arguments.fix else []
    problems = [each for each in seen.findings if each.level == "problem"]
    if arguments.json:
        found = {
            "folder": arguments.folder,
            "kind": seen.kind,
            "resume": seen.resume,
            "findings": [each._asdict() for each in seen.findings],
            "removed": removed,
        }
        print(json.dumps(found, ensure_ascii=False))
        return 1 if problems else 0
    for each in seen.findings:
        done = " (removed)" if each.path in removed else ""
        print(visible(f"{each.level}: {each.path}: {each.says}{done}"))
    print(
        f"{seen.kind}: {len(problems)} problems; the same command again: {seen.resume}"
    )
    if not arguments.fix and any(each.removable for each in seen.findings):
        print("`--fix` removes what is temporary and an hour old")
    return 1 if problems else 0


def examine(data_dir: str) -> dict[str, Any]:
    """Everything as JSON values; `problems` holds what stops training."""
    packages = {name: _version(name) for name in PACKAGES}
    problems = [
        f"{name} is not installed ({PACKAGES[name]}): pip install {name}"
        for name, version in packages.items()
        if version is None and name not in OPTIONAL
    ]
    devices: list[str] = []
    try:
        import jax

        devices = [f"{each.device_kind} ({each.platform})" for each in jax.devices()]
    except Exception as error:  # whatever a driver raises is what must be shown
        problems.append(f"JAX finds no device: {type(error).__name__}: {error}")
    problems += _kernels(devices)
    home = pathlib.Path.home()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "free_disk_gb": round(shutil.disk_usage(home).free / 1e9, 1),
        "packages": packages,
        "devices": devices,
        "data_dir": data_dir or None,
        "data": _data(data_dir),
        "problems": problems,
    }


def _kernels(devices: Sequence[str]) -> list[str]:
    """What attention kernels compute wrongly on these devices."""
    if not any(each.endswith("(tpu)") for each in devices):
        return []  # what follows takes a second to import
    from xtl_jax.model import flash_check

    return [
        f"attention on {devices[0]}: a kernel's {each.of} differ from those of plain "
        f"products by {each.relative:.0%} ({'decoder' if each.causal else 'encoder'}); "
        "please report it; lengths that are no multiples of 128 do without the kernel"
        for each in flash_check.differences()
        if each.relative > flash_check.MOST
    ]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _data(data_dir: str) -> dict[str, dict[str, Any]]:
    """For each family: how many of its language splits are here, and how to get it."""
    from xtl_tasks import catalog, loading

    if data_dir and "://" not in data_dir and not os.path.isdir(data_dir):
        raise UserError(
            f"data directory {data_dir!r} does not exist; see --data_dir and "
            "XTL_DATA_DIR"
        )
    settings = loading.TaskSettings(data_dir=data_dir or None)
    found = {}
    for family in catalog.FAMILIES:
        parts = [
            (language, split)
            for language in family.standard_languages
            for split in family.splits_of(language)
        ]
        here = [
            part
            for part in parts
            if loading.find_source(family, part[0], split=part[1], settings=settings)
        ]
        found[family.name] = {
            "here": len(here),
            "of": len(parts),
            "get": None if len(here) == len(parts) else family.card.get,
            "homepage": family.card.homepage,
        }
    return found


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    console = Console()
    console.print(
        f"Python {found['python']}, {found['system']}, {found['cores']} cores, "
        f"{found['free_disk_gb']} GB free disk",
        highlight=False,
    )
    kinds = {kind: found["devices"].count(kind) for kind in found["devices"]}
    shown = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    console.print(f"devices: {shown or 'none'}", markup=False, highlight=False)
    table = Table("package", "version", "for", box=None)
    for name, version in found["packages"].items():
        absent = "not needed" if name in OPTIONAL else "MISSING"
        table.add_row(name, version or absent, PACKAGES[name])
    console.print(table)
    console.print(
        f"data in {found['data_dir'] or 'no folder (--data_dir or XTL_DATA_DIR)'}:",
        markup=False,
        highlight=False,
    )
    table = Table("family", "splits here", "to get the rest", box=None)
    for name, data in found["data"].items():
        get = f"{data['get']} ({data['homepage']})" if data["get"] else ""
        table.add_row(name, f"{data['here']} of {data['of']}", get)
    console.print(table)
    for problem in found["problems"]:
        console.print(f"problem: {problem}", markup=False, style="red")
    if not found["problems"]:
        console.print("nothing is missing for `xtl quickstart`")
