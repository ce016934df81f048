"""LoRA: a matrix stays as it is, and a small difference to it is trained.

Beside a matrix W [in, out] stand A [in, rank] and B [rank, out], and the network
computes with

    W + (alpha / rank) A B

(Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"). A begins normal
and B zero, so that the first step sees the model as it was. Stacked layers have an A
and a B each:

    encoder/layers/attention/query/kernel   [layers, in, out]     frozen
    encoder/layers/attention/query/lora_a   [layers, in, rank]    trained
    encoder/layers/attention/query/lora_b   [layers, rank, out]   trained

All that is different from a run that trains the whole model:

* what is trained, `TrainState.params`, is the tree of A and B (`start`), and with it
  the optimiser's state and each checkpoint; the parameters they belong to are an
  argument of the step that is neither donated nor updated (`train/step.py`);
* the step and the dev evaluation compute with `merge` of both; whoever reads a
  checkpoint of the run gets the same from `checkpoint/adapted.py`, array by array;
* Adafactor's step size is the learning rate alone, not in proportion to the array
  (`train/optimizer.py`): of B, which is zero at first, that would be next to nothing.

Nothing here knows a network: a matrix is what is called `kernel`. A head begins with
its task, so what lies under `heads` is trained whole beside the factors.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax.sharding import NamedSharding, PartitionSpec

from xtl_jax.errors import UserError, near
from xtl_jax.model.sizes import Lora
from xtl_jax.typing import Array, Float

_KERNEL, _A, _B = "kernel", "lora_a", "lora_b"
_HEADS = "heads"


def start(params: Any, lora: Lora, key: Array) -> Any:
    """What is trained, before the first step.

    Args:
        params: the whole model: arrays, or their shapes under `jax.eval_shape`.
        lora: what to train.
        key: of A, whose entries have the variance 1 / in. A matrix's A is the same
            whichever other matrices are targets.

    Raises:
        UserError: a target that is part of no matrix's path, or a rank that is no
            lower than a matrix's own.
    """
    whole = _flat(params)
    found = {path: leaf for path, leaf in whole.items() if in_heads(path)}
    for path in targeted(whole, lora.targets):
        *layers, inner, outer = whole[path].shape
        if lora.rank > min(inner, outer):
            raise UserError(
                f"RunConfig.lora_rank={lora.rank} is more than {path} [{inner}, "
                f"{outer}] can have: give at most {min(inner, outer)}"
            )
        own = jax.random.fold_in(key, zlib.crc32(path.encode()))
        normal = jax.random.normal(own, (*layers, inner, lora.rank), jnp.float32)
        a, b = factors(path)
        found[a] = normal * inner**-0.5
        found[b] = jnp.zeros((*layers, lora.rank, outer), jnp.float32)
    return traverse_util.unflatten_dict(found, sep="/")


def targeted(paths: Mapping[str, Any], targets: tuple[str, ...]) -> list[str]:
    """Paths of the matrices that get factors.

    Args:
        paths: of all arrays of a model.
        targets: each one or more parts of a path, as they follow each other.

    Raises:
        UserError: one of them is part of no matrix's path; says what there is.

    Example:
        >>> paths = dict.fromkeys(["mlp/wi/kernel", "mlp/wo/kernel", "mlp/norm/scale"])
        >>> targeted(paths, ("wo",))
        ['mlp/wo/kernel']
        >>> targeted(paths, ("mlp/wi", "mlp"))
        ['mlp/wi/kernel', 'mlp/wo/kernel']
    """
    kernels = [
        path
        for path in paths
        if path.rpartition("/")[2] == _KERNEL and not in_heads(path)
    ]
    for target in targets:
        if not any(_has(path, target) for path in kernels):
            parts = {part for path in kernels for part in path.split("/")[:-1]}
            raise UserError(
                f"RunConfig.lora_targets: {target!r} is part of no matrix's path; "
                f"near: {near(target, parts)}; there are: {', '.join(sorted(parts))}, "
                "and several of them with / between, as they follow each other"
            )
    return [path for path in kernels if any(_has(path, each) for each in targets)]


def frozen(params: Any) -> Any:
    """What stays as it is of a model: all that `start` does not train."""
    kept = {path: leaf for path, leaf in _flat(params).items() if not in_heads(path)}
    return traverse_util.unflatten_dict(kept, sep="/")


def merge(frozen: Any, trained: Any, *, scale: float) -> Any:
    """The whole model, on the device: differentiable in what is trained.

    Args:
        frozen: what is not updated.
        trained: of `start`, or what training made of it.
        scale: of the difference.
    """
    own = _flat(trained)
    found = {path: leaf for path, leaf in own.items() if in_heads(path)}
    for path, array in _flat(frozen).items():
        a, b = factors(path)
        if a in own:
            # Full float32 on every device: what is exported must be what was trained.
            precision = jax.lax.Precision.HIGHEST
            array = array + scale * jnp.matmul(own[a], own[b], precision=precision)
        found[path] = array
    return traverse_util.unflatten_dict(found, sep="/")


def merge_matrix(
    kernel: Float[np.ndarray, "inner outer"],
    a: Float[np.ndarray, "inner rank"],
    b: Float[np.ndarray, "rank outer"],
    *,
    scale: float,
) -> Float[np.ndarray, "inner outer"]:
    """One matrix of `merge` on the host, to the last bit the same on every machine.

    A BLAS sums in an order of its own. The checksums of a model that others are
    trained on (`checkpoint/adapted.py`) must not depend on it.
    """
    difference = np.zeros(kernel.shape, np.float32)
    for column, row in zip(a.T, b, strict=True):
        difference += np.outer(column, row)
    return kernel + np.float32(scale) * difference


def factors(path: str) -> tuple[str, str]:
    """Where A and B of a matrix lie.

    Example:
        >>> factors("encoder/layers/mlp/wo/kernel")
        ('encoder/layers/mlp/wo/lora_a', 'encoder/layers/mlp/wo/lora_b')
    """
    parent = path.removesuffix(_KERNEL)
    return f"{parent}{_A}", f"{parent}{_B}"


def is_factor(name: str) -> bool:
    """Whether an array of this name, the last part of its path, is an A or a B."""
    return name in (_A, _B)


def in_heads(path: str) -> bool:
    """Whether an array belongs to a head, and so is trained whole.

    Example:
        >>> in_heads("heads/xnli/out/kernel"), in_heads("encoder/pooler/kernel")
        (True, False)
    """
    return path.split("/")[0] == _HEADS


def shardings(places: Any, trained: Any) -> Any:
    """Where each array that is trained lies.

    The axes that a factor shares with its matrix lie as they do there; that of the rank
    is on every device. What has a place of its own keeps it.

    Args:
        places: a sharding for each parameter of the whole model.
        trained: shapes of what is trained: of `start`, or of the whole model.
    """
    whole = _flat(places)

    def place(path: str, shape: tuple[int, ...]) -> NamedSharding:
        if path in whole:
            return whole[path]
        parent, _, name = path.rpartition("/")
        matrix = whole[f"{parent}/{_KERNEL}"]
        axes = [*matrix.spec, *[None] * len(shape)][: len(shape)]
        axes[-1 if name == _A else -2] = None
        return NamedSharding(matrix.mesh, PartitionSpec(*axes))

    return traverse_util.unflatten_dict(
        {path: place(path, leaf.shape) for path, leaf in _flat(trained).items()},
        sep="/",
    )


def _flat(tree: Any) -> dict[str, Any]:
    return traverse_util.flatten_dict(tree, sep="/")


def _has(path: str, target: str) -> bool:
    return f"/{target.strip('/')}/" in f"/{path}/"
