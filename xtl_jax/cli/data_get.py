"""`xtl data get TASK`: release files from their publishers, each checked.

    xtl data get xquad --data_dir data              all languages
    xtl data get mlqa.ar xnli squad_v1 --data_dir data
    xtl data get anli_plus --data_dir data --dry_run

Files come from where their authors publish them. Size and SHA-256 are compared with
what is known of a file; where nothing is, the first download is trusted and a later
change refused. A transfer that was cut goes on where it stopped. Archives are unpacked
into the layout that the tasks read, and then the rows of every split are counted. What
a licence forbids to fetch is named, with where to put it: the exit code is then 2.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.cli import data_cache, progress
from xtl_jax.errors import UnlabelledError, UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.data.fetch import Download


class Wanted(NamedTuple):
    """A family's files, of all its languages or of some."""

    family: Family
    languages: tuple[str, ...]
    downloads: tuple[Download, ...]


def add_parser(subparsers: Any) -> None:
    """Add `xtl data get` to the actions of `xtl data`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "get",
        help="fetch release files from their publishers, checked and unpacked",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "task", nargs="+", help="a family (all its languages), a task or a mixture"
    )
    parser.add_argument(
        "--data_dir",
        default=os.environ.get("XTL_DATA_DIR"),
        help="folder of release files; made if missing (default: $XTL_DATA_DIR)",
    )
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="list addresses, sizes and places; fetch nothing",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fetch, unpack, count."""
    data_dir = _folder(args.data_dir)
    wanted = find_wanted(args.task)
    if args.dry_run:
        files = [
            _plan(one.family, each, data_dir)
            for one in wanted
            for each in one.downloads
        ]
        _show({"data_dir": str(data_dir), "files": files}, as_json=args.json)
        return 0
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--data_dir {data_dir}: {error.strerror}; give another folder"
        ) from None
    files, problems = _fetch_all(wanted, data_dir)
    rows = _count(wanted, data_dir, problems)
    document = {
        "data_dir": str(data_dir),
        "files": files,
        "rows": rows,
        "problems": problems,
    }
    _show(document, as_json=args.json)
    return 2 if problems else 0


def _folder(given: str | None) -> pathlib.Path:
    if not given:
        raise UserError("no folder to put files in; pass --data_dir or XTL_DATA_DIR")
    if "://" in given:
        raise UserError(
            f"--data_dir {given}: files are fetched to a local folder; copy it to the "
            "bucket afterwards"
        )
    return pathlib.Path(given)


def find_wanted(names: Sequence[str]) -> list[Wanted]:
    """The files that names stand for, each family once.

    Raises:
        UserError: an unknown name, or a family whose files nobody publishes.
    """
    from xtl_tasks import catalog, downloads

    languages: dict[str, dict[str, None]] = {}
    families = {family.name: family for family in catalog.FAMILIES}
    for name in names:
        if name in families:
            found = [(families[name], each) for each in families[name].languages]
        else:
            found = [catalog.find(task) for task in data_cache.task_names(name)]
        for family, language in found:
            languages.setdefault(family.name, {})[language] = None
    wanted = []
    for name, some in languages.items():
        family = families[name]
        files = tuple(
            each
            for each in downloads.of(family)
            if not each.languages or set(each.languages) & set(some)
        )
        if not files:
            raise UserError(f"{name}: nobody publishes its files. {family.card.get}")
        wanted.append(Wanted(family, tuple(some), files))
    return wanted


def _plan(family: Family, download: Download, data_dir: pathlib.Path) -> dict[str, Any]:
    return {
        "family": family.name,
        "url": download.url,
        "to": str(data_dir / download.to),
        "status": "by hand" if download.by_hand else "would fetch",
        "bytes": download.size,
        "sha256": download.sha256,
        "checked_with": download.known_from or None,
        "by_hand": f"{download.by_hand}: get {family.card.get}"
        if download.by_hand
        else None,
    }


