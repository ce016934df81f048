"""gin to frozen dataclasses.

A gin file binds plain values to fields of `RunConfig`, `MixtureConfig`, `MeshConfig`,
and of the model: `ModelConfig` for an mT5, `EncoderConfig` for XLM-R and BERT, never
both:

    RunConfig.task = "squad_v1"
    RunConfig.lengths = {"inputs": 512, "targets": 64}
    MODEL_DIR = "runs/squad"

`StudyConfig` is bound in the same way, in files of its own (`study_config`).

The T5X macro names (`MODEL_DIR`, `TRAIN_STEPS`, …) are other names for fields. Later
files win over earlier ones, and `--gin.NAME=VALUE` over files. Only gin's *parser* is
used: no objects, no imports, no includes, nothing is executed.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import tokenize
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from xtl_jax import fields
from xtl_jax.cli import config_values
from xtl_jax.errors import UserError, near

if typing.TYPE_CHECKING:
    from xtl_jax.data.mixture import MixtureConfig
    from xtl_jax.model.encoder_sizes import EncoderConfig
    from xtl_jax.model.sizes import ModelConfig
    from xtl_jax.train.config import MeshConfig, RunConfig

# T5X's macro names and the fields they stand for.
MACROS = {
    "MIXTURE_OR_TASK_NAME": ("RunConfig", "task"),
    "TASK_FEATURE_LENGTHS": ("RunConfig", "lengths"),
    "TRAIN_STEPS": ("RunConfig", "steps"),
    "BATCH_SIZE": ("RunConfig", "batch_size"),
    "INITIAL_CHECKPOINT_PATH": ("RunConfig", "initial_checkpoint"),
    "MODEL_DIR": ("RunConfig", "run_dir"),
    "DROPOUT_RATE": ("ModelConfig", "dropout_rate"),  # of an encoder where one is set
}
# A head belongs to a task: it comes with the tasks that are trained.
_NOT_BOUND = ("EncoderConfig", "task_heads")
_FLAGS = {  # plain flags that are other names for fields too
    "run_dir": ("RunConfig", "run_dir"),
    "data_dir": ("RunConfig", "data_dir"),
    "cache_dir": ("RunConfig", "cache_dir"),
}


class Config(NamedTuple):
    """A resolved configuration."""

    run: RunConfig
    mixture: MixtureConfig  # what RunConfig.task names
    model: ModelConfig | EncoderConfig
    mesh: MeshConfig

    def to_json(self) -> dict[str, Any]:
        """All values, defaults too, as JSON."""
        return {
            "run": _plain(dataclasses.asdict(self.run)),
            "mixture": _plain(dataclasses.asdict(self.mixture)),
            "model": _plain(dataclasses.asdict(self.model)),
            "mesh": _plain(dataclasses.asdict(self.mesh)),
        }

    def defaults(self) -> dict[str, Any]:
        """The defaults of `run` and `model`, as `to_json` writes values."""
        return {
            "run": _plain(fields.defaults(self.run)),
            "model": _plain(fields.defaults(self.model)),
        }


class Binding(NamedTuple):
    """`owner.field = value`, and where it stands."""

    owner: str
    field: str
    value: Any
    place: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags by which every training-like command is configured."""
    group = parser.add_argument_group(
        "configuration",
        "Any field of RunConfig, MixtureConfig, ModelConfig (mT5), EncoderConfig "
        "(XLM-R, BERT) or MeshConfig can also be given as --gin.RunConfig.FIELD=VALUE, "
        "and T5X's macros as --gin.TRAIN_STEPS=200.",
    )
    group.add_argument(
        "--gin_file",
        action="append",
        default=[],
        metavar="NAME",
        help="file with settings, looked up in --gin_search_path, the current folder "
        "and the packaged gin/ (models/tiny.gin, runs/…); repeatable, later ones win",
    )
    group.add_argument(
        "--gin_search_path",
        action="append",
        default=[],
        metavar="FOLDER",
        help="further folders to look gin files up in",
    )
    group.add_argument("--run_dir", help="where everything of this run is written")
    group.add_argument("--data_dir", help="folder of original release files")
    group.add_argument("--cache_dir", help="folder of tokenised examples")


