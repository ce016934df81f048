"""What is imported when: little for help, no TensorFlow for training from a cache.

`lean_site` is a folder with the packages that training and prediction from a cache may
use and what those require, and nothing else; Python started with `-S` sees only it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = (ROOT, ROOT / "tasks")
ALLOWED = (
    *("jax", "flax", "optax", "orbax-checkpoint", "numpy"),
    *("gin-config", "sentencepiece"),
)
HEAVY = (
    *("jax", "flax", "optax", "orbax", "tensorflow", "tensorflow_text", "seqio"),
    *("tensorflow_datasets", "matplotlib", "jinja2", "regex", "sentencepiece"),
    *("safetensors", "tensorstore", "tensorboardX", "scipy", "pandas"),
)


def _closure():
    """Installed distributions that the allowed ones require."""
    found, waiting = {}, list(ALLOWED)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for text in found[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def lean_site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lean_site")
    owners = importlib.metadata.packages_distributions()
    for distribution in _closure().values():
        for file in distribution.files or ():
            if file.parts[0] in ("..", "__pycache__"):
                continue
            # A namespace such as `google` belongs to several distributions.
            is_shared = len(set(owners.get(file.parts[0], ()))) > 1
            part = pathlib.Path(*file.parts[: 2 if is_shared else 1])
            if not (folder / part).exists():
                (folder / part).parent.mkdir(parents=True, exist_ok=True)
                (folder / part).symlink_to(distribution.locate_file(part))
    return folder


def _run(code, *arguments, path, flags=(), check=True):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XTL_", "PYTHON", "COV_"))
    }
    environment |= {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # half the time to compile
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, *flags, "-c", code, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


COMMAND = "import sys; from xtl_jax.cli.main import main; sys.exit(main(sys.argv[1:]))"
IMPORTED = f"""
import json, sys
from xtl_jax.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as leaving:
    code = leaving.code
heavy = [name for name in {HEAVY!r} + ("numpy", "rich") if name in sys.modules]
print("\\n" + json.dumps([code, heavy]))
"""


def _imported(*arguments):
    done = _run(IMPORTED, *arguments, path=SOURCES)
    return json.loads(done.stdout.splitlines()[-1])


def test_help_imports_nothing_heavy():
    assert _imported("--help") == [0, []]


@pytest.mark.parametrize("command", ["train", "predict", "run", "quickstart", "score"])
def test_help_of_a_command_imports_nothing_heavy(command):
    assert _imported(command, "--help") == [0, []]


def test_tasks_are_listed_without_numpy_or_anything_heavier():
    assert _imported("tasks") == [0, ["rich"]]
    assert _imported("tasks", "--json") == [0, []]
    # One task's card names the attacks that apply to it.
    assert _imported("tasks", "mlqa", "--json") == [0, ["regex"]]


def test_a_command_imports_only_its_own_module():
    code = (
        "import sys; from xtl_jax.cli.main import main; main(['docs']);"
        "print([n for n in sys.modules if n.startswith('xtl_jax.cli.')])"
    )
    done = _run(code, path=SOURCES)
    names = ("config_values", "config", "main", "docs")
    assert done.stdout.splitlines()[-1] == str(
        [f"xtl_jax.cli.{name}" for name in names]
    )


def test_the_lean_site_has_nothing_for_making_caches(lean_site):
    code = (
        "import importlib.util as u, sys;"
        "print([n for n in sys.argv[1:] if u.find_spec(n) is not None])"
    )
    wanted = ["jax", "orbax", "gin", *HEAVY, "jaxtyping", "beartype", "clu"]
    done = _run(code, *wanted, path=(lean_site,), flags=("-S",))
    found = set(re.findall(r"'(\w+)'", done.stdout))
    must = {"jax", "flax", "optax", "orbax", "gin", "sentencepiece"}
    assert found == must | {"tensorstore", "scipy"}  # of orbax, of jax


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_training_and_prediction_from_a_cache_need_few_packages(
    lean_site, world_data, tiny_gin, tmp_path
):
    path = (lean_site, *SOURCES)
    data = shutil.copytree(world_data, tmp_path / "data")
    cache, run = tmp_path / "cache", tmp_path / "run"
    for task, split in (("world_qa.en", "train"), ("world_qa.de", "test")):
        _run(
            COMMAND,
            *("data", "cache", task, "--split", split, "--vocabulary", "bytes"),
            *("--extra_ids", 0, "--data_dir", data, "--cache_dir", cache),
            path=(*SOURCES, *sys.path),
        )

    def lean(*arguments, check=True):
        flags = ("-S",)
        return _run(COMMAND, *arguments, path=path, flags=flags, check=check)

    train = ("train", f"--gin_file={tiny_gin}", "--json")
    train += ("--cache_dir", cache, "--run_dir", run)
    first = lean(*train, "--data_dir", data, "--gin.TRAIN_STEPS=3")
    assert json.loads(first.stdout)["step"] == 3
    shutil.rmtree(data)  # now only the caches are left
    resumed = lean(*train)
    assert json.loads(resumed.stdout)["outcome"] == "finished"
    predict = ("predict", run, "--task", "world_qa.de/test", "--json")
    predicted = json.loads(lean(*predict).stdout)
    assert list(predicted["predictions"].values()) == [4]
    refused = lean("predict", run, "--task", "world_qa.tr/test", check=False)
    assert refused.returncode == 2
    assert "neither here nor cached" in refused.stderr
    assert "Traceback" not in refused.stderr
