"""`xtl predict`: a run's checkpoint answers evaluation sets."""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.cli import run_files
from xtl_jax.cli.progress import counting, tell
from xtl_jax.errors import UnlabelledError, UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data.store import Store
    from xtl_jax.data.vocabulary import Vocabulary
    from xtl_jax.infer.model import LoadedModel
    from xtl_jax.train.config import RunConfig

EXAMPLE = """examples:
  xtl predict runs/squad                       what RunConfig.evaluate of the run names
  xtl predict runs/squad --task mlqa --task xquad/test
  xtl predict runs/squad --task mlqa.en-ar --split validation --step 2000
"""


def add_parser(commands: Any) -> None:
    """Register `xtl predict`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="answer evaluation sets with a run's checkpoint",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_dir", help="run directory of `xtl train`")
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="NAME[/SPLIT]",
        help="family (all its standard languages) or task; repeatable; default: "
        "RunConfig.evaluate of the run",
    )
    parser.add_argument("--split", help="for tasks given without one")
    parser.add_argument(
        "--step", type=int, help="checkpoint; default: the best on English dev"
    )
    parser.add_argument("--examples", type=int, help="only the first N of each set")
    parser.add_argument("--batch_size", type=int, help="rows decoded together")
    parser.add_argument("--decode_length", type=int, help="ids at most")
    parser.add_argument("--data_dir", help="folder of original release files")
    parser.add_argument("--cache_dir", help="folder of tokenised examples")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), help="of computation"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Predict for a run directory."""
    from xtl_jax.train.config import MeshConfig, RunConfig

    document = run_files.read(arguments.run_dir)
    if document is None:
        raise UserError(
            f"{arguments.run_dir} holds no run.json: give the run directory that "
            "`xtl train` wrote"
        )
    given = {
        "data_dir": arguments.data_dir,
        "cache_dir": arguments.cache_dir,
        "predict_batch_size": arguments.batch_size,
        "decode_length": arguments.decode_length,
        "evaluate_examples": arguments.examples,
    }
    values = document["run"] | {k: v for k, v in given.items() if v is not None}
    values["run_dir"] = arguments.run_dir
    values["evaluate"] = tuple(arguments.task or values["evaluate"])
    config = RunConfig(**values)
    result = predict(
        config,
        mesh=MeshConfig(**document["mesh"]),
        vocabulary_sha256=document["environment"]["vocabulary_sha256"],
        dtype=arguments.dtype or document["model"]["dtype"],
        split=arguments.split,
        step=arguments.step,
    )
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for name, count in result["predictions"].items():
            print(f"{count:7d}  {name}")
        for name, why in result["missing"].items():
            print(f"missing  {name}: {why}")
    return 0


class Wanted(NamedTuple):
    """One evaluation set."""

    family: Family
    language: str
    split: str
    store: Store
    examples: int  # the first ones of the split that are predicted

    @property
    def name(self) -> str:
        """Of its prediction file, without suffix."""
        return f"{self.family.name}.{self.language}"


def predict(
    config: RunConfig,
    *,
    mesh: Any,
    vocabulary_sha256: str,
    dtype: str,
    split: str | None = None,
    step: int | None = None,
) -> dict[str, Any]:
    """Write the prediction files of a run.

    Everything that is wanted is found and checked before the model is loaded.

    Returns:
        `predictions` (file to examples) and `missing` (what could not be predicted and
        why), as JSON values.
    """
    from xtl_jax.cli import devices
    from xtl_jax.data import vocabulary as vocabularies
    from xtl_jax.data.features import Lengths
    from xtl_jax.infer import model as models
    from xtl_jax.infer import predict as decoding
    from xtl_jax.infer import records
    from xtl_jax.train import sharding

    vocabulary = vocabularies.load(config.vocabulary, extra_ids=config.extra_ids)
    if vocabulary.sha256 != vocabulary_sha256:
        raise UserError(
            f"the vocabulary {config.vocabulary} is not the one that {config.run_dir} "
            "was trained with (another checksum); its answers would be noise"
        )
    wanted, missing = find_wanted(config, vocabulary, split=split)
    for name, why in missing.items():
        tell(f"missing: {name}: {why}")
    model = models.load(config.run_dir, dtype=dtype, step=step)
    folder = pathlib.Path(config.run_dir) / "predictions"
    _write_expected(folder, wanted, missing)
    written = {}
    with devices.on_mesh(mesh) as placed:
        sharding.check_rows(
            placed, config.predict_batch_size, name="RunConfig.predict_batch_size"
        )
        params = devices.place_params(model, placed)
        for each in wanted:
            name = f"predicting {each.name} {each.split}"
            with counting(name, total=each.examples) as progress:
                predictions = decoding.predict(
                    *(model.config, params, each.store),
                    vocabulary=vocabulary,
                    lengths=Lengths(**config.lengths),
                    decode_length=config.decode_length or config.lengths["targets"],
                    batch_size=config.predict_batch_size,
                    first=each.examples,
                    put=sharding.put_batch(placed),
                    progress=progress,
                )
            path = folder / f"{each.name}.jsonl"
            records.write(path, _records(each, predictions, config=config, model=model))
            written[str(path)] = len(predictions)
    return {"predictions": written, "missing": missing}