def split_gin_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take `--gin.NAME=VALUE` out of a command line.

    Example:
        >>> split_gin_flags(["train", "--gin.TRAIN_STEPS=5", "--json"])
        (['train', '--json'], ['TRAIN_STEPS=5'])
    """
    rest, bindings = [], []
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith("--gin."):
            rest.append(argument)
            continue
        binding = argument.removeprefix("--gin.")
        if "=" not in binding:
            binding = f"{binding}={next(waiting, '')}"
        bindings.append(binding)
    return rest, bindings


def folder() -> pathlib.Path:
    """The packaged `gin/`: inside an installed wheel, beside a source checkout."""
    package = pathlib.Path(__file__).resolve().parent.parent
    inside = package / "gin"
    return inside if inside.is_dir() else package.parent / "gin"


def from_arguments(
    arguments: argparse.Namespace, *, overrides: Mapping[str, Any] | None = None
) -> Config:
    """The config that flags and files describe.

    Args:
        arguments: with `gin_file`, `gin_search_path`, `gin` (bindings) and the paths.
        overrides: `RunConfig` fields that a command sets itself; they win.

    Raises:
        UserError: a file, name, field or value that does not exist or is not allowed.
    """
    given = bindings(arguments)
    for flag, (owner, field) in _FLAGS.items():
        if getattr(arguments, flag, None):
            given.append(Binding(owner, field, getattr(arguments, flag), "flag"))
    for field, value in (overrides or {}).items():
        given.append(Binding("RunConfig", field, value, "command"))
    return resolve(given)


def bindings(arguments: argparse.Namespace) -> list[Binding]:
    """What the gin files and `--gin.` flags of a command bind; later ones win."""
    found: list[Binding] = []
    for name in arguments.gin_file:
        found += parse_file(name, search=arguments.gin_search_path)
    for text in getattr(arguments, "gin", []):
        found += _flag(text)
    return found


def parse_file(name: str, *, search: Sequence[str] = ()) -> list[Binding]:
    """Bindings of a gin file, looked up in `search`, here, and among the packaged."""
    path = _find(name, search)
    return parse(read(path), source=str(path))


def resolve(bindings: Iterable[Binding]) -> Config:
    """Bindings, later ones winning, to dataclasses with every check made."""
    from xtl_jax.cli import mixture_settings

    given = list(bindings)
    classes = _with_one_model(given)
    values: dict[str, dict[str, Any]] = {name: {} for name in classes}
    for owner, field, value, _ in given:
        if (owner, field) == MACROS["DROPOUT_RATE"] and owner not in classes:
            owner = "EncoderConfig"
        values[owner][field] = value
    run, mixture = values["RunConfig"], values["MixtureConfig"]
    if "name" in mixture:
        run.setdefault("task", mixture["name"])
    run |= default_places(run)
    built: dict[str, Any] = {}
    for name, cls in classes.items():
        if name == "MixtureConfig":
            built[name] = mixture_settings.configured(run["task"], mixture)
            continue
        missing = fields.missing(cls, values[name])
        if missing:
            other = {f: m for m, (o, f) in MACROS.items() if o == name}
            hints = [
                f"{name}.{f}" + (f" ({other[f]})" if f in other else "")
                for f in missing
            ]
            raise UserError(
                f"these settings have no default and no value: {', '.join(hints)}; "
                "give them in a --gin_file (e.g. models/tiny.gin) or as "
                f"--gin.{other.get(missing[0], f'{name}.{missing[0]}')}=…"
            )
        built[name] = cls(**values[name])
    return Config(*built.values())


def default_places(run: Mapping[str, Any]) -> dict[str, str]:
    """`data_dir` and `cache_dir` of a run's values; where absent, those of the user."""
    data_dir = run.get("data_dir", os.environ.get("XTL_DATA_DIR", ""))
    cache_dir = run.get("cache_dir", os.environ.get("XTL_CACHE_DIR", ""))
    home = pathlib.Path.home() / ".cache" / "xtl_jax"
    return {"data_dir": data_dir, "cache_dir": cache_dir or str(home)}


def _with_one_model(given: Sequence[Binding]) -> dict[str, type]:
    """The classes to build, in the order of `Config`: one of the two models.

    Raises:
        UserError: both are set, or fields of a study.
    """
    classes = _classes()
    del classes["StudyConfig"]
    for binding in given:
        if binding.owner == "StudyConfig":
            raise UserError(
                f"{binding.place} sets StudyConfig.{binding.field}, which is of a "
                "study, and this is one run; see `xtl study show --help`"
            )
    encoder = [b for b in given if b.owner == "EncoderConfig"]
    other = [
        b
        for b in given
        if b.owner == "ModelConfig" and (b.owner, b.field) != MACROS["DROPOUT_RATE"]
    ]
    if encoder and other:
        raise UserError(
            f"{other[0].place} sets ModelConfig.{other[0].field} (an mT5) and "
            f"{encoder[0].place} sets EncoderConfig.{encoder[0].field} (XLM-R, BERT): "
            "a run has one model, so give one file of models/"
        )
    del classes["ModelConfig" if encoder else "EncoderConfig"]
    return classes


