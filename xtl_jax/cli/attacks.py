"""`xtl attacks`: every attack, and what it does to a text.

xtl attacks                                  all, with what their budgets count
xtl attacks keyboard                         one, with an example in six scripts
xtl attacks keyboard --language tr           in one language
xtl attacks misread --language ru --text "Где берёт начало Дунай?"
xtl attacks --page                           the page of `xtl docs attacks`
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtl_jax.attacks.attack import Attack, Attacked
    from xtl_jax.attacks.named import Method
    from xtl_jax.data.rows import Row

SEED = 0
SHOWN_SHARE = 0.3  # of words, in examples: at the default, short texts show one edit


def add_parser(subparsers: Any) -> None:
    """Add `xtl attacks` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "attacks",
        help="the attacks, with examples in every script",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="one attack")
    parser.add_argument("--language", help="of the example, by its code")
    parser.add_argument("--text", help="to attack instead of the example")
    parser.add_argument("--budget", type=float, help="see the attack's own")
    parser.add_argument("--seed", type=int, default=SEED, help="of all randomness")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument(
        "--page", action="store_true", help="the page of documentation, as Markdown"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the attacks, show one, or write the page."""
    from xtl_jax.attacks import catalog
    from xtl_jax.cli import attacks_page
    from xtl_jax.errors import UserError

    if args.page:
        print(attacks_page.page(), end="")
        return 0
    if args.name is None:
        if args.text is not None or args.language is not None:
            raise UserError("--text and --language show one attack: give its name too")
        listed = [facts(attack) for attack in catalog.ATTACKS]
        if args.json:
            document = {"attacks": listed, "methods": methods()}
            print(json.dumps(document, ensure_ascii=False, indent=2))
        else:
            _print_list(listed)
        return 0
    attack = catalog.find(args.name)
    if args.text is not None and args.language is None:
        raise UserError("--text needs --language: the code of the text's language")
    if args.text is not None and attack.needs:
        needs = ", ".join(need.replace("_", " ") for need in attack.needs)
        raise UserError(
            f"{attack.name} needs {needs}, which a text alone has not; leave out "
            "--text to see its example"
        )
    shown = [
        {"language": language, **_shown(clean, attacked)}
        for language, clean, attacked in examples(
            attack,
            language=args.language,
            text=args.text,
            seed=args.seed,
            budget=args.budget,
        )
    ]
    document = {**facts(attack), "examples": shown}
    if args.json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        _print_one(document)
    return 0


def facts(attack: Attack) -> dict[str, Any]:
    """What lists say of an attack."""
    return {
        "name": attack.name,
        "group": attack.group,
        "summary": attack.summary,
        "source": attack.source,
        "rows": [kind.__name__ for kind in attack.kinds],
        "budget": attack.budget.default,
        "budget_means": attack.budget.means,
        "needs": list(attack.needs),
        "keeps_label": attack.keeps_label,
    }


def methods() -> list[dict[str, Any]]:
    """What lists say of the ways to attack a model rather than a text."""
    from xtl_jax.attacks import named

    return [
        {
            "name": method.name,
            "syntax": _syntax(method),
            "summary": method.summary,
            "source": method.source,
            "settings": dict(method.settings),
            "budget": method.budget.default if method.budget else None,
            "budget_means": method.budget.means if method.budget else "the attack's",
        }
        for method in named.METHODS
    ]


def _syntax(method: Method) -> str:
    """How it is named: `worst_of:ATTACK:k=8`."""
    from xtl_jax.attacks import named

    heads = {named.DRAW: "ATTACK", "worst_of": "worst_of:ATTACK"}
    head = heads.get(method.name, method.name + ":ATTACK" * (method.budget is None))
    settings = [f"{name}={value}" for name, value in method.settings.items() if value]
    return ":".join([head, *settings])


def examples(
    attack: Attack,
    *,
    language: str | None = None,
    text: str | None = None,
    seed: int = SEED,
    budget: float | None = None,
) -> Iterator[tuple[str, Row, Attacked]]:
    """Language, clean row and attacked row, of one language or of the six scripts.

    Raises:
        UserError: there is no example in this language.
    """
    from xtl_jax.attacks import examples as rows
    from xtl_jax.data.rows import PairRow, QuestionRow, TextRow
    from xtl_jax.errors import UserError, near

    if text is None and language is not None and language not in rows.LANGUAGES:
        raise UserError(
            f"no example in {language!r}; there are: {', '.join(rows.LANGUAGES)}; "
            f"near: {near(language, rows.LANGUAGES)}. --text takes any text"
        )
    by_word = attack.budget.largest == 1 and not attack.budget.whole
    if budget is None and by_word and attack.budget.default < SHOWN_SHARE:
        budget = SHOWN_SHARE
    for each in (language,) if language else rows.SCRIPTS:
        clean: Row
        resources = rows.resources(each if each in rows.LANGUAGES else "en")
        if text is not None:
            clean = TextRow(id="text", text=text)
            if not isinstance(clean, attack.kinds):
                clean = PairRow(id="text", first=text, second=text, label="entailment")
            if not isinstance(clean, attack.kinds):
                clean = QuestionRow(
                    id="text", question="", context=text, answers=(), answer_starts=()
                )
        elif QuestionRow in attack.kinds:
            # Most texts are in NFC: what makes that of them is shown on others.
            apart = attack.name == "unicode_nfc"
            clean = rows.question(each, form="NFD" if apart else "NFC")
        else:
            label = "paraphrase" if attack.name == "pair_swapped" else "entailment"
            clean = rows.pair(each, label=label)
        attacked = attack.perturb(
            clean, language=each, seed=seed, budget=budget, resources=resources
        )
        yield each, clean, attacked


def _shown(clean: Row, attacked: Attacked) -> dict[str, Any]:
    fields = attacked.changed_fields
    return {
        "clean": {field: getattr(clean, field) for field in fields},
        "attacked": {field: getattr(attacked.row, field) for field in fields},
        "not_applied": attacked.not_applied,
    }


def _print_list(listed: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl_jax.attacks import catalog
    from xtl_jax.cli.screen import Console

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("attack", no_wrap=True)
    table.add_column("budget", justify="right", no_wrap=True)
    table.add_column("what it does")
    above = ""
    for each in listed:
        if each["group"] != above:
            above = each["group"]
            table.add_row(Text(catalog.GROUPS[above], style="bold"))
        needs = ", ".join(need.replace("_", " ") for need in each["needs"])
        summary = each["summary"] + (f" (needs {needs})" if needs else "")
        table.add_row(*map(Text, (f"  {each['name']}", f"{each['budget']:g}", summary)))
    console = Console()
    console.print(table)
    console.print(Text("\n`xtl attacks NAME` shows one in six scripts.\n"))
    ways = Table(box=None, padding=(0, 2, 0, 0))
    ways.add_column("xtl predict --attack", no_wrap=True)
    ways.add_column("what it does")
    for each in methods():
        ways.add_row(*map(Text, (each["syntax"], each["summary"])))
    console.print(ways)


def _print_one(document: dict[str, Any]) -> None:
    from rich.text import Text

    from xtl_jax.cli.screen import Console

    console = Console()
    console.print(Text(document["name"], style="bold"))
    lines = [
        document["summary"],
        f"budget: {document['budget_means']}; {document['budget']:g} by default",
        f"rows: {', '.join(document['rows'])}",
        f"source: {document['source']}",
    ]
    for need in document["needs"]:
        lines.append(f"needs: {need.replace('_', ' ')}")
    if not document["keeps_label"]:
        lines.append("a probe: the label may no longer hold")
    for line in lines:
        console.print(Text(line))
    for each in document["examples"]:
        console.print(Text(f"\n{each['language']}", style="bold"))
        if each["not_applied"]:
            console.print(Text(f"  not applied: {each['not_applied']}"))
        for field, text in each["clean"].items():
            console.print(Text(f"  {field:8} {text}", style="dim"))
            console.print(Text(f"  {'':8} {visible(each['attacked'][field])}"))


# Characters that nobody sees, by the names that people know them by.
INVISIBLE = {
    "\u00a0": "⟨NBSP⟩",
    "\u200b": "⟨ZWSP⟩",
    "\u200e": "⟨LRM⟩",
    "\u200f": "⟨RLM⟩",
    "\u2060": "⟨WJ⟩",
    "\u2068": "⟨FSI⟩",
    "\u2069": "⟨PDI⟩",
}


def visible(text: str) -> str:
    """A text with its invisible characters named."""
    return text.translate(str.maketrans(INVISIBLE))
