"""Options of which one is right, as text: listed in the prompt, or ranked.

Two formats of the same row. The first follows T5's prompt for COPA, the one multiple
choice task that T5 has, field by field in alphabetical order: the options are listed,
and the target is the name of the right one.

    copa choice1: It was fragile. choice2: It was small. premise: The item was packaged
    in bubble wrap. question: cause                                    ->  choice1

The second leaves the options out. The target is the right option's text, and the
answer is the option whose text the model finds most likely.

    copa premise: The item was packaged in bubble wrap. question: cause
                                                            ->  It was fragile.

`choice_index` and `option_index` lead back from what was said or won to the option.
White space at the ends of options is dropped, as it is from predictions.
"""

from __future__ import annotations

from collections.abc import Sequence

from xtl_jax.data.prompts import Example, class_id
from xtl_jax.data.rows import ChoiceRow


def choices(count: int) -> tuple[str, ...]:
    """The names of the options, which are the targets of `listed`.

    Example:
        >>> choices(3)
        ('choice1', 'choice2', 'choice3')
    """
    return tuple(f"choice{number}" for number in range(1, count + 1))


def listed(row: ChoiceRow, *, name: str, context: str = "context") -> Example:
    """The options in the prompt, the name of the right one as target.

    Args:
        row: options, the right one's index, and what there is of context and question.
        name: of the task, first in the prompt.
        context: the word before the context; COPA's is `premise`.

    Example:
        >>> row = ChoiceRow(id="1", context="It rained.", question="effect",
        ...                 options=("I sat.", "I got wet."), answer=1)
        >>> listed(row, name="copa", context="premise").inputs
        'copa choice1: I sat. choice2: I got wet. premise: It rained. question: effect'
        >>> listed(row, name="copa", context="premise").targets
        'choice2'
    """
    names = choices(len(row.options))
    options = dict(zip(names, _stripped(row), strict=True))
    return Example(
        id=row.id,
        inputs=_fields(
            name, {**options, context: row.context, "question": row.question}
        ),
        targets=names[row.answer],
        references=(names[row.answer],),
    )


def ranked(row: ChoiceRow, *, name: str, context: str = "context") -> Example:
    """The options beside the prompt, the text of the right one as target.

    Options of one row may have the same text: then either is right if one is.

    Example:
        >>> row = ChoiceRow(id="1", context="A man is on a roof. he", question="",
        ...                 options=("sleeps.", "pulls up tiles. "), answer=1)
        >>> ranked(row, name="hellaswag").inputs
        'hellaswag context: A man is on a roof. he'
        >>> ranked(row, name="hellaswag").targets
        'pulls up tiles.'
    """
    options = _stripped(row)
    return Example(
        id=row.id,
        inputs=_fields(name, {context: row.context, "question": row.question}),
        targets=options[row.answer],
        references=(options[row.answer],),
        options=options,
    )


def choice_index(prediction: str, *, count: int) -> int | None:
    """The option, from 0, that a text of `listed` names; None where it names none.

    Example:
        >>> choice_index("choice2", count=2), choice_index("choice3", count=2)
        (1, None)
    """
    return class_id(prediction, labels=choices(count))


def option_index(prediction: str, *, options: Sequence[str]) -> int | None:
    """The first option, from 0, that has this text; None where none has.

    Example:
        >>> option_index("sit", options=("stand", "sit"))
        1
    """
    return class_id(prediction, labels=options)


def _stripped(row: ChoiceRow) -> tuple[str, ...]:
    return tuple(option.strip() for option in row.options)


def _fields(name: str, fields: dict[str, str]) -> str:
    """Task name, then `field: text` of all that the row has."""
    return " ".join([name, *(f"{key}: {text}" for key, text in fields.items() if text)])
