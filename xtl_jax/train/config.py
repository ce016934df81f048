"""Everything that decides a run, as plain values.

A *run* is one config and one directory: it trains on one task or mixture for a number
of *steps* (optimiser updates) from one checkpoint, then predicts and scores. Stages are
chained by giving the directory of one run as `initial_checkpoint` of the next.

gin fills these dataclasses in `cli` only; a run directory keeps them as JSON.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import HeadLayers
from xtl_jax.model.sizes import Lora
from xtl_jax.train import settings

TaggedPiece = Literal["first", "text"]
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
        *("classify", "rank_by", "embed_layer", "embed_prefix"),
        *("smoothing_sigma", "smoothing_samples", "smoothing_confidence"),
        *("smoothing_seed",),
        *("head", "answer_n_best", "answer_length", "null_threshold"),
        *("beams", "length_penalty", "beam_rule"),
        *("temperature", "top_k", "top_p", "sampling_seed"),
        *("initial_checkpoint", "vocabulary"),
        *("attacks", "attack_budget", "attack_seed", "attack_lexicons"),
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
        lora_rank: 0 trains the whole model; more trains factors of so many columns
            beside its matrices and nothing else (`model/lora.py`).
        lora_alpha: a product of factors is scaled by lora_alpha / lora_rank.
        lora_targets: parts of the paths of the matrices that get factors; the paper's
            choice is the query and value projections of all attention.
        optimizer: "adafactor" as T5X has it, or "adamw".
        learning_rate: after warm-up.
        schedule: "constant", "linear" to 0 at `steps`, or "rsqrt" of the step.
        warmup_steps: steps in which the learning rate grows linearly from 0.
        warmup_share: the same as a share of `steps`; one of the two.
        weight_decay: of AdamW; biases and norms do not decay.
        layer_decay: an encoder's layer learns this much slower than the one after it.
        gradient_clip: largest global norm of a gradient; 0 clips nothing.
        z_loss: factor of log(Z)^2 in the loss.
        label_smoothing: probability given to all wrong ids together.
        loss_normalizing_factor: the summed loss is divided by it: 0 by nothing, as T5X
            does by default; 234496 for the public mT5 checkpoints; "tokens" by the
            target tokens of the batch (T5X's NUM_REAL_TARGET_TOKENS).
        perturbation: what is added to the vectors of the input tokens in training
            (`train/perturbation.py`): "none", "pgd", "freelb", "gaussian", "uniform".
        perturbation_radius: how long it may be, in mean lengths of the vectors of the
            example's text, as `pgd` at prediction has it; of "gaussian" how long the
            noise of a token is on average, nearly.
        perturbation_norm: "l2" or "linf" says what "long" means,
        perturbation_over: "token" or "example" whose length it is.
        perturbation_steps: of ascent, which "pgd" and "freelb" make.
        perturbation_step_size: length of a step of ascent, in the same unit.
        perturbation_start: radius of the ball in which ascent begins; 0: clean inputs.
        augmentation: attacks on training rows before they are cached
            (`attacks/augment.py`), each with its settings behind colons:
            `character_noise:budget=0.2`; a lexicon is one of `attack_lexicons`.
        augmentation_share: of the rows that are attacked.
        augmentation_seed: of which rows, and of attacks that name none.
        head_layers: of encoders: what heads read: the "last" layer's states, a learned
            "mixture" of all layers', or "attention" over them (`model/heads.py`).
        contrastive_layer: of parallel text, which encoders learn from: the layer whose
            vectors of a sentence and its translation are brought together
            (`train/contrast.py`); -1 the last, 0 the embedding.
        contrastive_temperature: their similarities are divided by it.
        contrastive_weight: factor of their loss.
        log_period, save_period, eval_period: steps between two.
        keep: newest checkpoints kept, the one with the best dev score besides.
        window_stride: of encoders: context tokens that two windows of a long context
            share.
        question_length: of encoders: tokens of a question at most, beside its context.
        tagged_piece: of encoders: the piece of a word that has its tag, the "first" as
            in XTREME, or the first "text", which is no lone word mark.
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
        temperature: 0 takes the most probable next id; more draws it, from logits
            divided by this.
        top_k: of drawing: from so many of the most probable ids, 0 from all.
        top_p: of drawing: from the fewest ids that have this probability together.
        sampling_seed: of drawing. An answer depends on it and on the example's number,
            not on the batch.
        classify: "generate" decodes the label of a classification, "rank" takes the one
            whose text is the most likely.
        rank_by: what options are ranked by: "sum" the log-likelihood of their text,
            "mean" the same divided by its tokens.
        embed_layer: encoder layer whose mean is a sentence's vector: -1 the normalised
            output, 0 the embedding, i the raw output of layer i.
        embed_prefix: of an encoder: words before each text that becomes a vector, such
            as multilingual-e5's "query:".
        head: of an encoder: which of its heads answers; "" takes the task's own, else
            the only one that can.
        answer_n_best: of a span head: positions of a window that may begin or end an
            answer.
        answer_length: of a span head: tokens of an answer at most.
        null_threshold: of a span head: how far the score of "no answer" must be above
            the best answer's, where questions may have none.
        attacks: that evaluation sets are predicted under too, each `NAME` with its own
            settings behind colons (`attacks/named.py`): `worst_of:character_noise:k=8`.
        attack_budget: of attacks that name none; 0 takes each one's default.
        attack_seed: of attacks that name none.
        attack_lexicons: files in MUSE's format by languages, `{"de-en": "path"}`.
        smoothing_sigma: of an encoder's classifications: answers are those of a vote
            under Gaussian noise of this deviation on the vectors of the tokens, with a
            certified radius (`infer/smooth.py`); 0: no noise.
        smoothing_samples: draws of noise for each example, and 100 more.
        smoothing_confidence: with which a radius is right.
        smoothing_seed: of the noise.
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
    lora_rank: int = 0
    lora_alpha: float = 8.0
    lora_targets: tuple[str, ...] = ("query", "value")
    optimizer: Optimizer = "adafactor"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    warmup_share: float = 0.0
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    gradient_clip: float = 0.0
    z_loss: float = 1e-4
    label_smoothing: float = 0.0
    loss_normalizing_factor: float | Literal["tokens"] = 0.0
    perturbation: settings.Method = "none"
    perturbation_radius: float = 0.0
    perturbation_norm: settings.Norm = "l2"
    perturbation_over: settings.Over = "example"
    perturbation_steps: int = 3
    perturbation_step_size: float = 0.0
    perturbation_start: float = 0.0
    augmentation: tuple[str, ...] = ()
    augmentation_share: float = 0.5
    augmentation_seed: int = 0
    head_layers: HeadLayers = "last"
    contrastive_layer: int = -1
    contrastive_temperature: float = 0.05
    contrastive_weight: float = 1.0
    log_period: int = 10
    save_period: int = 1000
    eval_period: int = 1000
    keep: int = 2
    window_stride: int = 128
    question_length: int = 64
    tagged_piece: TaggedPiece = "first"
    dev_task: str = ""
    eval_examples: int = 500
    evaluate: tuple[str, ...] = ()
    evaluate_examples: int = 0
    predict_batch_size: int = 64
    decode_length: int = 0
    beams: int = 1
    length_penalty: float = 0.6
    beam_rule: BeamRule = "t5x"
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    sampling_seed: int = 0
    classify: Classify = "generate"
    rank_by: RankBy = "sum"
    embed_layer: int = -1
    embed_prefix: str = ""
    head: str = ""
    answer_n_best: int = 20
    answer_length: int = 30
    null_threshold: float = 0.0
    smoothing_sigma: float = 0.0
    smoothing_samples: int = 1000
    smoothing_confidence: float = 0.999
    smoothing_seed: int = 0
    attacks: tuple[str, ...] = ()
    attack_budget: float = 0.0
    attack_seed: int = 0
    attack_lexicons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    data_dir: str = ""
    cache_dir: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        settings.whole(self, steps=0, batch_size=1, microbatches=1, seed=0, extra_ids=0)
        settings.whole(self, log_period=1, save_period=1, eval_period=1, keep=1)
        settings.whole(self, eval_examples=1, evaluate_examples=0, predict_batch_size=1)
        settings.whole(self, warmup_steps=0, decode_length=0, embed_layer=-1, beams=1)
        settings.whole(self, top_k=0, sampling_seed=0, lora_rank=0)
        settings.whole(self, window_stride=0, question_length=1)
        settings.choice(self, "optimizer", get_args(Optimizer))
        settings.choice(self, "tagged_piece", get_args(TaggedPiece))
        settings.choice(self, "schedule", get_args(Schedule))
        settings.choice(self, "beam_rule", get_args(BeamRule))
        settings.choice(self, "classify", get_args(Classify))
        settings.choice(self, "rank_by", get_args(RankBy))
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
        settings.least(self, "learning_rate", "z_loss", "weight_decay", "gradient_clip")
        settings.whole(self, answer_n_best=1, answer_length=1)
        if not isinstance(self.null_threshold, (int, float)) or not math.isfinite(
            self.null_threshold
        ):
            raise UserError(
                "RunConfig.null_threshold must be a number, got "
                f"{self.null_threshold!r}"
            )
        storage.on_disk(self.cache_dir, what="RunConfig.cache_dir")
        _check_sampling(self)
        _check_attacks(self)
        if not 0.0 <= self.warmup_share <= 1.0 or (
            self.warmup_share and self.warmup_steps
        ):
            raise UserError(
                "RunConfig.warmup_share must be in [0, 1], and 0 beside warmup_steps; "
                f"got {self.warmup_share!r} and warmup_steps={self.warmup_steps}"
            )
        if not 0.0 < self.layer_decay <= 1.0:
            raise UserError(
                f"RunConfig.layer_decay must be in (0, 1], got {self.layer_decay!r}"
            )
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
        _check_lora(self)
        settings.perturbation(self)
        settings.contrast(self)
        settings.check_smoothing(self)
        _check_augmentation(self)
        settings.choice(self, "head_layers", get_args(HeadLayers))
        factor = self.loss_normalizing_factor
        if factor != "tokens" and (not isinstance(factor, (int, float)) or factor < 0):
            raise UserError(
                "RunConfig.loss_normalizing_factor must be a number (0: none) or "
                f"'tokens', got {factor!r}"
            )

    @property
    def perturbed(self) -> settings.Perturbation | None:
        """What is added to the vectors of inputs; None: nothing."""
        return settings.perturbation(self)

    @property
    def lora(self) -> Lora | None:
        """What is trained of the model; None: all of it."""
        if not self.lora_rank:
            return None
        return Lora(
            rank=self.lora_rank,
            alpha=self.lora_alpha,
            targets=tuple(self.lora_targets),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """How devices are laid out.

    Attributes:
        data: copies of the model, each with its part of the batch; 0: what is left.
        fsdp: parts of parameters and optimiser state, gathered when they are used.
        model: parts of heads, feed-forward and vocabulary.
        slices: TPU slices, joined by the data centre's network; `data`, `fsdp` and
            `model` are the sizes inside one.
        auto: `data`, `fsdp` and `model` are chosen: the fewest parts that fit.
    """

    data: int = 0
    fsdp: int = 1
    model: int = 1
    slices: int = 1
    auto: bool = False

    def __post_init__(self) -> None:
        settings.whole(self, data=0, fsdp=1, model=1, slices=1)
        if self.auto and (self.data, self.fsdp, self.model) != (0, 1, 1):
            raise UserError(
                "MeshConfig.auto chooses data, fsdp and model: leave them out, got "
                f"data={self.data} fsdp={self.fsdp} model={self.model}"
            )


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Fields that decide the result and differ, each as `field: old -> new`.

    Example:
        >>> changed({"seed": 0, "steps": 5}, {"seed": 1, "steps": 9})
        ['seed: 0 -> 1']
    """
    mutable = MUTABLE
    falling = "linear" in (old.get("schedule"), new.get("schedule"))
    if falling or new.get("warmup_share"):
        mutable = MUTABLE - {"steps"}  # they decide the learning rate of every step
    return [
        f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
        for key in sorted(set(old) | set(new))
        if key not in mutable and old.get(key) != new.get(key)
    ]