def parse(text: str, *, source: str) -> list[Binding]:
    """Bindings of one gin text.

    Raises:
        UserError: gin syntax, or anything that is not a plain binding to a known field.

    Example:
        >>> parse("TRAIN_STEPS = 5", source="here")[0][:3]
        ('RunConfig', 'steps', 5)
    """
    from gin import config_parser

    bindings: list[Binding] = []
    seen: dict[tuple[str, str], str] = {}
    macros: dict[str, Any] = {}
    try:
        statements = list(config_parser.ConfigParser(text, _PlainValues()))
    except tokenize.TokenError as error:
        raise UserError(f"{source}: not gin syntax: {error.args[0]}") from None
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        _, unparsed, token = error.msg.partition("Failed to parse token ")
        why = f"{token} is no plain value; a text needs quotes" if unparsed else ""
        raise UserError(f"{source}{line}: not gin syntax: {why or error.msg}") from None
    except ValueError as error:
        raise UserError(f"{source}: {error}") from None
    except (RecursionError, MemoryError):  # Python's parser says either
        raise UserError(f"{source}: not gin syntax: nested too deep") from None
    for statement in statements:
        if isinstance(statement, config_parser.BlockDeclaration):
            continue
        if not isinstance(statement, config_parser.BindingStatement):
            raise UserError(
                f"{source}: imports and includes are not used here; give several "
                "--gin_file instead"
            )
        place = f"{source}:{statement.location.line_num}"
        name = "/".join(filter(None, (statement.scope, statement.selector)))
        owner, field = _owner_and_field(name, statement.arg_name, place)
        if (owner, field) in seen:
            raise UserError(
                f"{place}: {owner}.{field} is set a second time (first at "
                f"{seen[owner, field]}); keep one"
            )
        seen[owner, field] = place
        value = statement.value
        if isinstance(value, _Macro):
            if value.name not in macros:
                raise UserError(
                    f"{place}: %{value.name} has no value above this line in its file"
                )
            value = macros[value.name]
        if not statement.arg_name:
            macros[name] = value
        bindings.append(
            Binding(owner, field, _typed(owner, field, value, place), place)
        )
    return bindings


@dataclasses.dataclass(frozen=True)
class _Macro:
    name: str


class _PlainValues:
    """What gin's parser asks for references: macros only."""

    def configurable_reference(self, name: str, evaluate: bool) -> Any:
        raise ValueError(f"@{name}: settings are plain values, objects are not used")

    def macro(self, name: str) -> _Macro:
        return _Macro(name)


def _classes() -> dict[str, type]:
    from xtl_jax.data.mixture import MixtureConfig
    from xtl_jax.model.encoder_sizes import EncoderConfig
    from xtl_jax.model.sizes import ModelConfig
    from xtl_jax.studies.config import StudyConfig
    from xtl_jax.train.config import MeshConfig, RunConfig

    return {  # in the order of `Config`
        "RunConfig": RunConfig,
        "MixtureConfig": MixtureConfig,
        "ModelConfig": ModelConfig,
        "EncoderConfig": EncoderConfig,
        "MeshConfig": MeshConfig,
        "StudyConfig": StudyConfig,
    }


def _owner_and_field(name: str, field: str, place: str) -> tuple[str, str]:
    if not field:
        if name in MACROS:
            return MACROS[name]
        raise UserError(
            f"{place}: no macro named {name!r}; near: {near(name, MACROS)}; there are: "
            f"{', '.join(MACROS)}"
        )
    classes = _classes()
    if name not in classes:
        raise UserError(
            f"{place}: nothing named {name!r} can be set; near: {near(name, classes)}; "
            f"there are: {', '.join(classes)} and the macros {', '.join(MACROS)}"
        )
    fields = [
        f.name
        for f in dataclasses.fields(classes[name])
        if (name, f.name) != _NOT_BOUND
    ]
    if field not in fields:
        raise UserError(
            f"{place}: {name} has no field {field!r}; near: {near(field, fields)}; it "
            f"has: {', '.join(fields)}"
        )
    return name, field


def _flag(text: str) -> list[Binding]:
    """One `--gin.NAME=VALUE`; a text needs no inner quotes."""
    name, _, value = text.partition("=")
    place = f"--gin.{name}"
    owner, dot, field = name.rpartition(".")
    owner, field = _owner_and_field(owner if dot else name, field if dot else "", place)
    try:
        (binding,) = parse(f"{name} = {value}", source=place)
        return [binding._replace(place=place)]
    except UserError:
        if not value or not config_values.takes_text(_hint(owner, field)):
            raise
    return [Binding(owner, field, _typed(owner, field, value, place), place)]


def _hint(owner: str, field: str) -> Any:
    return typing.get_type_hints(_classes()[owner])[field]


def _typed(owner: str, field: str, value: Any, place: str) -> Any:
    return config_values.typed(
        value, hint=_hint(owner, field), name=f"{place}: {owner}.{field}"
    )


def _find(name: str, search: Sequence[str]) -> pathlib.Path:
    places = [*map(pathlib.Path, search), pathlib.Path(), folder()]
    for place in places:
        for candidate in (place / name, place / f"{name}.gin"):
            if candidate.is_file():
                return candidate
    known = [
        str(path.relative_to(folder())) for path in sorted(folder().rglob("*.gin"))
    ]
    raise UserError(
        f"no gin file {name!r} in {', '.join(map(str, places))}; near: "
        f"{near(name, known)}; packaged are: {', '.join(known)}"
    )


def read(path: pathlib.Path) -> str:
    """The text of a gin file.

    Raises:
        UserError: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text ({error}); save the file as UTF-8"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
