"""Everything that decides a run, as plain values.

A *run* is one config and one directory: it trains on one task or mixture for a number
of *steps* (optimiser updates) from one checkpoint, then predicts and scores. Stages are
chained by giving the directory of one run as `initial_checkpoint` of the next.

gin fills these dataclasses in `cli` only; a run directory keeps them as JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, get_args

from xtl_jax.errors import UserError, near

Optimizer = Literal["adafactor", "adamw"]
Schedule = Literal["constant", "linear", "rsqrt"]
Classify = Literal["generate", "rank"]
BeamRule = Literal["t5x", "huggingface"]
RankBy = Literal["sum", "mean"]
# Where things lie or how often they happen on this machine: no part of what is
# computed, so a run may be continued with other values.
MUTABLE = frozenset(
    {
        *("name", "steps", "run_dir", "data_dir", "cache_dir", "files"),
        *("log_period", "save_period", "eval_period", "keep", "eval_examples"),
        *("evaluate", "evaluate_examples", "predict_batch_size", "decode_length"),
        *("classify", "rank_by", "embed_layer"),
        *("beams", "length_penalty", "beam_rule"),
        *("initial_checkpoint", "vocabulary"),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run.

    Attributes:
        task: task or mixture to train on (gin macro MIXTURE_OR_TASK_NAME).
        steps: optimiser updates, counted from this run's own start (TRAIN_STEPS).
        lengths: tokens per row, `{"inputs": …, "targets": …}` (TASK_FEATURE_LENGTHS).
        vocabulary: SentencePiece file, or "bytes".
        run_dir: where everything of this run is written (MODEL_DIR).
        name: how reports call the run; "" takes the last part of `run_dir`.
        batch_size: rows per update, over all hosts (BATCH_SIZE).
        microbatches: parts of a batch whose gradients are summed before the update.
        pack: several short examples share a row.
        seed: decides parameters, data order and dropout.
        extra_ids: sentinel ids added behind the vocabulary; 0 for mT5's own file, which
            has its 100 inside.
        initial_checkpoint: run directory, T5X or Hugging Face folder whose parameters
            the run starts from (INITIAL_CHECKPOINT_PATH); "" starts from random ones.
        restore_optimizer: take over Adafactor's second moments and its step from a T5X
            checkpoint, as T5X does when it fine-tunes. They have the scale of the loss
            they were made with, so `loss_normalizing_factor` must be the same.
        optimizer: "adafactor" as T5X has it, or "adamw".
        learning_rate: after warm-up.
        schedule: "constant", "linear" to 0 at `steps`, or "rsqrt" of the step.
        warmup_steps: steps in which the learning rate grows linearly from 0.
        weight_decay: of AdamW.
        gradient_clip: largest global norm of a gradient; 0 clips nothing.
        z_loss: factor of log(Z)^2 in the loss.
        label_smoothing: probability given to all wrong ids together.
        loss_normalizing_factor: the summed loss is divided by it: 0 by nothing, as T5X
            does by default; 234496 for the public mT5 checkpoints; "tokens" by the
            target tokens of the batch (T5X's NUM_REAL_TARGET_TOKENS).
        log_period, save_period, eval_period: steps between two.
        keep: newest checkpoints kept, the one with the best dev score besides.
        dev_task: task whose English validation split is evaluated by `eval_period`; ""
            takes `task` where it is a single task, "none" evaluates nothing.
        eval_examples: examples of it.
        evaluate: families or tasks to predict and score, each `NAME` or `NAME/SPLIT`;
            without a split the test split where its labels are here, else validation.
        evaluate_examples: first examples of each evaluation set, 0 for all.
        predict_batch_size: rows per batch when predicting.
        decode_length: ids that a prediction has at most.
        beams: 1 decodes greedily; more search for the most probable text.
        length_penalty: exponent of the length in a search's score.
        beam_rule: whose score and end of the search, "t5x" or "huggingface".
        classify: "generate" decodes the label of a classification, "rank" takes the one
            whose text is the most likely.
        rank_by: what options are ranked by: "sum" the log-likelihood of their text,
            "mean" the same divided by its tokens.
        embed_layer: encoder layer whose mean is a sentence's vector: -1 the normalised
            output, 0 the embedding, i the raw output of layer i.
        data_dir: folder of original release files.
        cache_dir: folder of tokenised examples; "" is inside the user's cache folder.
        files: release files under other names, `{"squad_v1/train": "path"}`.
    """

    task: str
    steps: int
    lengths: Mapping[str, int]
    vocabulary: str
    run_dir: str
    name: str = ""
    batch_size: int = 128
    microbatches: int = 1
    pack: bool = True
    seed: int = 0
    extra_ids: int = 0
    initial_checkpoint: str = ""
    restore_optimizer: bool = False
    optimizer: Optimizer = "adafactor"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    gradient_clip: float = 0.0
    z_loss: float = 1e-4
    label_smoothing: float = 0.0
    loss_normalizing_factor: float | Literal["tokens"] = 0.0
    log_period: int = 10
    save_period: int = 1000
    eval_period: int = 1000
    keep: int = 2
    dev_task: str = ""
    eval_examples: int = 500
    evaluate: tuple[str, ...] = ()
    evaluate_examples: int = 0
    predict_batch_size: int = 64
    decode_length: int = 0
    beams: int = 1
    length_penalty: float = 0.6
    beam_rule: BeamRule = "t5x"
    classify: Classify = "generate"
    rank_by: RankBy = "sum"
    embed_layer: int = -1
    data_dir: str = ""
    cache_dir: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _whole(self, steps=0, batch_size=1, microbatches=1, seed=0, extra_ids=0)
        _whole(self, log_period=1, save_period=1, eval_period=1, keep=1)
        _whole(self, eval_examples=1, evaluate_examples=0, predict_batch_size=1)
        _whole(self, warmup_steps=0, decode_length=0, embed_layer=-1, beams=1)
        _choice(self, "optimizer", get_args(Optimizer))
        _choice(self, "schedule", get_args(Schedule))
        _choice(self, "beam_rule", get_args(BeamRule))
        _choice(self, "classify", get_args(Classify))
        _choice(self, "rank_by", get_args(RankBy))
        lengths = self.lengths
        if not isinstance(lengths, Mapping) or set(lengths) != {"inputs", "targets"}:
            raise UserError(
                "RunConfig.lengths must have exactly the keys inputs and targets, "
                f"got {lengths!r}; e.g. --gin.TASK_FEATURE_LENGTHS="
                "\"{'inputs': 512, 'targets': 64}\""
            )
        for feature, length in lengths.items():
            if not isinstance(length, int) or length < 2:
                raise UserError(
                    f"RunConfig.lengths[{feature!r}] must be a whole number of at "
                    f"least 2 tokens (one and the end id), got {length!r}"
                )
        if self.batch_size % self.microbatches:
            raise UserError(
                f"RunConfig.microbatches={self.microbatches} does not divide "
                f"batch_size={self.batch_size}"
            )
        for field in ("learning_rate", "z_loss", "weight_decay", "gradient_clip"):
            value = getattr(self, field)
            if not isinstance(value, (int, float)) or value < 0:
                raise UserError(f"RunConfig.{field} must be at least 0, got {value!r}")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise UserError(
                "RunConfig.label_smoothing must be in [0, 1), "
                f"got {self.label_smoothing!r}"
            )
        if self.restore_optimizer and not (
            self.initial_checkpoint and self.optimizer == "adafactor"
        ):
            raise UserError(
                "RunConfig.restore_optimizer needs an initial_checkpoint of T5X and "
                f"the optimizer adafactor, got {self.initial_checkpoint!r} and "
                f"{self.optimizer}"
            )
        factor = self.loss_normalizing_factor
        if factor != "tokens" and (not isinstance(factor, (int, float)) or factor < 0):
            raise UserError(
                "RunConfig.loss_normalizing_factor must be a number (0: none) or "
                f"'tokens', got {factor!r}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """How devices are laid out.

    Attributes:
        data: copies of the model, each with its part of the batch; 0: what is left.
        fsdp: parts of parameters and optimiser state, gathered when they are used.
        model: parts of heads, feed-forward and vocabulary.
    """

    data: int = 0
    fsdp: int = 1
    model: int = 1

    def __post_init__(self) -> None:
        _whole(self, data=0, fsdp=1, model=1)


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Fields that decide the result and differ, each as `field: old -> new`.

    Example:
        >>> changed({"seed": 0, "steps": 5}, {"seed": 1, "steps": 9})
        ['seed: 0 -> 1']
    """
    mutable = MUTABLE
    if "linear" in (old.get("schedule"), new.get("schedule")):
        mutable = MUTABLE - {"steps"}  # the learning rate falls to 0 there
    return [
        f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
        for key in sorted(set(old) | set(new))
        if key not in mutable and old.get(key) != new.get(key)
    ]


def _whole(config: Any, **least: int) -> None:
    for field, bound in least.items():
        value = getattr(config, field)
        if not isinstance(value, int) or isinstance(value, bool) or value < bound:
            raise UserError(
                f"{type(config).__name__}.{field} must be a whole number of at least "
                f"{bound}, got {value!r}"
            )


def _choice(config: Any, field: str, allowed: tuple[str, ...]) -> None:
    value = getattr(config, field)
    if value not in allowed:
        raise UserError(
            f"{type(config).__name__}.{field} must be one of {', '.join(allowed)}, "
            f"got {value!r}; near: {near(str(value), allowed)}"
        )
