"""What a study's page says: sentences that follow from the tests alone.

There are three that a comparison may end with. *Significant*: the adjusted p is at
most 5 %. *Not significant*: it is not, and a difference that matters would have been
found in 80 % of such studies. *Not enough power*: it is not, and one that matters could
easily have been missed; nothing is claimed then.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from xtl_jax.metrics.comparisons import ALL
from xtl_jax.metrics.crossed import Estimate
from xtl_jax.metrics.power import Conclusion
from xtl_jax.report import wording
from xtl_jax.report.cells import Cell
from xtl_jax.report.study_findings import LOW, Contrast, Finding, Measure, TrendTest
from xtl_jax.report.study_results import CLEAN, NONE, STATES, Study
from xtl_jax.report.study_tests import Analysis

_OPEN: dict[Conclusion, str] = {
    "not significant": "not significant",
    "not enough power": "without enough power",
}
# Of scores, and of gaps, where more points are worse.
SAID: dict[bool, dict[Conclusion, str]] = {
    False: {"higher": "higher", "lower": "lower", **_OPEN},
    True: {"higher": "larger", "lower": "smaller", **_OPEN},
}
_WAYS: dict[Conclusion, str] = {"higher": "rising", "lower": "falling", **_OPEN}
MOST_NAMED = 3  # arms that a sentence without a finding names
_PARTS = {(ALL, ALL): "all languages", LOW: "low-resource languages"}


def condition_title(condition: str) -> str:
    """A condition in words; an attack with its settings, as its files are named.

    Example:
        >>> condition_title("zero_width"), condition_title("noise,budget=0.1,seed=0")
        ('under zero width', 'under noise (budget 0.1)')
    """
    if condition == CLEAN:
        return "clean"
    name, *settings = condition.split(",")
    shown = [each.replace("=", " ") for each in settings if each != "seed=0"]
    said = f" ({', '.join(shown)})" if shown else ""
    return f"under {name.replace('_', ' ')}{said}"


def measure_title(condition: str, *, gap: bool) -> str:
    """What is measured, for a heading. A gap is clean minus attacked.

    Example:
        >>> measure_title("", gap=False), measure_title("distractor", gap=True)
        ('Clean', 'Gap under distractor')
    """
    text = condition_title(condition)
    return f"Gap {text}" if gap else text[0].upper() + text[1:]


def interval(found: Estimate, *, sign: bool = True) -> str:
    """An estimate's interval in brackets."""
    return wording.interval(Cell(value=None, interval=found.interval), sign=sign)


def points(number: float) -> str:
    """Example: `points(1.0)` is "1 point"."""
    return f"{number:g} point{'s' * (number != 1)}"


def p_text(p: float | None) -> str:
    """Example: `p_text(0.0004)` is "p < 0.001"; None is "no test"."""
    if p is None:
        return "no test"
    text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return text.replace(" ", "\u00a0")


def progress(study: Study) -> str:
    """How far a study is, one sentence."""
    counted = Counter(stage.state for stage in study.stages)
    total = len(study.stages)
    if counted["done"] == total:
        return f"All {total} stages are done."
    rest = ", ".join(
        f"{counted[state]} {words}"
        for state, words in STATES.items()
        if state != "done" and counted[state]
    )
    return (
        f"This study is not complete: {counted['done']} of {total} stages are done "
        f"({rest}). What follows is about what is done, on the seeds that both sides "
        "of a comparison have; more runs may change it."
    )


def verdict(study: Study, analysis: Analysis) -> str:
    """The count of conclusions, one sentence."""
    tests = analysis.headline
    if not tests:
        return (
            "No conclusion: no arm and no baseline are scored on one target yet, so "
            "nothing is compared."
        )
    texts = []
    for gap, words in ((False, "scores"), (True, "gaps under attack")):
        counted = Counter(t.conclusion for t in tests if t.measure.gap == gap)
        if counted:
            parts = [f"{counted[k]} {SAID[gap][k]}" for k in SAID[gap] if counted[k]]
            texts.append(f"{words}: {', '.join(parts)}")
    text = f"Of {len(tests)} comparisons with the arm none, {'; '.join(texts)}."
    trends = [trend.conclusion for trend in analysis.trends if trend.conclusion]
    if trends:
        counted = Counter(trends)
        parts = [f"{counted[k]} {_WAYS[k]}" for k in _WAYS if counted[k]]
        text += f" Of {len(trends)} trends, {', '.join(parts)}."
    said = {*trends, *(test.conclusion for test in tests)}
    if said == {"not enough power"}:
        text += " This study cannot answer its question."
    there = {test.comparison.arm for test in tests}
    lacking = [arm for arm in study.arms if arm not in (*there, NONE)]
    if any(len(test.comparison.seeds) == 1 for test in tests):
        text += (
            " Where only one seed is compared, what is said holds for these "
            "checkpoints, not for other runs like them."
        )
    if lacking:
        text += f" No comparison yet for {wording_list(lacking)}."
    return text


class Said(NamedTuple):
    """A sentence, what it is about, and whether it is good news."""

    where: str
    text: str
    news: Literal["better", "worse", ""] = ""


