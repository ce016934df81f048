"""Attacked evaluation sets: their rows are read again, changed, and answered.

One set and one attack make one file, `predictions/TASK.LANGUAGE@ATTACK.jsonl`, beside
the clean one. Its records have all that clean ones have, and `attack`:

    name, budget, seed   the attack with all its settings
    clean, attacked      each text that differs, before and after
    edits                how many replacements that took
    not_applied          why the row is as it was, where the attack has no meaning
    spared               why a search left a row that it could have changed
    queries              texts that the model was asked about
    sure_before, sure_after   of what is right, in nats, where that was asked

A language that an attack refuses, or in which it applies to no row, gets no file and is
listed as missing with the reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.attacks import flips, named, search, sentences, texts
from xtl_jax.attacks.attack import NOTHING, Attacked, Edit, Resources
from xtl_jax.attacks.named import Named
from xtl_jax.attacks.search import Asked, Found
from xtl_jax.cli import lexicons
from xtl_jax.cli.attacked_encoder import EncoderTarget
from xtl_jax.cli.attacked_text import TextTarget
from xtl_jax.cli.predict_sets import Wanted
from xtl_jax.cli.progress import counting
from xtl_jax.errors import UserError
from xtl_jax.metrics import languages

if TYPE_CHECKING:
    from xtl_jax.attacks.lexicon import Lexicon
    from xtl_jax.cli.predict_answers import Predictor
    from xtl_jax.cli.predict_labelled import Labeller
    from xtl_jax.data.rows import Row
    from xtl_jax.infer.records import Record
    from xtl_jax.train.config import RunConfig

Target = EncoderTarget | TextTarget
_OTHER_SPLITS = ("validation", "test", "train")  # that triggers are found on


class NotApplied(UserError):
    """An attack has no meaning for a set."""


def wanted_attacks(config: RunConfig) -> list[Named]:
    """The attacks that a run names.

    Raises:
        UserError: an unknown one, a setting that is not allowed, or one named twice.
    """
    found = [
        named.parse(text, budget=config.attack_budget or None, seed=config.attack_seed)
        for text in config.attacks
    ]
    for each in found:
        if found.count(each) > 1:
            raise UserError(f"the attack {each} is named twice; name it once")
    if any(each.method == "pgd" for each in found) and (
        config.beams > 1 or config.temperature
    ):
        raise UserError(
            "pgd is answered by the most probable ids: set beams=1 and temperature=0"
        )
    return found


class Attacker:
    """Attacks sets one after another with one model.

    Args:
        by: the model and its settings.
    """

    def __init__(self, by: Predictor | Labeller) -> None:
        self._by = by
        self._targets: dict[str, Target] = {}
        self._rows: dict[tuple[str, str, str], list[Row]] = {}

    def attack(
        self, each: Wanted, attack: Named, *, record: Callable[..., Record]
    ) -> list[Record]:
        """Records of one attacked set.

        Args:
            each: the set.
            attack: with its settings.
            record: makes a record of an example's texts and what was said.

        Raises:
            NotApplied: the attack has no meaning for the set.
            UserError: the set's rows are not here, or something that is needed.
        """
        if each.family.kind in ("retrieval", "text", "parallel"):
            raise NotApplied(
                f"{each.family.name} has no answers that could be attacked"
            )
        rows = self._evaluated(each)
        attack = _of_pair(attack, each.language)
        language = _attacked_language(each.language, attack)
        if languages.find(language) is None:
            raise NotApplied(f"nothing is known of the language {language!r}")
        target = self._target(each)
        label = f"attacking {each.name} with {attack.title}"
        with counting(label, total=len(rows)) as progress:
            found = self._found(
                each, attack, rows, language=language, target=target, progress=progress
            )
        reasons = [one.attacked.not_applied for one in found]
        if all(reasons):
            raise NotApplied(max(reasons, key=reasons.count))
        move = None
        if attack.method == "pgd":
            move = self._mover(attack, rows, target=target)
        with counting(f"answering {each.name} attacked", total=len(rows)) as progress:
            answers = target.answers(
                [one.attacked.row for one in found], move=move, progress=progress
            )
        how = target.how()
        return [
            record(
                each,
                meta,
                prediction_raw=answer.text,
                prediction=target.scored(answer.text, meta),
                log_probability=answer.log_probability,
                options=answer.options,
                decoding=how,
                attack=_told(attack, row, one),
            )
            for row, one, (meta, answer) in zip(rows, found, answers, strict=True)
        ]

    def _found(
        self,
        each: Wanted,
        attack: Named,
        rows: Sequence[Row],
        *,
        language: str,
        target: Target,
        progress: Callable[[int], None],
    ) -> list[Found]:
        asked = Asked(target.ask, margins=target.margins)
        size = self._by.run.predict_batch_size
        if attack.method == "pgd":
            return [Found(attacked=Attacked(row=row)) for row in rows]
        if attack.method == "universal_trigger":
            return self._triggered(each, attack, rows, language=language, target=target)
        resources = self._resources(each, attack)

        def searched(part: Sequence[Row]) -> list[Found]:
            if attack.method == named.DRAW:
                return [
                    Found(
                        attacked=attack.of_catalogue.perturb(
                            row,
                            language=language,
                            seed=attack.seed,
                            budget=attack.budget,
                            resources=resources,
                            fields=attack.fields,
                        )
                    )
                    for row in part
                ]
            if attack.method == "hotflip":
                return flips.hotflip(
                    part,
                    language=language,
                    budget=attack.budget,
                    k=attack.k,
                    asked=asked,
                    slopes=target.slopes,
                    table=target.table,
                    fields=attack.fields,
                )
            shared: dict[str, Any] = {
                "attack": attack.of_catalogue,
                "language": language,
                "seed": attack.seed,
                "k": attack.k,
                "budget": attack.budget,
                "asked": asked,
                "resources": resources,
                "fields": attack.fields,
            }
            if attack.method == "worst_of":
                return search.worst_of(part, **shared)
            return search.greedy(part, **shared, most_places=attack.places)

        found: list[Found] = []
        for begin in range(0, len(rows), size):
            found += searched(rows[begin : begin + size])
            progress(len(found))
        return found

    def _mover(self, attack: Named, rows: Sequence[Row], *, target: Target) -> Any:
        from xtl_jax.infer.moved import Ball

        ball = Ball(
            norm=attack.norm,  # type: ignore[arg-type]
            over=attack.over,  # type: ignore[arg-type]
            steps=attack.steps,
        )
        return target.mover(rows, radius=attack.budget, ball=ball, seed=attack.seed)

    def _triggered(
        self,
        each: Wanted,
        attack: Named,
        rows: Sequence[Row],
        *,
        language: str,
        target: Target,
    ) -> list[Found]:
        dev, split = self._dev_rows(each, count=attack.rows)
        found = flips.find_trigger(
            dev,
            language=language,
            tokens=int(attack.budget),
            k=attack.k,
            rounds=attack.rounds,
            asked=Asked(target.ask, margins=target.margins),
            slopes=target.slopes,
            table=target.table,
            fields=attack.fields,
        )
        if isinstance(found, str):
            raise NotApplied(found)
        shown: dict[str, Any] = {
            "trigger": found.text.strip(),
            "found_on": split,
            "found_on_rows": len(dev),
            "found_queries": found.queries,
            "found_sure_before": found.before,
            "found_sure_after": found.after,
        }
        return [
            Found(
                attacked=texts.changed(
                    row,
                    [Edit(found.field, 0, 0, 0, found.text)],
                    otherwise="",
                ),
                facts=shown,
            )
            for row in rows
        ]

    def _dev_rows(self, each: Wanted, *, count: int) -> tuple[list[Row], str]:
        """Rows that a trigger is found on, none of which it is tried on."""
        family = each.family
        for language in dict.fromkeys((each.language, languages.SOURCE)):
            for split in _OTHER_SPLITS:
                if split == each.split or language not in family.languages:
                    continue
                if split in family.splits_of(language):
                    try:
                        rows = self._all(each, language=language, split=split)
                    except UserError:  # not on this machine
                        continue
                    return rows[:count], f"{language}/{split}"
        rest = self._all(each)[each.examples :]
        if rest:
            return rest[:count], f"{each.language}/{each.split}, other rows"
        raise UserError(
            f"{each.name}: a trigger is found on rows that it is not tried on, and no "
            "other split is here: give fewer --examples"
        )

    def _target(self, each: Wanted) -> Target:
        from xtl_jax.cli.predict_labelled import Labeller

        name = each.family.name
        if name not in self._targets:
            by = self._by
            self._targets[name] = (
                EncoderTarget(each.family, by)
                if isinstance(by, Labeller)
                else TextTarget(each.family, by)
            )
        return self._targets[name]

    def _all(
        self, each: Wanted, *, language: str | None = None, split: str | None = None
    ) -> list[Row]:
        """All rows of a split of a set's family."""
        from xtl_tasks import loading

        from xtl_jax.cli import caching

        key = (each.family.name, language or each.language, split or each.split)
        if key not in self._rows:
            settings = caching.task_settings(self._by.run, vocabulary=None)
            self._rows[key] = list(
                loading.rows(each.family, key[1], split=key[2], settings=settings)
            )
        return self._rows[key]

    def _evaluated(self, each: Wanted) -> list[Row]:
        """The rows that are predicted, which must be those of the clean store."""
        from xtl_jax.cli import predict_sets

        rows = self._all(each)[: each.examples]
        clean = [
            each.store.meta(of_one[0])["id"]
            for of_one in predict_sets.rows_of(each.store, each.examples)
        ]
        if [row.id for row in rows] != clean:
            raise UserError(
                f"{each.name}: the rows of its {each.split} file are not those of its "
                "cache; delete the cache, or give the file that it was made from"
            )
        return rows

    def _resources(self, each: Wanted, attack: Named) -> Resources:
        """What the attack needs beside a row, from the same family."""
        needs = attack.of_catalogue.needs if attack.attack else ()
        if not needs:
            return NOTHING
        others: dict[str, list[Row]] = {}
        if {"parallel", "foreign_sentences"} & set(needs):
            for language in each.family.standard_languages:
                if language != each.language:
                    try:
                        others[language] = self._all(each, language=language)
                    except UserError:
                        continue  # a language whose file is not here
        own = sentences.pool(self._all(each), language=each.language)
        return Resources(
            sentences=own if "sentences" in needs else None,
            foreign_sentences={
                language: sentences.pool(rows, language=language)
                for language, rows in others.items()
            }
            if "foreign_sentences" in needs
            else {},
            parallel={
                language: {row.id: row for row in rows}
                for language, rows in others.items()
            },
            lexicons=_lexicons(self._by.run, source=each.language)
            if "lexicons" in needs
            else {},
        )