def _check_lora(config: RunConfig) -> None:
    alpha, targets = config.lora_alpha, config.lora_targets
    if not isinstance(alpha, (int, float)) or not 0 < alpha < math.inf:
        raise UserError(f"RunConfig.lora_alpha must be a number above 0, got {alpha!r}")
    if (
        not isinstance(targets, (list, tuple))
        or not targets
        or not all(isinstance(each, str) and each.strip("/") for each in targets)
    ):
        raise UserError(
            "RunConfig.lora_targets must be parts of paths, one or more, such as "
            f"('query', 'value'), got {targets!r}"
        )
    if config.lora_rank and not config.initial_checkpoint:
        raise UserError(
            f"RunConfig.lora_rank={config.lora_rank} needs a model to begin from: give "
            "initial_checkpoint (INITIAL_CHECKPOINT_PATH)"
        )
    if config.lora_rank and config.restore_optimizer:
        raise UserError(
            f"RunConfig.restore_optimizer takes over moments of whole arrays, and "
            f"lora_rank={config.lora_rank} trains others: set one of them to its "
            "default"
        )


def _check_augmentation(config: RunConfig) -> None:
    if not config.augmentation:
        return
    from xtl_jax.attacks import augment  # most runs name no attack

    augment.augmentation(
        config.augmentation,
        share=config.augmentation_share,
        seed=config.augmentation_seed,
    )


