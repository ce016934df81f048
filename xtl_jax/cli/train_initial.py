"""What a run begins with: its own checkpoint, an initial one, or random parameters.

A run that goes on has all it needs in its own checkpoint and reads no other. One of
LoRA needs the model that its factors belong to in either case: the one that it began
with, which `run.json` identifies (`checkpoint/adapted.py`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax import storage
from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.checkpoint.store import Store
    from xtl_jax.infer.encoder import LoadedEncoder
    from xtl_jax.infer.model import LoadedModel
    from xtl_jax.train.state import TrainState

# What a checkpoint does not fix: it may differ from one stage to the next. An encoder's
# heads are fitted (`train_labels.initial_params`), and its padding is the vocabulary's.
_FREE = frozenset(
    {
        *("dropout_rate", "dtype", "remat", "unroll", "loss_chunks"),
        *("head_dropout_rate", "task_heads", "pooler", "pad_id"),
    }
)


class Begun(NamedTuple):
    """A run that can make its next step, on the mesh."""

    state: TrainState
    frozen: Any | None  # the model that LoRA does not update; None without LoRA
    position: Any  # of the data feed; None: at its beginning


def load(config: Config) -> LoadedModel | LoadedEncoder | None:
    """The model that is read from another checkpoint; None where none is needed.

    Raises:
        UserError: no checkpoint, a damaged one, or another size than the config's.
    """
    from xtl_jax.checkpoint import find, store
    from xtl_jax.cli import train_labels
    from xtl_jax.infer import model as models
    from xtl_jax.infer.encoder import LoadedEncoder

    run = config.run
    going_on = store.has_checkpoint(run.run_dir)
    if not run.initial_checkpoint or (going_on and run.lora is None):
        return None
    path, step = _where(config)
    if run.restore_optimizer and find.find(path).kind != "t5x":
        raise UserError(
            f"RunConfig.restore_optimizer: {path} is no checkpoint of T5X; set it to "
            "False"
        )
    try:
        loaded = models.load(path, step=step)
    except UserError as error:
        if not going_on:
            raise
        raise UserError(
            f"{run.run_dir} goes on with LoRA and needs the model that it began with: "
            f"{error}. If that has moved, give its new place (INITIAL_CHECKPOINT_PATH)"
        ) from error
    if type(loaded.config) is not type(config.model):
        raise UserError(
            f"{path} is {_family(loaded.config)} and the gin files describe "
            f"{_family(config.model)}: give the gin file of the model (models/…)"
        )
    differing = [
        f"{field.name}: checkpoint {getattr(loaded.config, field.name)}, config "
        f"{getattr(config.model, field.name)}"
        for field in dataclasses.fields(config.model)
        if field.name not in _FREE
        and getattr(loaded.config, field.name) != getattr(config.model, field.name)
    ]
    if differing:
        raise UserError(
            f"{path} does not fit the model: {'; '.join(differing)}. Give the gin file "
            "of its size (models/…), and the vocabulary it was trained with"
        )
    if isinstance(loaded, LoadedEncoder):
        model: Any = config.model
        params = train_labels.initial_params(loaded, model, seed=run.seed)
        return dataclasses.replace(loaded, params=params, config=model)
    return loaded


def _family(config: Any) -> str:
    return getattr(config, "architecture", "mT5")


def _where(config: Config) -> tuple[str, int | None]:
    """Path and step of what to begin with; a run of LoRA keeps to what it began with.

    The best checkpoint of a run that was trained on is another one than before.
    """
    from xtl_jax.cli import run_files

    path = config.run.initial_checkpoint
    old = run_files.read(config.run.run_dir) or {}
    if "base" in old and old["run"]["initial_checkpoint"] == path:
        return old["base"]["checkpoint"], old["base"]["step"]
    return path, None


def identity(
    config: Config, initial: LoadedModel | LoadedEncoder | None
) -> dict[str, Any]:
    """What `run.json` says besides of a run of LoRA: which model it belongs to."""
    from etils import epath

    from xtl_jax.checkpoint import adapted

    if config.run.lora is None or initial is None:
        return {}
    found = adapted.base(
        initial.params,
        config=initial.config,
        checkpoint=str(storage.absolute(epath.Path(initial.source))),
        step=initial.step,
    )
    return {"base": dataclasses.asdict(found)}


def begin(
    config: Config,
    *,
    mesh: Any,
    shapes: Any,
    checkpoints: Store,
    initial: LoadedModel | LoadedEncoder | None,
) -> Begun:
    """The newest checkpoint of the run itself, or step 0.

    Args:
        config: of the run.
        mesh: to lay everything out on.
        shapes: of its state.
        checkpoints: its own.
        initial: of `load`.

    Raises:
        UserError: none of its own checkpoints can be read.
    """
    import jax

    from xtl_jax.hosts import arrays
    from xtl_jax.model import lora as loras
    from xtl_jax.train import optimizer as optimizers
    from xtl_jax.train import sharding, state

    run, model = config.run, config.model
    params = None if initial is None else initial.params
    frozen = None
    if run.lora is not None:
        places = sharding.params_sharding(mesh, model)
        params = arrays.lay_out(params, places)
        frozen = loras.frozen(params)
    places = state.shardings(mesh, model, shapes)
    like = jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=place
        ),
        *(shapes, places),
    )
    restored = checkpoints.restore_latest(like, tell=tell)
    if restored is not None:
        tell(f"{run.run_dir}: going on after step {int(restored[0].step)}")
        return Begun(restored[0], frozen, restored[1])
    if initial is None and run.initial_checkpoint:
        raise UserError(
            f"the checkpoints of {run.run_dir} went away while the run began: give the "
            "same command again"
        )
    current, _ = state.create(
        *(model, optimizers.build(run)),
        mesh=mesh,
        seed=run.seed,
        params=params,
        lora=run.lora,
    )
    if run.restore_optimizer:
        current = _with_moments(current, config)
    return Begun(current, frozen, None)


def _with_moments(current: TrainState, config: Config) -> TrainState:
    """The state with the optimiser's moments of the initial checkpoint."""
    from xtl_jax.checkpoint import find, t5x
    from xtl_jax.train import optimizer as optimizers

    run = config.run
    found = find.find(run.initial_checkpoint)  # of T5X: `load` has looked
    step, moments = t5x.optimizer_state(found.folder)
    factor = run.loss_normalizing_factor
    tell(
        f"optimiser state of {found.folder} restored, its decay goes on from step "
        f"{step:,}; the loss is divided by {factor or 'nothing'}: right if the "
        "checkpoint was trained so (the public mT5: 234496, "
        "RunConfig.loss_normalizing_factor)"
    )
    model: Any = config.model  # T5X has no other
    state = optimizers.with_moments(
        current.opt_state, model, moments=moments, step=step
    )
    return current._replace(opt_state=state)
