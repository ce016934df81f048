"""The mixture that a run or a command is about: a registered one, changed, or its own.

`RunConfig.task` names it, `MixtureConfig` sets fields of it:

    RunConfig.task              MixtureConfig sets
    a mixture of the catalogue  what differs from it
    a task                      what differs from training on that task alone
    any other name              a mixture of one's own; `MixtureConfig.tasks` is needed
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.cli import config, task_settings
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_tasks.family import Family

    from xtl_jax.data.mixture import MixtureConfig


class Asked(NamedTuple):
    """What a command that looks at data was asked about."""

    task: str  # "" where none was named
    mixture: Mapping[str, Any]  # fields of MixtureConfig that were set
    run: Mapping[str, Any]  # fields of RunConfig that were set

    def named(self) -> MixtureConfig | None:
        """The mixture; None where the task is none and nothing of it is set."""
        from xtl_tasks import mixtures

        if not self.task or (not self.mixture and self.task not in mixtures.names()):
            return None
        return configured(self.task, self.mixture)


def configured(task: str, values: Mapping[str, Any]) -> MixtureConfig:
    """The mixture of that name with values set, its families expanded to tasks.

    Args:
        task: the name, as `RunConfig.task` has it.
        values: fields of `MixtureConfig` to set.

    Raises:
        UserError: no such task or mixture, or values that do not fit.
    """
    from xtl_tasks import catalog, mixtures

    from xtl_jax.data.mixture import MixtureConfig

    if values.get("name", task) != task:
        raise UserError(
            f"RunConfig.task is {task!r} and MixtureConfig.name is "
            f"{values['name']!r}; give the mixture one name"
        )
    values = {**values, "name": task}
    if task in mixtures.names():
        return mixtures.expand(mixtures.mixture(task).changed(values))
    families = {family.name for family in catalog.FAMILIES}
    if "tasks" in values:
        if task in families or task in catalog.task_names():
            raise UserError(
                f"MixtureConfig.tasks makes a mixture called {task!r}, which is a task "
                "of the catalogue; give RunConfig.task another name"
            )
        return mixtures.expand(MixtureConfig(**values))
    family, language = find_task(task)
    alone = MixtureConfig(name=task, tasks=(family.task_name(language),), rates="equal")
    return mixtures.expand(alone.changed(values))


def find_task(name: str) -> tuple[Family, str]:
    """Family and language of a task, where a mixture could have been meant.

    Raises:
        UserError: no such task; names the near tasks and mixtures.
    """
    from xtl_tasks import catalog, mixtures

    try:
        return catalog.find(name)
    except UserError as error:
        if name.partition(".")[0] in {family.name for family in catalog.FAMILIES}:
            raise
        known = [*mixtures.names(), *catalog.task_names()]
        raise UserError(
            f"no task or mixture named {name!r}; near: {near(name, known)}; see `xtl "
            "tasks`, or name the tasks of a mixture of your own with "
            "MixtureConfig.tasks"
        ) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags by which a mixture is described to a command that looks at data."""
    parser.add_argument(
        "--gin_file",
        action="append",
        default=[],
        metavar="NAME",
        help="file with settings of a mixture (mixtures/…) or run; repeatable. "
        "--gin.MixtureConfig.FIELD=VALUE sets one",
    )
    parser.add_argument(
        "--gin_search_path",
        action="append",
        default=[],
        metavar="FOLDER",
        help="further folders to look gin files up in",
    )


def asked(arguments: argparse.Namespace) -> Asked:
    """What the positional name, the gin files and the flags ask about.

    Fields of a run that gin sets (vocabulary, data directory, file settings) are
    defaults of the command's own flags.

    Raises:
        UserError: two names, a file or field that does not exist, or no name at all.
    """
    values: dict[str, dict[str, Any]] = {"RunConfig": {}, "MixtureConfig": {}}
    for binding in config.bindings(arguments):
        values.setdefault(binding.owner, {})[binding.field] = binding.value
    run, mixture = values["RunConfig"], values["MixtureConfig"]
    task = arguments.task or run.get("task") or mixture.get("name") or ""
    if arguments.task and run.get("task", arguments.task) != arguments.task:
        raise UserError(
            f"{arguments.task!r} is asked for and the settings are of "
            f"{run['task']!r}; give one of them"
        )
    if not task:
        raise UserError("name a task or mixture, or give the --gin_file of one")
    for flag, default in (
        *(("data_dir", None), ("vocabulary", None), ("extra_ids", None)),
        ("cache_dir", task_settings.default_cache_dir()),
    ):
        if run.get(flag) and getattr(arguments, flag, None) in (None, default):
            setattr(arguments, flag, run[flag])
    flags = [each.partition("=")[0] for each in arguments.file]
    arguments.file += [
        f"{key}={path}"
        for key, path in run.get("files", {}).items()
        if key not in flags
    ]
    return Asked(task=task, mixture=mixture, run=run)