def find_wanted(
    config: RunConfig, vocabulary: Vocabulary, *, split: str | None
) -> tuple[list[Wanted], dict[str, str]]:
    """Evaluation sets that a config names, and those that cannot be had.

    Of a family, languages without data or labels are left out, each with its reason; a
    task that is named itself must be there.

    Raises:
        UserError: an unknown name, a named task without labels, nothing to predict, or
            data that is here and wrong.
    """
    from xtl_tasks import catalog

    from xtl_jax.cli import caching

    if not config.evaluate:
        raise UserError(
            "nothing to predict: give --task NAME or RunConfig.evaluate; `xtl tasks` "
            "lists what there is"
        )
    settings = caching.task_settings(config, vocabulary=vocabulary)
    wanted: dict[tuple[str, str, str], Wanted] = {}
    missing: dict[str, str] = {}
    for entry in config.evaluate:
        name, _, own_split = entry.partition("/")
        is_family = name in {family.name for family in catalog.FAMILIES}
        family, languages = (
            (catalog.family(name), catalog.family(name).standard_languages)
            if is_family
            else _one(catalog.find(name))
        )
        if family.metric is None:
            raise UserError(f"{name} has no answers to predict: it is plain text")
        for language in languages:
            try:
                each = _store_of(
                    *(family, language, own_split or split),
                    config=config,
                    vocabulary=vocabulary,
                    settings=settings,
                )
                wanted[family.name, language, each.split] = each
            except (_Absent, UnlabelledError) as error:
                if not is_family:
                    raise UserError(str(error)) from error
                missing[f"{family.name}.{language}"] = str(error)
    if not wanted:
        reasons = "; ".join(f"{name}: {why}" for name, why in missing.items())
        raise UserError(f"none of the evaluation sets can be had: {reasons}")
    _check_one_split(wanted.values())
    return list(wanted.values()), missing


def _check_one_split(wanted: Iterable[Wanted]) -> None:
    """Languages of a family are averaged, so they must be of one split."""
    first: dict[str, Wanted] = {}
    for each in wanted:
        other = first.setdefault(each.family.name, each)
        if each.split != other.split:
            raise UserError(
                f"{other.name} would be predicted on its {other.split} split and "
                f"{each.name} on its {each.split} split, and their mean would say "
                f"nothing; name one split for all, e.g. {each.family.name}/{each.split}"
            )


class _Absent(UserError):
    """The data of an evaluation set is neither here nor cached."""


def _one(found: tuple[Family, str]) -> tuple[Family, tuple[str, ...]]:
    return found[0], (found[1],)


def _store_of(
    family: Family,
    language: str,
    split: str | None,
    *,
    config: RunConfig,
    vocabulary: Vocabulary,
    settings: TaskSettings,
) -> Wanted:
    """Its store: of the split asked for, else test where it can be had, else dev."""
    from xtl_tasks import loading

    from xtl_jax.cli import caching

    have = family.splits_of(language)
    splits = [split] if split else [s for s in ("test", "validation") if s in have]
    reasons = []
    for each in splits:
        family.check_split(each, language=language)
        cached = pathlib.Path(config.cache_dir) / family.task_name(language)
        source = loading.find_source(family, language, split=each, settings=settings)
        if source is None and not any(cached.glob(f"{each}-*")):
            reasons.append(_Absent(f"the {each} split is neither here nor cached"))
            continue
        try:
            wanted = (family.task_name(language), each)
            stores = caching.ensure_cached([wanted], run=config, vocabulary=vocabulary)
        except UnlabelledError as error:
            reasons.append(error)
            continue
        store = stores[wanted]
        examples = min(
            config.evaluate_examples or store.num_examples, store.num_examples
        )
        return Wanted(family, language, each, store, examples)
    raise _Absent("; ".join(map(str, reasons)))


def processed(family: Family, text: str, meta: Mapping[str, Any]) -> str:
    """A decoded text as it is scored."""
    from xtl_jax.data import prompts

    if family.postprocess is not None:
        return family.postprocess(text, context=meta["context"])
    return prompts.postprocess(text, kind=family.kind, context=meta["context"])


def _records(
    wanted: Wanted, predictions: Sequence[Any], *, config: RunConfig, model: LoadedModel
) -> list[Any]:
    from xtl_jax.infer import records

    decoding = {
        "method": "greedy",
        "max_length": config.decode_length or config.lengths["targets"],
        "input_length": config.lengths["inputs"],
        "dtype": model.config.dtype,
    }
    found = []
    for index, prediction in enumerate(predictions):
        meta = wanted.store.meta(index)
        found.append(
            records.Record(
                task=wanted.family.task_name(wanted.language),
                family=wanted.family.name,
                language=wanted.language,
                split=wanted.split,
                id=meta["id"],
                inputs=meta["inputs"],
                inputs_sha256=records.prompt_sha256(meta["inputs"]),
                prediction_raw=prediction.text,
                prediction=processed(wanted.family, prediction.text, meta),
                references=tuple(meta["references"]),
                context=meta["context"],
                log_probability=prediction.log_probability,
                checkpoint=model.source,
                step=model.step,
                decoding=decoding,
            )
        )
    return found


def _write_expected(
    folder: pathlib.Path,
    wanted: Sequence[Wanted],
    missing: Mapping[str, str],
) -> None:
    """Ids that should be predicted, so that scoring can see which are missing."""
    from xtl_jax.infer import records

    path = folder / records.EXPECTED
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    sets = known.get("sets", {}) | {
        each.name: {
            "split": each.split,
            "ids": [each.store.meta(index)["id"] for index in range(each.examples)],
        }
        for each in wanted
    }
    absent = {
        name: why
        for name, why in {**known.get("missing", {}), **missing}.items()
        if name not in sets
    }
    document = {"sets": sets, "missing": absent}
    records.replace(path, json.dumps(document, ensure_ascii=False) + "\n")