def _check_attacks(config: RunConfig) -> None:
    budget = config.attack_budget
    if not isinstance(budget, (int, float)) or not 0 <= budget < math.inf:
        raise UserError(
            "RunConfig.attack_budget must be a number of at least 0 (0: the default of "
            f"each attack), got {budget!r}"
        )
    settings.whole(config, attack_seed=0)
    if not config.attacks:
        return
    from xtl_jax.attacks import named  # most runs name none

    for text in config.attacks:
        named.parse(text, budget=budget or None, seed=config.attack_seed)


def _check_sampling(config: RunConfig) -> None:
    temperature, top_p = config.temperature, config.top_p
    if not isinstance(temperature, (int, float)) or not 0 <= temperature < math.inf:
        raise UserError(
            "RunConfig.temperature must be a number of at least 0 (0: the most "
            f"probable id), got {temperature!r}"
        )
    if not isinstance(top_p, (int, float)) or not 0 < top_p <= 1:
        raise UserError(f"RunConfig.top_p must be in (0, 1], got {top_p!r}")
    if temperature and config.beams > 1:
        raise UserError(
            f"RunConfig.beams={config.beams} searches and temperature={temperature} "
            "draws: set beams to 1 or temperature to 0"
        )
    if not temperature and (config.top_k or top_p < 1):
        raise UserError(
            f"RunConfig.top_k={config.top_k} and top_p={top_p} are of drawing, and "
            "temperature=0 draws nothing: set a temperature, such as 1.0"
        )
