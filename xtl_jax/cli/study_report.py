"""`xtl study report`: a study's answer, what was run and what was not, on one page.

Writes into `DIR/report`: `index.html` (one file, no network), each figure as SVG and
PNG, tables as CSV and LaTeX. A study may be looked at before it is done: what is not is
told. Nothing is trained or predicted, and the same stages give the same bytes, but for
the times at the end of the page.
"""

from __future__ import annotations

import argparse
import json
import shlex
from typing import Any

from xtl_jax import storage
from xtl_jax.cli import study_config
from xtl_jax.errors import UserError
from xtl_jax.report.text import visible

EXAMPLE = """example:
  xtl study report number_of_tasks --scale world --study_dir studies/number
"""
PAGE = "index.html"


def add_parser(commands: Any) -> None:
    """Register `xtl study report`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="one page of a study's results, with figures and tables beside it",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="of the study")
    study_config.add_scale(parser)
    parser.add_argument(
        "--study_dir", required=True, metavar="DIR", help="where the study is run"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="to write to (default: DIR/report)"
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        help="of items, for intervals (default: %(default)s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, no text"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the report of a study.

    Raises:
        UserError: there is no such study there, or a file cannot be read.
    """
    from xtl_jax.cli import study_results
    from xtl_jax.infer import records
    from xtl_jax.report import study_figures, study_page, study_tables, study_wording
    from xtl_jax.report.study_tests import analyse

    if arguments.resamples < 2:
        raise UserError(f"--resamples must be at least 2, got {arguments.resamples}")
    study = study_results.read(
        arguments.study_dir, name=arguments.name, scale=arguments.scale
    )
    analysis = analyse(study, resamples=arguments.resamples)
    figures = study_figures.all_figures(study, analysis)
    texts = study_tables.all_tables(study, analysis)
    pictures = {f"{name}.png": drawn.png() for name, drawn in figures.items()}
    texts |= {f"{name}.svg": drawn.svg() for name, drawn in figures.items()}
    names = sorted((*texts, *pictures))
    again = ["xtl", "study", "run", arguments.name, "--scale", arguments.scale]
    again += ["--study_dir", str(arguments.study_dir)]
    page = study_page.render(study, analysis, files=names, command=shlex.join(again))
    out = storage.at(arguments.out or storage.at(arguments.study_dir) / "report")
    for name, content in {**texts, **pictures, PAGE: page}.items():
        records.replace(out / name, content)
    said = study_wording.headline_sentences(study, analysis)
    trends = [study_wording.trend_sentence(study, each) for each in analysis.trends]
    document = {
        "page": str(out / PAGE),
        "files": names,
        "complete": study.complete,
        "progress": study_wording.progress(study),
        "verdict": study_wording.verdict(study, analysis),
        "conclusions": [each._asdict() for each in said],
        "trends": [each._asdict() for each in trends],
    }
    if arguments.json:
        print(json.dumps(document, ensure_ascii=False))
        return 0
    print(visible(document["progress"]))
    print(visible(document["verdict"]))
    for each in (*said, *trends):
        print(visible(f"\n{each.where}\n  {each.text}"))
    print(f"\npage: {out / PAGE}")
    return 0
