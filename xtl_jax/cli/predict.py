"""`xtl predict`: a run's checkpoint answers evaluation sets.

Answers are decoded, or chosen among options by their likelihood, or found among
candidates by sentence vectors: the kind of task decides, and RunConfig.classify. An
encoder's are what its heads say.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax import storage
from xtl_jax.cli import auto_mesh, predict_plain, predict_sets
from xtl_jax.cli.predict_sets import Wanted
from xtl_jax.cli.progress import counting, tell
from xtl_jax.errors import UserError
from xtl_jax.hosts import group
from xtl_jax.report.text import visible

if TYPE_CHECKING:
    from xtl_jax.cli.predict_answers import Predictor
    from xtl_jax.cli.predict_labelled import Labeller
    from xtl_jax.cli.predict_retrieval import Searcher
    from xtl_jax.infer.encoder import LoadedEncoder
    from xtl_jax.infer.model import LoadedModel
    from xtl_jax.infer.records import Record
    from xtl_jax.train.config import RunConfig

    AnyModel = LoadedModel | LoadedEncoder

EXAMPLE = """examples:
  xtl predict runs/squad                       what RunConfig.evaluate of the run names
  xtl predict runs/squad --task mlqa --task xquad/test
  xtl predict runs/squad --task mlqa.en-ar --split validation --step 2000
  xtl predict runs/mnli --task xnli --classify rank
  xtl predict runs/mnli --task xnli --attack character_noise --budget 0.2
  xtl predict runs/mnli --task xnli --attack worst_of:keyboard:k=8 --attack hotflip
  xtl predict runs/mnli --task tatoeba/test --unlabelled     for `xtl submit`
  xtl predict multilingual-e5-small --run_dir runs/e5 --vocabulary sentencepiece.model \
      --task tatoeba --embed_prefix query:     a checkpoint as it is
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
    parser.add_argument(
        "run_dir_or_checkpoint",
        metavar="RUN",
        help="run directory of `xtl train`; or a checkpoint, see below",
    )
    add_flags(parser)
    parser.set_defaults(run=run)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """All flags of `xtl predict`; which run is not among them."""
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
    parser.add_argument("--beams", type=int, help="1: greedy; more: search")
    parser.add_argument(
        "--length_penalty", type=float, help="exponent of the length in a search"
    )
    parser.add_argument(
        "--beam_rule",
        choices=("t5x", "huggingface"),
        help="whose score of a text, and whose end of a search",
    )
    parser.add_argument(
        "--temperature", type=float, help="0: the most probable ids; more: draw them"
    )
    parser.add_argument(
        "--top_k", type=int, help="draw from so many of the most probable ids; 0: all"
    )
    parser.add_argument(
        "--top_p",
        type=float,
        help="draw from the fewest ids that have this probability together",
    )
    parser.add_argument("--sampling_seed", type=int, help="of drawing")
    parser.add_argument(
        "--classify",
        choices=("generate", "rank"),
        help="decode a label, or take the most likely one",
    )
    parser.add_argument(
        "--rank_by",
        choices=("sum", "mean"),
        help="log-likelihood of an option's text, or that divided by its tokens",
    )
    parser.add_argument(
        "--embed_layer",
        type=int,
        help="encoder layer whose mean is a sentence's vector; -1: the normalised last",
    )
    parser.add_argument(
        "--embed_prefix",
        metavar="WORDS",
        help="of an encoder: words before each text, such as query: for e5",
    )
    parser.add_argument("--head", help="of an encoder: which of its heads answers")
    parser.add_argument(
        "--null_threshold",
        type=float,
        help="of an encoder: how much surer of no answer than of the best one",
    )
    parser.add_argument(
        "--smoothing_sigma",
        type=float,
        help="of an encoder's classes: vote under such noise, and certify a radius",
    )
    parser.add_argument(
        "--smoothing_samples", type=int, help="draws of noise for each example"
    )
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="predict retrieval sets whose right pairs were kept back, too",
    )
    attacked = parser.add_argument_group(
        "attacks", "beside the clean files; `xtl docs robustness` has more"
    )
    attacked.add_argument(
        "--attack",
        action="append",
        default=[],
        metavar="NAME[:SETTING=VALUE…]",
        help="`xtl attacks` lists them; worst_of:NAME, greedy:NAME, hotflip, "
        "universal_trigger and pgd ask the model; repeatable",
    )
    attacked.add_argument(
        "--budget", type=float, help="of attacks that name none; see `xtl attacks`"
    )
    attacked.add_argument("--attack_seed", type=int, help="of attacks that name none")
    attacked.add_argument(
        "--lexicon",
        action="append",
        default=[],
        metavar="LANGUAGE-LANGUAGE=FILE",
        help="of code_mixed, in MUSE's format; repeatable",
    )
    parser.add_argument("--data_dir", help="folder of original release files")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FAMILY/SPLIT=PATH",
        help="a file under another name than the release's; repeatable",
    )
    parser.add_argument("--cache_dir", help="folder of tokenised examples")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), help="of computation"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    predict_plain.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Predict for a run directory."""
    result = from_arguments(arguments)
    if not group.is_first():
        return 0
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for name, count in result["predictions"].items():
            print(f"{count:7d}  {name}")
        for name, why in result["missing"].items():
            print(visible(f"missing  {name}: {why}"))
    return 0


def from_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `predict` returns, for the flags of the command."""
    from xtl_jax.data import sources
    from xtl_jax.train.config import MeshConfig, RunConfig

    document = predict_plain.run_document(arguments)
    given = {
        "data_dir": arguments.data_dir,
        "cache_dir": arguments.cache_dir,
        "predict_batch_size": arguments.batch_size,
        "decode_length": arguments.decode_length,
        "beams": arguments.beams,
        "length_penalty": arguments.length_penalty,
        "beam_rule": arguments.beam_rule,
        "temperature": arguments.temperature,
        "top_k": arguments.top_k,
        "top_p": arguments.top_p,
        "sampling_seed": arguments.sampling_seed,
        "classify": arguments.classify,
        "rank_by": arguments.rank_by,
        "embed_layer": arguments.embed_layer,
        "embed_prefix": arguments.embed_prefix,
        "head": arguments.head,
        "null_threshold": arguments.null_threshold,
        "smoothing_sigma": arguments.smoothing_sigma,
        "smoothing_samples": arguments.smoothing_samples,
        "evaluate_examples": arguments.examples,
        "attack_budget": arguments.budget,
        "attack_seed": arguments.attack_seed,
    }
    values = document["run"] | {k: v for k, v in given.items() if v is not None}
    values["run_dir"] = arguments.run_dir or arguments.run_dir_or_checkpoint
    values["evaluate"] = tuple(arguments.task or values["evaluate"])
    values["attacks"] = tuple(arguments.attack or values.get("attacks", ()))
    values["attack_lexicons"] = {
        **values.get("attack_lexicons", {}),
        **_lexicons(arguments.lexicon),
    }
    values["files"] |= sources.parse_file_settings(arguments.file)
    config = RunConfig(**values)
    return predict(
        config,
        mesh=MeshConfig(**document["mesh"]),
        vocabulary_sha256=document["environment"]["vocabulary_sha256"],
        dtype=arguments.dtype or document["model"]["dtype"],
        split=arguments.split,
        step=arguments.step,
        unlabelled=arguments.unlabelled,
    )


