"""`xtl launch plan`: what a job costs, and `xtl plan` for whether it fits."""

from __future__ import annotations

import json
import subprocess
import sys

from xtl_jax.errors import UserError
from xtl_jax.hardware.prices import Price
from xtl_jax.launcher.job import Job


def plan(job: Job, price: Price, *, as_json: bool, dry_run: bool) -> int:
    """Show both; the exit code of `xtl plan`.

    Raises:
        UserError: this version has no `xtl plan`.
    """
    from xtl_jax.cli import launch_show, main, train

    argv = _argv(job, price)
    if dry_run:
        print(launch_show.local(argv, [{}]))
        return 0
    costs = launch_show.costs(job, price)
    if "plan" not in main.COMMANDS:
        train.show(costs, as_json=as_json)
        raise UserError(
            "this version has no `xtl plan`: whether the model fits is not checked"
        )
    if not as_json:
        train.show(costs, as_json=False)
        sys.stdout.flush()
        return subprocess.run(argv, check=False).returncode
    done = subprocess.run([*argv, "--json"], check=False, stdout=subprocess.PIPE)
    said = json.loads(done.stdout) if done.stdout.strip() else None
    print(json.dumps({"launch": costs, "plan": said}, ensure_ascii=False))
    return done.returncode


def _argv(job: Job, price: Price) -> list[str]:
    """The planner's command line: the job's words, its slice and its price."""
    asked = [f"--topology={job.slice.topology}", f"--capacity={job.capacity}"]
    if price.date == "given":
        asked.append(f"--usd_per_chip_hour={job.usd_per_chip_hour:g}")
    if job.slices > 1 and not any("MeshConfig.slices" in word for word in job.command):
        asked.append(f"--gin.MeshConfig.slices={job.slices}")
    return [
        *(sys.executable, "-m", "xtl_jax.cli.main", "plan"),
        *job.command[1:],
        *asked,
    ]
