"""Packing: nothing lost, nothing too full, segments whole, shifts as T5X has them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl_jax.data import packing
from xtl_jax.data.features import Lengths

LENGTHS = Lengths(inputs=16, targets=8)
examples = st.lists(
    st.tuples(st.integers(1, 16), st.integers(1, 8)), min_size=1, max_size=60
)


def _spans(sizes, rows):
    """Tokens that name their example and place: example 3's second token is 302."""
    by_row = np.argsort(rows, kind="stable")
    spans = []
    for feature in (0, 1):
        length = np.array([sizes[i][feature] for i in by_row])
        tokens = [np.arange(1, sizes[i][feature] + 1) + 100 * (i + 1) for i in by_row]
        spans.append(packing.Span(np.concatenate(tokens), length, rows[by_row]))
    return spans


@settings(max_examples=150, deadline=None)
@given(sizes=examples, open_rows=st.integers(1, 8))
def test_packed_rows_give_back_exactly_the_examples(sizes, open_rows):
    inputs, targets = (np.array(x) for x in zip(*sizes, strict=True))
    placed = packing.best_fit(inputs, targets, lengths=LENGTHS, open_rows=open_rows)
    assert np.array_equal(np.unique(placed.row), np.arange(placed.count))
    made = packing.batch(
        *_spans(sizes, placed.row),
        rows=placed.count,
        lengths=LENGTHS,
        layout="packed",
    )
    seen = []
    for row in range(placed.count):
        for side, name in (
            ("encoder", "encoder_input_tokens"),
            ("decoder", "decoder_target_tokens"),
        ):
            segments = made[f"{side}_segment_ids"][row]
            positions = made[f"{side}_positions"][row]
            tokens = made[name][row]
            used = segments > 0
            # Segments are contiguous from the left: 1...1 2...2 0...0
            steps = np.diff(segments[used])
            assert np.all((steps == 0) | (steps == 1))
            assert segments[0] == 1
            assert not used[np.argmin(used) :].any() or used.all()
            assert np.array_equal(tokens > 0, used)
            assert not positions[~used].any()
            for segment in range(1, segments.max() + 1):
                mine = segments == segment
                assert np.array_equal(positions[mine], np.arange(mine.sum()))
                example = int(tokens[mine][0]) // 100 - 1
                expected = np.arange(1, sizes[example][side == "decoder"] + 1)
                assert np.array_equal(tokens[mine], expected + 100 * (example + 1))
                seen.append((side, example))
        paired = zip(
            made["encoder_input_tokens"][row][made["encoder_positions"][row] == 0],
            made["encoder_segment_ids"][row][made["encoder_positions"][row] == 0],
            strict=True,
        )
        for token, segment in paired:
            if segment:
                target = made["decoder_target_tokens"][row]
                mine = made["decoder_segment_ids"][row] == segment
                assert target[mine][0] // 100 == token // 100
    assert sorted(seen) == sorted(
        (side, i) for side in ("encoder", "decoder") for i in range(len(sizes))
    )


@settings(max_examples=100, deadline=None)
@given(sizes=examples)
def test_no_row_is_overfull(sizes):
    inputs, targets = (np.array(x) for x in zip(*sizes, strict=True))
    placed = packing.best_fit(inputs, targets, lengths=LENGTHS)
    assert np.all(np.bincount(placed.row, inputs) <= LENGTHS.inputs)
    assert np.all(np.bincount(placed.row, targets) <= LENGTHS.targets)


def test_best_fit_by_hand():
    inputs = np.array([10, 10, 6, 5, 2, 16])
    targets = np.array([1, 1, 1, 1, 1, 8])
    placed = packing.best_fit(inputs, targets, lengths=LENGTHS)
    assert placed.row.tolist() == [0, 1, 0, 1, 2, 3]
    # Row 0 (10 + 6) and row 1 (10 + 5) have no room for 2, the shortest.


def test_targets_too_can_close_a_row():
    ones = np.ones(3, int)
    placed = packing.best_fit(ones, np.array([5, 4, 3]), lengths=LENGTHS)
    assert placed.row.tolist() == [0, 1, 0]


def test_realistic_lengths_fill_nine_tenths():
    rng = np.random.default_rng(0)
    inputs = np.clip(np.exp(rng.normal(np.log(180), 0.4, 4096)).astype(int), 8, 512)
    targets = np.clip(rng.poisson(5, 4096) + 1, 2, 64)
    lengths = Lengths(inputs=512, targets=64)
    placed = packing.best_fit(inputs, targets, lengths=lengths)
    assert inputs.sum() / (placed.count * 512) > 0.9


def test_single_rows_shift_as_t5x_does_and_have_no_segments():
    span = packing.Span(np.array([5, 6, 1, 7, 1]), np.array([3, 2]), np.array([0, 1]))
    made = packing.batch(
        span, span, rows=3, lengths=Lengths(inputs=4, targets=4), layout="single"
    )
    assert made["decoder_target_tokens"].tolist() == [
        [5, 6, 1, 0],
        [7, 1, 0, 0],
        [0] * 4,
    ]
    # The EOS stays in the input after the last target, where the weight is 0.
    assert made["decoder_input_tokens"].tolist() == [
        [0, 5, 6, 1],
        [0, 7, 1, 0],
        [0] * 4,
    ]
    assert made["decoder_loss_weights"].tolist() == [
        [1, 1, 1, 0],
        [1, 1, 0, 0],
        [0] * 4,
    ]
    assert sorted(made) == [
        "decoder_input_tokens",
        "decoder_loss_weights",
        "decoder_target_tokens",
        "encoder_input_tokens",
    ]


def test_arrays_are_contiguous_int32_and_weights_float32():
    span = packing.Span(np.array([5, 1]), np.array([2]), np.array([0]))
    made = packing.batch(span, span, rows=2, lengths=LENGTHS, layout="packed")
    for name, value in made.items():
        wanted = np.float32 if name == "decoder_loss_weights" else np.int32
        assert value.dtype == wanted
        assert value.flags.c_contiguous


def test_nothing_packs_into_no_rows():
    none = np.zeros(0, int)
    assert packing.best_fit(none, none, lengths=LENGTHS).count == 0