def _fetch_all(
    wanted: Iterable[Wanted], data_dir: pathlib.Path
) -> tuple[list[dict[str, Any]], list[str]]:
    """What was done with each file, and what went wrong; one does not stop the rest."""
    from xtl_jax.data.fetch import ByHandError

    files: list[dict[str, Any]] = []
    problems: list[str] = []
    for family, _, downloads in wanted:
        for each in downloads:
            if any(each.url == report["url"] for report in files):
                continue
            plan = _plan(family, each, data_dir)
            try:
                files.append(plan | _fetch(each, data_dir))
            except UserError as error:
                if isinstance(error, ByHandError) and _is_here(family, data_dir):
                    files.append(plan | {"status": "here"})
                    continue
                status = "by hand" if each.by_hand else "failed"
                files.append(plan | {"status": status})
                problems.append(str(error))
                if each.by_hand:
                    problems[-1] += f". Get {family.card.get}"
    return files, problems


def _is_here(family: Family, data_dir: pathlib.Path) -> bool:
    """Whether any of a family's data is in the folder, however it came there."""
    from xtl_jax.data import sources

    return any(
        sources.locate(
            family.files_of(language, split=split),
            data_dir=data_dir,
            language=language,
        )
        for language in family.languages
        for split in family.splits_of(language)
    )


def _fetch(download: Download, data_dir: pathlib.Path) -> dict[str, Any]:
    """One file, with a bar."""
    from xtl_jax.data import fetch

    lines = progress.Lines(total=download.size)
    with progress.bytes_bar() as display:
        shown = display.add_task(download.name, total=download.size)

        def tell(count: int, total: int | None) -> None:
            display.update(shown, completed=count, total=total)
            lines.say(download.name, done=count)

        found = fetch.fetch(download, data_dir=data_dir, progress=tell)
    return {
        "status": found.status,
        "bytes": found.size,
        "sha256": found.sha256,
        "checked_with": found.checked or None,
    }


def _count(
    wanted: Iterable[Wanted], data_dir: pathlib.Path, problems: list[str]
) -> dict[str, int | str]:
    """Rows of every split that is here; another number than published is a problem."""
    from xtl_tasks import loading

    settings = loading.TaskSettings(data_dir=str(data_dir))
    rows: dict[str, int | str] = {}
    for family, languages, _ in wanted:
        for language in languages:
            for split in family.splits_of(language):
                at = {"split": split, "settings": settings}
                source = loading.find_source(family, language, **at)
                if source is None or source.tfds is not None:
                    continue
                name = f"{family.task_name(language)}/{split}"
                with progress.counting(f"rows of {name}", total=None):
                    try:
                        found = loading.rows(family, language, **at)
                        rows[name] = sum(1 for _ in found)
                    except UnlabelledError:
                        rows[name] = "unlabelled"
                    except UserError as error:
                        problems.append(str(error))
    return rows


def _show(document: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    table = Table(box=None, padding=(0, 1, 0, 0))
    for head in ("", "file", "MB", "SHA-256", "checked with"):
        table.add_column(head, no_wrap=head != "checked with")
    for each in document["files"]:
        size, why = each["bytes"], each["checked_with"]
        if not why:
            why = each["by_hand"] or "nothing: what comes first is trusted"
        table.add_row(
            each["status"],
            Text(os.path.relpath(each["to"], document["data_dir"])),
            f"{size / 1e6:,.1f}" if size else "?",
            (each["sha256"] or "?")[:12],
            Text(why),
        )
    console.print(table)
    known = sum(each["bytes"] or 0 for each in document["files"])
    console.print(Text(f"{known / 1e6:,.1f} MB; in {document['data_dir']}"))
    if "rows" not in document:
        for each in document["files"]:
            console.print(Text(each["url"]), soft_wrap=True)
        return
    for name, count in document["rows"].items():
        shown = f"{count:,} rows" if isinstance(count, int) else count
        console.print(Text(f"{name}: {shown}"))
    for problem in document["problems"]:
        progress.tell(f"xtl data: {problem}")
