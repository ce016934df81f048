"""Cross-lingual intermediate-task transfer with mT5 and XLM-R, in JAX.

`xtl_jax.load(path)` gives a model to ask questions of; everything else is a command of
`xtl` (see `xtl --help`) or a module named after the question it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtl_jax.infer.model import LoadedEncoder, LoadedModel

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(
    path: str, *, dtype: str = "float32", **settings: Any
) -> LoadedModel | LoadedEncoder:
    """A trained model from a run directory, a T5X or a Hugging Face folder.

    Args:
        path: folder on disk or `gs://`.
        dtype: computation dtype, "float32" or "bfloat16"; parameters stay float32.
        **settings: passed on to `xtl_jax.infer.model.load`.

    Returns:
        An mT5 with `logits`, `score`, `generate` and `embed`; an encoder with `embed`,
        `hidden_states`, `pooled` and `logits`.
    """
    from xtl_jax.infer import model  # jax is imported only when it is needed

    return model.load(path, dtype=dtype, **settings)
