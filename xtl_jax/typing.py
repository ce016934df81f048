"""Array shapes in signatures: `Float[Array, "batch length"]`.

Axis names are words and mean the same in the whole package: batch, length, vocab,
embed, heads, head_dim, mlp, layers. Where `jaxtyping` is installed (the tests) shapes
and dtypes are checked at each call; where it is not (a training machine with only the
numerical packages) the annotations mean nothing and cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped
else:
    try:
        from jaxtyping import Bool, Float, Int, Shaped
    except ImportError:

        class _Unchecked:
            def __class_getitem__(cls, item: Any) -> type:
                return cls

        Array = Bool = Float = Int = PRNGKeyArray = Shaped = _Unchecked
    else:

        def __getattr__(name: str) -> Any:
            """`Array` and `PRNGKeyArray` import jax: only for those who ask."""
            if name in ("Array", "PRNGKeyArray"):
                import jaxtyping

                return getattr(jaxtyping, name)
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Array", "Bool", "Float", "Int", "PRNGKeyArray", "Shaped"]
