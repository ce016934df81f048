"""A study where it is to run: its data, its graph, its directory.

At scale `world` nothing is needed from outside: where no data and no vocabulary are
given, the toy world is made once in the study's directory, or, for a directory in a
bucket, in a folder of this machine.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
from typing import NamedTuple

from xtl_jax import storage
from xtl_jax.cli import study_config
from xtl_jax.cli.config import Binding, default_places
from xtl_jax.cli.study_config import Asked
from xtl_jax.cli.study_stages import Describer
from xtl_jax.studies.directory import Directory
from xtl_jax.studies.graph import Graph

WORLD = "world"
COMPILED = "compiled"  # in a study's directory
_SEED = 0  # of the world: every study asks the same one


class Study(NamedTuple):
    """A study that can run."""

    graph: Graph
    describer: Describer
    directory: Directory


def begin(arguments: argparse.Namespace) -> Study:
    """Find or make what a study needs, and write `study.json`.

    Raises:
        UserError: what the study asks for does not exist or is not allowed.
    """
    from xtl_jax.cli import devices, study_show
    from xtl_jax.cli.study_cost import cost
    from xtl_jax.cli.study_stages import planned

    directory = Directory(arguments.study_dir)
    asked = study_config.load(
        arguments.name, scale=arguments.scale, arguments=arguments
    )
    asked = _with_world(asked, directory)
    found, describer = planned(asked, search=arguments.gin_search_path)
    document = study_show.document(found, describer, cost(found, describer))
    directory.write_study(document)
    devices.keep_compiled(directory.path / COMPILED)
    return Study(found, describer, directory)


def _with_world(asked: Asked, directory: Directory) -> Asked:
    """The study, at scale `world` with the places of the toy world where none are."""
    given = {each.field for each in asked.overrides if each.owner == "RunConfig"}
    if asked.config.scale != WORLD or {"data_dir", "vocabulary"} & given:
        return asked
    place = directory.path / WORLD
    if storage.is_remote(place):
        places = default_places({})
        place = pathlib.Path(places["cache_dir"]) / "studies" / WORLD
    _make_world(pathlib.Path(place))
    places = {
        "data_dir": str(place / "data"),
        "cache_dir": str(place / "cache"),
        "vocabulary": str(place / "vocabulary.model"),
    }
    made = [
        Binding("RunConfig", field, value, "the study's world")
        for field, value in places.items()
        if field not in given
    ]
    return asked._replace(overrides=(*asked.overrides, *made))


def _make_world(place: pathlib.Path) -> None:
    """Make it under another name, then give it its own: it is whole or not there."""
    from xtl_jax.cli import quickstart

    if place.is_dir():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".world-") as partial:
        made = pathlib.Path(partial) / WORLD
        quickstart.make_world(made, seed=_SEED)
        try:
            made.rename(place)
        except OSError:
            if not place.is_dir():  # else another worker was faster
                raise
