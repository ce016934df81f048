"""Run directories for the tests of reports."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest


def load_fabricated(name="fabricated"):
    path = pathlib.Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fabricated():
    """The module that makes run directories up."""
    return load_fabricated()


@pytest.fixture(scope="session")
def fabricated_tasks():
    """The module that makes run directories of all target tasks up."""
    return load_fabricated("fabricated_tasks")


@pytest.fixture(scope="session")
def two_systems(fabricated, fabricated_tasks, tmp_path_factory):
    """Folders of one run a target task: all tasks, and one that lacks some.

    The second has no BUCC, and no Persian in Mewsli-X.
    """
    folder = tmp_path_factory.mktemp("systems")
    for name, seed, skill in (("without", 0, 0.6), ("with", 1, 0.8)):
        for family, codes in fabricated_tasks.all_languages().items():
            if (name, family) == ("with", "bucc"):
                continue
            if (name, family) == ("with", "mewslix"):
                codes = [code for code in codes if code != "fa"]
            fabricated_tasks.write_tasks(
                folder / name / family,
                fabricated=fabricated,
                families={family: codes},
                name=f"{name}_{family}",
                seed=seed,
                skill=skill,
                examples=6,
                config={"task": f"{family}.en", "initial_checkpoint": f"runs/{name}"},
            )
    return folder / "without", folder / "with"


@pytest.fixture(scope="session")
def two_runs(fabricated, tmp_path_factory):
    """A baseline and an arm that is better, on MLQA with pairs and XNLI."""
    folder = tmp_path_factory.mktemp("runs")
    special = {
        "ar-0": "</script><script>alert(1)</script>",
        "en-3": "\x1b[31mred\x1b[0m [red]markup[/red]",
        "zh-1": "\u202eturned\u2028 \u2066",
    }
    shared = {
        "nli": tuple(fabricated.QA),
        "special": special,
        "pairs": ("en-ar", "ar-en"),
    }
    return (
        fabricated.write_run(folder / "without", seed=0, skill=0.45, **shared),
        fabricated.write_run(
            folder / "with", name="after squad_v1", seed=1, skill=0.7, **shared
        ),
    )


@pytest.fixture(scope="session")
def arms(two_runs):
    """The same two, read."""
    from xtl_jax.cli import run_results

    return run_results.read_all(two_runs)


@pytest.fixture(scope="session")
def tables(arms):
    """Their tables, by family."""
    from xtl_jax.report.tables import family_tables

    return {table.family: table for table in family_tables(arms)}
