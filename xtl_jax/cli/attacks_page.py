"""The page `attacks` of the documentation, written from the catalogue.

xtl attacks --page > xtl_jax/docs/attacks.md
"""

from __future__ import annotations

from xtl_jax.attacks import catalog
from xtl_jax.attacks.attack import Attack, Attacked
from xtl_jax.cli import attacks
from xtl_jax.metrics import languages

_OPENING = """\
# Attacks

An attack changes an example's raw row before its prompt, so that the same attack serves
mT5 and encoders. Labels keep their meaning: gold answers stand in the context verbatim,
with their offsets recomputed; words that overlap one are never changed; options, labels
and tags are left alone, and a tagged sentence keeps its tokens. Texts are cut between
grapheme clusters only, so that no vowel sign or tone mark is torn from its letter.

- **Seed.** The seed, the attack's name and the row's id decide everything; the order of
  the rows does not matter.
- **Budget.** What it counts is in the table. A share of words is taken of each field by
  itself, rounded down, but at least one word. Languages that put no spaces between
  words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are cut into pieces of about a
  word's length, and the share is one of pieces.
- **Not applied.** Where a language or a row gives an attack nothing to do, the row
  stays as it is *and says why*, so that nothing counts as attacked that is clean.

`xtl attacks` lists them, `xtl attacks NAME --language LANGUAGE --text TEXT` tries one.
A new attack is a file of `xtl_jax/attacks` and a line in its `catalog.py`: a function
from a word to a changed word (`by_word`), or from a row to a changed row (`by_row`);
`tests/attacks/test_invariants.py` then holds it to the rules above in every language.

"""
_METHODS = """
## On a model

`xtl predict RUN --attack NAME` answers evaluation sets under an attack; `xtl docs
robustness` says what is written, scored and shown. A name alone is one draw of an
attack of the table above. The others search, and ask the model. Settings stand behind
the name with colons; what is left out has the default given here, a budget the attack's
own, and a seed of 0. `fields=second` keeps an attack from the other fields of a row.
"""
_MIDDLE = """\

Some attacks need more than the row: sentences of the set's other rows, the same set in
other languages, or lexicons. Lexicons in the format of MUSE and CoSDA are read
(`xtl_jax.attacks.lexicon.parse`); from translated sentences they are built
(`xtl_jax.attacks.lexicon_build.build`) by IBM Model 1 in both directions, keeping pairs
that are sure both ways. MultiCheckList's templates are filled by
`xtl_jax.attacks.multichecklist`; they are rows rather than an attack.

## Examples

One row in six scripts, seed 0; attacks on a share of words are shown at {share:g}
instead of their default. Only the field that shows most is given. Characters that
cannot be seen are named in angle brackets; `↔` is a text that looks the same, or
nearly, and is not.
"""


_TRAINING = """\
## Training against attacks

Plain settings of a run, for mT5 and for encoders; none is on by default. Scores under
attack say whether they help.

**Perturbed vectors.** Something is added to the vectors of the input tokens, before
positions (encoders) or the first layer (mT5) see them; of padding nothing is moved.

    --gin.RunConfig.perturbation=freelb --gin.RunConfig.perturbation_radius=0.1 \\
    --gin.RunConfig.perturbation_step_size=0.05 --gin.RunConfig.perturbation_steps=2

| `perturbation` | what a step of training does | passes |
| --- | --- | --- |
| `gaussian` | normal noise, of each token about `radius` long | 1 |
| `uniform` | noise uniform in the ball of the radius | 1 |
| `pgd` | `steps` of ascent, then learns from the worst addition alone | steps + 1 |
| `freelb` | `steps` of ascent, learns from the mean over its way | steps |

A pass is one forward and one backward computation; those of `pgd`'s ascent leave out
the gradients of the parameters. `perturbation_norm` is `l2` or `linf`, and
`perturbation_over` says whose length the radius bounds: each `token`'s addition, or
all of an `example`'s together (in a packed row each example has its own).
`perturbation_start` begins the ascent at a random place of a smaller ball.

Radii and steps are shares, as those of the attack `pgd`: they count in the mean length
of the vectors of the example's text (of `linf`, in that length over the square root of
the numbers of a vector; of `gaussian` likewise, so that a token's noise is about
`radius` lengths long). The papers' radii are absolute: divide them by that length. For
FreeLB's, which are of a whole example, that is `over=example`. A radius of 0 gives the
plain loss to the last bit, and the gradient agrees with finite differences (tests).

**Attacked rows.** A share of the training rows is replaced by what attacks make of them
before the rows are tokenised; labels stay right, as attacks guarantee. Such rows have a
cache of their own, and the run says how many rows its attacks did not apply to.

    --gin.RunConfig.augmentation=character_noise:budget=0.2,code_mixed \\
    --gin.RunConfig.augmentation_share=0.5 \\
    --gin.RunConfig.attack_lexicons="{'en-de': 'en-de.txt'}"

Probes, searches and attacks that need other sets are refused. Text and parallel text
are left as they are.

**Votes under noise.** For classifications of encoders, `xtl predict RUN
--smoothing_sigma 0.1 --smoothing_samples 1000` answers with the class that most of the
noisy inputs get, and records a certified radius: within it no addition to the vectors
changes the vote, with `smoothing_confidence` 0.999 (Cohen et al. 2019). Where the vote
is too close it abstains: the prediction is empty and counts as wrong. `xtl score` gives
the certified accuracy at several radii, with abstentions, and the report a table.

Here sigma and radii are in the unit of the vectors, since the theorem holds for one
sigma for all inputs. Each record has the mean `length` of its vectors: a radius over
that length is a share, all tokens together, as `pgd:over=example` takes it. Training
with `gaussian` and the radius r adds noise of deviation r * length / sqrt(n), with n
numbers in a vector: do that first, with the sigma that is voted under. A certificate
says nothing of exchanged words, whose vectors are moved by far more.
"""


