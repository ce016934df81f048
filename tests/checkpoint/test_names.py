"""A tree that does not fit is refused, and every array at fault is named."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.checkpoint import names
from xtl_jax.errors import UserError


@pytest.fixture
def arrays(toy):
    """A format that calls arrays as we do, with the layer before a colon."""
    return {
        _name(entry.path, layer): np.full(entry.shape, layer or 0, np.float16)
        for entry in names.entries(toy)
        for layer in (range(entry.layers) if entry.layers else (None,))
    }


def _name(path, layer):
    return path if layer is None else f"{layer}:{path}"


def _assemble(toy, arrays, **settings):
    source = names.source(
        toy,
        name="somewhere",
        step=0,
        foreign=_name,
        read=arrays.__getitem__,
        known=set(arrays),
        **settings,
    )
    return names.tree(source)


def test_layers_are_stacked_in_order_as_float32(toy, arrays):
    tree = _assemble(toy, arrays)
    wo = tree["decoder"]["layers"]["mlp"]["wo"]["kernel"]
    assert (wo.shape, wo.dtype) == ((2, 128, 128), np.float32)
    assert wo[:, 5, 7].tolist() == [0.0, 1.0]


def test_transposed_arrays_are_turned(toy, arrays):
    head = np.arange(256 * 128, dtype=np.float32).reshape(256, 128)
    arrays["logits_dense/kernel"] = head
    tree = _assemble(toy, arrays, transpose=lambda path: path == "logits_dense/kernel")
    assert np.array_equal(tree["logits_dense"]["kernel"], head.T)
    assert tree["logits_dense"]["kernel"].flags.c_contiguous


def test_missing_and_left_over_arrays_are_counted_and_named(toy, arrays):
    del arrays["encoder/encoder_norm/scale"]
    arrays["2:encoder/layers/mlp/wo/kernel"] = np.zeros(())
    with pytest.raises(UserError) as caught:
        _assemble(toy, arrays)
    message = str(caught.value)
    assert message.startswith("somewhere is not an mT5 of the expected layout")
    assert "1 arrays missing ['encoder/encoder_norm/scale']" in message
    assert "1 unknown ['2:encoder/layers/mlp/wo/kernel']" in message


def test_what_is_known_to_be_harmless_may_be_left_over(toy, arrays):
    arrays["copy"] = np.zeros(())
    _assemble(toy, arrays, ignored=lambda name: name == "copy")


def test_another_shape_is_named_with_both_shapes(toy, arrays):
    arrays["1:decoder/layers/mlp/wi_0/kernel"] = np.zeros((128, 64))
    with pytest.raises(
        UserError, match=r"1:decoder\S+ has shape \(128, 64\), expected"
    ):
        _assemble(toy, arrays)