def predict(
    config: RunConfig,
    *,
    mesh: Any,
    vocabulary_sha256: str,
    dtype: str,
    split: str | None = None,
    step: int | None = None,
    unlabelled: bool = False,
) -> dict[str, Any]:
    """Write the prediction files of a run.

    Everything that is wanted is found and checked before the model is loaded.

    Returns:
        `predictions` (file to examples) and `missing` (what could not be predicted and
        why), as JSON values.
    """
    from xtl_jax.cli import devices, predict_labelled
    from xtl_jax.cli.predict_labelled import Labeller
    from xtl_jax.cli.predict_retrieval import Searcher
    from xtl_jax.infer import model as models
    from xtl_jax.infer.encoder import LoadedEncoder
    from xtl_jax.train import sharding

    group.agree("configuration", dataclasses.asdict(config))
    attacks = _wanted_attacks(config)
    path = predict_plain.weights_of(config)
    vocabulary = predict_sets.own_vocabulary(
        config, sha256=vocabulary_sha256, model=predict_plain.shape_of(path)
    )
    wanted, missing = predict_sets.find_wanted(
        config, vocabulary, split=split, unlabelled=unlabelled
    )
    for name, why in missing.items():
        tell(f"missing: {name}: {why}")
    model = models.load(path, dtype=dtype, step=step)
    if isinstance(model, LoadedEncoder):
        predict_labelled.check_heads(wanted, model.config, chosen=config.head)
    folder = storage.at(config.run_dir) / "predictions"
    group.once(
        "what is expected",
        lambda: predict_sets.write_expected(folder, wanted, missing),
    )
    written = {}
    mesh = auto_mesh.chosen(mesh, program="predict", model=model.config, run=config)
    with devices.on_mesh(mesh) as placed:
        sharding.check_rows(
            placed, config.predict_batch_size, name="RunConfig.predict_batch_size"
        )
        by = predict_plain.predictor(config, model, vocabulary=vocabulary, mesh=placed)
        searcher = Searcher(by)
        for each in wanted:
            if each.family.kind == "retrieval":
                found = _found(each, searcher=searcher, model=model)
            elif isinstance(by, Labeller):
                found = _labelled(each, by=by, model=model)
            else:
                found = _answers(each, by=by, model=model)
            path = folder / f"{each.name}.jsonl"
            _write_once(path, found)
            written[str(path)] = len(found)
        if attacks:
            _predict_attacked(
                *(wanted, attacks, folder),
                by=by,
                model=model,
                written=written,
                missing=missing,
            )
    return {"predictions": written, "missing": missing}