def page() -> str:
    """The whole page as Markdown."""
    lines = [_OPENING, "| attack | what it does | budget | rows | source |"]
    lines.append("| --- | --- | --- | --- | --- |")
    lines += [_table_row(attack) for attack in catalog.ATTACKS]
    lines.append(_METHODS)
    lines += ["| `--attack` | what it does | budget | source |"]
    lines += ["| --- | --- | --- | --- |"]
    for each in attacks.methods():
        budget = each["budget_means"]
        if each["budget"] is not None:
            budget += f"; {each['budget']:g}"
        lines.append(
            f"| `{each['syntax']}` | {each['summary']} | {budget} | {each['source']} |"
        )
    lines.append(_MIDDLE.format(share=attacks.SHOWN_SHARE))
    for group, title in catalog.GROUPS.items():
        lines.append(f"### {title[0].upper()}{title[1:]}\n")
        for attack in catalog.ATTACKS:
            if attack.group == group:
                lines += _examples(attack)
    lines.append(_TRAINING)
    return "\n".join(lines).rstrip("\n") + "\n"


def _table_row(attack: Attack) -> str:
    names = [kind.__name__ for kind in attack.kinds]
    kinds = (
        "all"
        if len(names) > 5
        else ", ".join(
            kind.__name__.removesuffix("Row").lower() for kind in attack.kinds
        )
    )
    summary = attack.summary
    if attack.needs:
        needs = ", ".join(need.replace("_", " ") for need in attack.needs)
        summary += f"; needs {needs}"
    budget = f"{attack.budget.means}; {attack.budget.default:g}"
    return f"| `{attack.name}` | {summary} | {budget} | {kinds} | {attack.source} |"


def _examples(attack: Attack) -> list[str]:
    lines = [f"**{attack.name}**: {attack.summary}.\n", "| | clean | attacked |"]
    lines.append("| --- | --- | --- |")
    shown = [*attacks.examples(attack)]
    for extra in EXTRA.get(attack.name, ()):
        shown += attacks.examples(attack, language=extra)
    for language, clean, attacked in shown:
        facts = languages.find(language)
        name = f"{facts.name}" if facts else language
        if attacked.not_applied:
            lines.append(f"| {name} | not applied | {attacked.not_applied} |")
        else:
            field = _telling(attack, attacked)
            before, after = getattr(clean, field), getattr(attacked.row, field)
            mark = "↔ " if attack.group == "unicode" else ""
            after = attacks.visible(after)
            lines.append(f"| {name} | {before} | {mark}{after} |")
    return [*lines, ""]


# Languages beyond the six scripts in which an attack shows what it is for.
EXTRA = {
    "keyboard": ("de", "tr", "ko", "ja"),
    "input_method_off": ("ko", "vi", "el"),
    "diacritics": ("de", "vi", "el"),
    "lower_case": ("tr",),
    "upper_case": ("tr", "el", "de"),
    "full_width": ("ja",),
    "half_width": ("ja",),
    "unicode_nfd": ("vi", "ko"),
    "unicode_nfc": ("vi", "ko"),
    "misread": ("ko", "ja"),
    "homoglyph": ("ja",),
    "code_mixed": ("de",),
    "tautology": ("ja", "ko", "de"),
}


def _telling(attack: Attack, attacked: Attacked) -> str:
    """The field to show: the question where it changed, as it is short."""
    fields = attacked.changed_fields
    short = [field for field in ("question", "second") if field in fields]
    if short and attack.group != "context" and attack.name not in _IN_CONTEXT:
        return short[0]
    return next((f for f in ("context", "first") if f in fields), fields[0])


_IN_CONTEXT = ("punctuation_dropped", "punctuation_plain")
