"""A study's gin files to its `StudyConfig`.

    gin/studies/NAME/study.gin    what is the same at every scale
    gin/studies/NAME/SCALE.gin    the rest; wins

Both bind fields of `StudyConfig` and nothing else. `name` and `scale` are those of the
folder and the file. Flags win over both; those that are not of the study
(`--gin.RunConfig.batch_size=8`) hold for every stage.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from xtl_jax import fields
from xtl_jax.cli import config as configs
from xtl_jax.cli.config import Binding
from xtl_jax.errors import UserError, near
from xtl_jax.studies.config import Scale, StudyConfig

FOLDER = "studies"
OWNER = "StudyConfig"
COMMON = "study.gin"
SCALES: tuple[str, ...] = get_args(Scale)


class Asked(NamedTuple):
    """A study, and what flags set in every one of its stages."""

    config: StudyConfig
    overrides: tuple[Binding, ...]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that decide what a study is, of every command that reads its gin files."""
    add_scale(parser)
    parser.add_argument("--data_dir", help="folder of original release files")
    parser.add_argument("--cache_dir", help="folder of tokenised examples")
    parser.add_argument(
        "--gin_file",
        action="append",
        default=[],
        metavar="NAME",
        help="settings of the study, or of every stage; repeatable, later ones win, "
        "and --gin.StudyConfig.FIELD=VALUE or --gin.RunConfig.FIELD=VALUE over them",
    )
    parser.add_argument(
        "--gin_search_path",
        action="append",
        default=[],
        metavar="FOLDER",
        help="further folders to look for NAME/study.gin and gin files in",
    )


def add_scale(parser: argparse.ArgumentParser) -> None:
    """The flag that says which scale of a study is meant."""
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="world",
        help="world: the toy on a laptop; real: a real encoder; small: mT5-Small; "
        "full: the size in the question (default: %(default)s)",
    )


def folders(search: Sequence[str] = ()) -> dict[str, pathlib.Path]:
    """Every study, by name: packaged ones, and those of further folders, which win."""
    found: dict[str, pathlib.Path] = {}
    for place in (configs.folder() / FOLDER, *map(pathlib.Path, search)):
        for path in sorted(place.glob(f"*/{COMMON}")):
            found[path.parent.name] = path.parent
    return dict(sorted(found.items()))


def load(name: str, *, scale: str, arguments: argparse.Namespace) -> Asked:
    """A study at a scale.

    Args:
        name: of the study.
        scale: one of its files.
        arguments: with `gin_search_path` and `gin` (flags).

    Raises:
        UserError: no such study or scale, or fields that are missing or wrong.
    """
    known = folders(arguments.gin_search_path)
    if name not in known:
        raise UserError(
            f"no study {name!r}; near: {near(name, known)}; there are: "
            f"{', '.join(known)}"
        )
    path = known[name] / f"{scale}.gin"
    if not path.is_file():
        has = [each for each in SCALES if (known[name] / f"{each}.gin").is_file()]
        raise UserError(
            f"study {name!r} has no scale {scale!r}; it has: {', '.join(has)}"
        )
    values: dict[str, Any] = {"name": name, "scale": scale}
    for file in (known[name] / COMMON, path):
        for binding in configs.parse(configs.read(file), source=str(file)):
            if binding.owner != OWNER or binding.field in ("name", "scale"):
                raise UserError(
                    f"{binding.place} sets {binding.owner}.{binding.field}: the files "
                    "of a study set fields of StudyConfig, but for name and scale, "
                    "which those of the folder and the file are"
                )
            values[binding.field] = binding.value
    overrides = []
    for binding in configs.bindings(arguments):
        if binding.owner == OWNER:
            values[binding.field] = binding.value
        else:
            overrides.append(binding)
    for field in ("data_dir", "cache_dir"):
        if getattr(arguments, field, None):
            place = getattr(arguments, field)
            overrides.append(Binding("RunConfig", field, place, f"--{field}"))
    missing = [f"{OWNER}.{field}" for field in fields.missing(StudyConfig, values)]
    if missing:
        raise UserError(
            f"study {name!r} at scale {scale!r} has no value of {', '.join(missing)}; "
            f"give them in {path}"
        )
    return Asked(StudyConfig(**values), tuple(overrides))