def _lexicons(run: RunConfig, *, source: str) -> dict[str, Lexicon]:
    """Lexicons from a language, by the language of their translations."""
    files = {
        pair: path
        for pair, path in run.attack_lexicons.items()
        if pair.partition("-")[0] == source
    }
    found = {target: one for (_, target), one in lexicons.read(files).items()}
    if not found:
        raise NotApplied(
            f"no lexicon from {source!r} is given: --lexicon {source}-en=FILE, in "
            "MUSE's format"
        )
    return found


def _of_pair(attack: Named, language: str) -> Named:
    """Of a question in another language than its context, the context is attacked."""
    pair = language.split("-")
    if len(pair) == 2 and pair[0] != pair[1] and not attack.fields:
        return dataclasses.replace(attack, fields=("context",))
    return attack


def _attacked_language(language: str, attack: Named) -> str:
    from xtl_tasks.family import scored_language

    pair = language.split("-")
    if len(pair) == 2 and attack.fields == ("question",):
        return pair[1]
    return scored_language(language)


def _told(attack: Named, row: Row, found: Found) -> dict[str, Any]:
    """What a record says of its attack."""
    one = found.attacked
    fields = one.changed_fields
    told: dict[str, Any] = {
        "name": str(attack),
        "title": attack.title,
        "method": attack.method,
        "strength": attack.strength,
        "budget": attack.budget,
        "seed": attack.seed,
        "clean": {field: _plain(getattr(row, field)) for field in fields},
        "attacked": {field: _plain(getattr(one.row, field)) for field in fields},
        "edits": len(one.edits),
        "not_applied": one.not_applied,
        "spared": found.spared,
        "queries": found.queries,
        "sure_before": found.before,
        "sure_after": found.after,
    }
    return told | dict(found.facts)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def file_name(each: Wanted, attack: Named) -> str:
    """Of the prediction file of an attacked set."""
    from xtl_jax.infer import records

    return f"{each.name}{records.ATTACKED}{attack.file_part}.jsonl"