def headline_sentences(study: Study, analysis: Analysis) -> list[Said]:
    """One for each measure, part and conclusion; findings first."""
    titles = {target.name: target.title for target in study.targets}
    groups: dict[tuple, list[Finding]] = {}
    for test in analysis.headline:
        part = (test.comparison.dimension, test.comparison.name)
        groups.setdefault((test.measure, part, test.conclusion), []).append(test)
    rank = list(SAID[False])
    said = []
    for (measure, part, conclusion), tests in sorted(
        groups.items(), key=lambda pair: max(1, rank.index(pair[0][2]))
    ):
        where = f"{titles[measure.target]}, {_where(measure)}, {_PARTS[part]}"
        text = _sentence(study, measure, conclusion, tests)
        said.append(Said(where, text, _news(measure, conclusion)))
    return said


def _news(measure: Measure, conclusion: str | None) -> Literal["better", "worse", ""]:
    if conclusion not in ("higher", "lower"):
        return ""
    return "better" if (conclusion == "higher") != measure.gap else "worse"


def _where(measure: Measure) -> str:
    title = measure_title(measure.condition, gap=measure.gap)
    return title[0].lower() + title[1:]


def _sentence(
    study: Study, measure: Measure, conclusion: Conclusion, tests: Sequence[Finding]
) -> str:
    arms = wording_list([_said(test) for test in tests])
    if len(tests) > MOST_NAMED and conclusion in _OPEN:
        found = sorted(test.comparison.estimate.points for test in tests)
        ends = (wording.signed(found[0]), wording.signed(found[-1]))
        arms = f"{len(tests)} arms (from {ends[0]} to {ends[1]} points)"
    verb = "is" if len(tests) == 1 else "are"
    matters = points(study.matters)
    if conclusion in ("higher", "lower"):
        up = conclusion == "higher"
        if measure.gap:
            words = "a larger gap than" if up else "a smaller gap than"
            verb = "has" if len(tests) == 1 else "have"
        else:
            words = "above" if up else "below"
        return f"Significant: {arms} {verb} {words} none."
    chances = [test.chance for test in tests]
    if conclusion == "not significant":
        return (
            f"Not significant: {arms} {verb} not shown to differ from none, and a true "
            f"difference of {matters} would have been found in at least "
            f"{_percent(min(chances))} of such studies."
        )
    return (
        f"Not enough power: nothing can be said of {arms}. {_able(tests)}; one that "
        f"matters, {matters}, is found in {_percent(max(chances))} at most."
    )


def _able(tests: Sequence[Finding]) -> str:
    """What such studies can find."""
    found = sorted(test.detectable for test in tests)
    if not math.isfinite(found[0]):
        return "No answer changed or nothing was repeated, so nothing is known of it"

    def written(number: float) -> str:
        return wording.number(number) if number <= 100 else "over 100"

    ends = dict.fromkeys((written(found[0]), written(found[-1])))
    return (
        f"Such studies find true differences of {' to '.join(ends)} points and more "
        "four times in five"
    )


def _said(test: Finding) -> str:
    found = test.comparison
    interval = wording.interval(
        Cell(value=None, interval=found.estimate.interval), sign=True
    )
    return (
        f"{found.arm} ({wording.signed(found.estimate.points)} {interval}, "
        f"{p_text(found.adjusted_p)})"
    )


def _percent(chance: float) -> str:
    return f"{100 * chance:.0f}\u00a0%"


def wording_list(parts: Sequence[str]) -> str:
    """Example: `wording_list(["a", "b", "c"])` is "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def trend_sentence(study: Study, found: TrendTest) -> Said:
    """What a trend test says."""
    titles = {target.name: target.title for target in study.targets}
    part = _PARTS[found.part]
    where = f"{titles[found.measure.target]}, {_where(found.measure)}, {part}"
    if found.line != "number of tasks":
        where = f"{found.line} on {where}"
    if found.trend is None:
        lacking = ", ".join(found.lacking) or "a seed that all arms have"
        return Said(where, f"Not tested: {lacking} missing.")
    slope = found.trend.slope
    moved = (
        f"{wording.signed(slope.points, 2)} points for each {found.unit} "
        f"{interval(slope)}, {p_text(found.adjusted_p)}"
    )
    order = ""
    if found.trend.order is not None:
        way = "rises" if found.trend.order.rises else "falls"
        p = p_text(found.trend.order.p)
        order = f" Page's test of the order ({way}): {p}, not adjusted."
    number = "number of tasks" if found.unit == "task" else "steps"
    said = {
        "higher": f"Significant: it rises with the {number}",
        "lower": f"Significant: it falls with the {number}",
        "not significant": "Not significant: no slope is shown, and one that brings "
        f"{points(study.matters)} from end to end would have been found",
        "not enough power": "Not enough power: nothing can be said of a slope",
    }[found.conclusion or "not enough power"]
    news = _news(found.measure, found.conclusion)
    return Said(where, f"{said} ({moved}).{order}", news)


def contrast_words(found: Contrast) -> str:
    """The conclusion of a contrast in a table's cell.

    It compares two differences: both may be losses, and those of a gap may be worse.
    """
    said = SAID[found.measure.gap][found.conclusion or "not enough power"]
    if found.conclusion not in ("higher", "lower"):
        return said
    return f"{said} in low-resource than in the rest"
