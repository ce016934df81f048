"""A fake cloud on PATH, and a launcher that looks at it often."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent


class Cloud:
    """The fake cloud's folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        code = (HERE / "fake_cloud.py").read_text(encoding="utf-8")
        program = self.bin / "gcloud"
        program.write_text(f"#!{sys.executable} -SsE\n{code}", encoding="utf-8")
        program.chmod(0o755)
        for name in ("xpk", "kubectl"):
            shutil.copy(program, self.bin / name)
        self.replay(lives=[["ACTIVE"]])

    def replay(self, **script: object) -> None:
        """Set what the cloud will do."""
        (self.folder / "script.json").write_text(json.dumps(script), encoding="utf-8")

    @property
    def state(self) -> dict:
        """What exists now."""
        return json.loads((self.folder / "state.json").read_text(encoding="utf-8"))

    def calls(self, *words: str) -> list[list[str]]:
        """Commands that were run and have all these words, or begin with them."""
        path = self.folder / "calls.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        return [
            call
            for call in map(json.loads, lines)
            if all(any(each.startswith(word) for each in call) for word in words)
        ]

    def environment(self) -> dict[str, str]:
        """Variables under which the fake programs are found first."""
        return {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "FAKE_CLOUD": str(self.folder),
            "XTL_LAUNCH_DIR": str(self.folder / "records"),
        }


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """A cloud that makes what is asked for at once, and never loses it."""
    made = Cloud(tmp_path / "cloud")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


FLAGS = (
    *("--name=job", "--tpu=v5litepod-16", "--zone=us-west4-a", "--spot"),
    *("--bucket=gs://bucket", "--max_cost=500", "--lock", str(HERE / "lock.txt")),
    *("--poll_seconds=0.01", "--settle_seconds=0.05"),
)
WORDS = ("--gin_file=models/mt5_xxl.gin", "--run_dir=gs://bucket/runs/xxl")


@pytest.fixture
def launch(xtl, cloud, monkeypatch):
    """`xtl launch VERB` with the flags of a small job, which others may follow."""
    from xtl_jax.cli import launch_files

    # What is shipped has tests of its own.
    monkeypatch.setattr(launch_files, "_sources", lambda: {"xtl_jax/x.py": b""})

    def run(verb, *more, words=WORDS, flags=FLAGS):
        return xtl("launch", verb, *flags, *more, *(("--", *words) if words else ()))

    return run


@pytest.fixture
def in_background(cloud):
    """`launch/tpu_train.sh VERB` as a process; it is gone when the test is over."""

    @contextlib.contextmanager
    def run(verb):
        with subprocess.Popen(
            [ROOT / "launch" / "tpu_train.sh", verb, *FLAGS, "--", *WORDS],
            env=os.environ | {"XTL_PYTHON": sys.executable},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return run


@pytest.fixture
def held(request):
    """Holds a text against `golden/NAME`; `--update-golden` alone changes it."""

    def check(name, text):
        path = HERE / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden file {name}; see pytest --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return check
