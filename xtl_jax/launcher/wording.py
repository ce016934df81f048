"""What the launcher says of a job, its hosts and its retries."""

from __future__ import annotations

from collections.abc import Mapping

from xtl_jax.launcher.commands import SILENCE_SECONDS, SILENT
from xtl_jax.launcher.job import Job


def what(job: Job) -> str:
    """The TPU, its kind, price and place."""
    slices = f"{job.slices} x " if job.slices > 1 else ""
    return (
        f"{slices}{job.slice.accelerator_type} ({job.capacity}, {job.chips} chips, "
        f"{job.usd_per_hour:,.2f} dollars an hour) in {job.zone}"
    )


def retry(job: Job, retries: int) -> str:
    """Which retry this is."""
    return f"retry {retries} of {job.max_retries}"


def ended(job: Job, bad: Mapping[str, int]) -> str:
    """Which hosts ended, and how."""
    if not bad:
        return ""
    saved = [host for host, code in bad.items() if code == 143]
    if len(saved) == len(bad):
        return f"stopped by SIGTERM after saving ({len(saved)} of {job.hosts} hosts)"
    crashed = [f"{host} ({_way(code)})" for host, code in bad.items() if code != 143]
    more = f" and {len(crashed) - 4} more" if len(crashed) > 4 else ""
    return f"crashed on host {', '.join(crashed[:4])}{more}"


def _way(code: int) -> str:
    if code == SILENT:
        return f"no word for {SILENCE_SECONDS // 60} minutes"
    return f"exit code {code}"


def reason(code: int, text: str) -> str:
    """Why a host could not be used; 255 is the exit code of ssh itself."""
    if code == 255:
        return f"ssh did not get there ({last_line(text)})"
    return f"exit code {code} ({last_line(text)})"


def last_line(text: str) -> str:
    """Where most programs say what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