def _wanted_attacks(config: RunConfig) -> tuple[Any, ...]:
    """What `RunConfig.attacks` names; without it nothing is imported for them."""
    if not config.attacks:
        return ()
    from xtl_jax.cli import predict_attacked

    return tuple(predict_attacked.wanted_attacks(config))


def _predict_attacked(
    wanted: Sequence[Wanted],
    attacks: Sequence[Any],
    folder: storage.AnyPath,
    *,
    by: Any,
    model: AnyModel,
    written: dict[str, int],
    missing: dict[str, str],
) -> None:
    """Every set under every attack, told in `written`; in `missing` what refuses it."""
    from xtl_jax.cli import predict_attacked

    attacker = predict_attacked.Attacker(by)
    for each in wanted:
        for attack in attacks:
            name = predict_attacked.file_name(each, attack)
            try:
                found = attacker.attack(
                    each, attack, record=functools.partial(_record, model=model)
                )
            except predict_attacked.NotApplied as error:
                missing[name.removesuffix(".jsonl")] = str(error)
                continue
            _write_once(folder / name, found)
            written[str(folder / name)] = len(found)


def _lexicons(texts: list[str]) -> dict[str, str]:
    """`de-en=FILE` to languages and file."""
    found = {}
    for text in texts:
        pair, equals, path = text.partition("=")
        if not equals or pair.count("-") != 1 or not path:
            raise UserError(
                f"--lexicon {text!r} must be LANGUAGE-LANGUAGE=FILE, such as "
                "de-en=muse/de-en.txt"
            )
        found[pair] = path
    return found


def _write_once(path: storage.AnyPath, found: list[Record]) -> None:
    """All hosts have all records; the first one writes them."""
    from xtl_jax.infer import records

    group.once(str(path), lambda: records.write(path, found))


def _answers(each: Wanted, *, by: Predictor, model: AnyModel) -> list[Record]:
    """Records of a set whose answers are texts."""
    from xtl_jax.cli import predict_answers

    family, name = each.family, f"{each.name} {each.split}"
    with counting(f"predicting {name}", total=each.examples) as progress:
        answers = predict_answers.answer(
            family, each.store, by=by, examples=each.examples, progress=progress
        )
    if family.candidates:
        with counting(f"scoring candidates of {name}", total=each.examples) as progress:
            answers = predict_answers.with_candidates(
                family, each.store, answers, by=by, progress=progress
            )
    how = predict_answers.method(family, by)
    found = []
    for index, answer in enumerate(answers):
        meta = each.store.meta(index)
        found.append(
            _record(
                each,
                meta,
                model=model,
                prediction_raw=answer.text,
                prediction=predict_answers.processed(family, answer.text, meta),
                log_probability=answer.log_probability,
                options=answer.options,
                decoding=how,
            )
        )
    return found


def _labelled(each: Wanted, *, by: Labeller, model: AnyModel) -> list[Record]:
    """Records of a set that an encoder's head answers."""
    from xtl_jax.cli import predict_labelled
    from xtl_jax.data import labelled_batches

    family = each.family
    windows = labelled_batches.examples_of(each.store, each.examples)
    with counting(f"predicting {each.name} {each.split}", total=windows) as progress:
        answers = predict_labelled.answer(
            family, each.store, by=by, examples=each.examples, progress=progress
        )
    how = predict_labelled.method(family, by)
    return [
        _record(
            each,
            found.meta,
            model=model,
            prediction_raw=found.answer.text,
            prediction=found.answer.text,
            log_probability=found.answer.log_probability,
            options=found.answer.options,
            certificate=found.certificate or {},
            decoding=how,
        )
        for found in answers
    ]


def _found(each: Wanted, *, searcher: Searcher, model: AnyModel) -> list[Record]:
    """Records of a set whose answers are ids of candidates."""
    found, how = searcher.find(each)
    return [
        _record(
            each,
            each.store.meta(index),
            model=model,
            prediction_raw=" ".join(result.ids),
            prediction=" ".join(result.ids),
            log_probability=None,
            similarities=result.similarities,
            decoding=how,
        )
        for index, result in enumerate(found)
    ]


def _record(
    each: Wanted, meta: Mapping[str, Any], *, model: AnyModel, **said: Any
) -> Record:
    from xtl_jax.infer import records

    return records.Record(
        task=each.family.task_name(each.language),
        family=each.family.name,
        language=each.language,
        split=each.split,
        id=meta["id"],
        inputs=meta["inputs"],
        inputs_sha256=records.prompt_sha256(meta["inputs"]),
        references=tuple(meta["references"]),
        context=meta["context"],
        checkpoint=model.source,
        step=model.step,
        **said,
    )
