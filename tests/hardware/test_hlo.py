"""Counting a program, by programs whose counts are worked out by hand."""

from __future__ import annotations

import pytest

from xtl_jax.hardware import hlo

LOOP = """
HloModule jit_step, is_scheduled=true

%fused_product (p.0: bf16[24,64,128], p.1: bf16[8,64], p.2: s32[]) -> bf16[8,128] {
  %p.0 = bf16[24,64,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  %p.1 = bf16[8,64]{1,0:T(8,128)(2,1)} parameter(1)
  %p.2 = s32[]{:T(128)} parameter(2)
  %zero = s32[] constant(0)
  %cut = bf16[1,64,128]{2,1,0} dynamic-slice(%p.0, %p.2, %zero, %zero), \
dynamic_slice_sizes={1,64,128}
  %one = bf16[64,128]{1,0} bitcast(%cut)
  ROOT %product = bf16[8,128]{1,0} convolution(%p.1, %one), dim_labels=bf_io->bf
}

%body (state: (s32[], bf16[8,64], bf16[24,64,128])) -> (s32[]) {
  %state = (s32[], bf16[8,64], bf16[24,64,128]) parameter(0)
  %number = s32[] get-tuple-element(%state), index=0
  %x = bf16[8,64]{1,0} get-tuple-element(%state), index=1
  %stack = bf16[24,64,128]{2,1,0} get-tuple-element(%state), index=2
  %y = bf16[8,128]{1,0} fusion(%stack, %x, %number), kind=kOutput, \
calls=%fused_product
  %whole = bf16[32,128]{1,0} all-gather(%y), channel_id=1, \
replica_groups=[16,4]<=[64], dimensions={0}
  ROOT %next = (s32[], bf16[8,64], bf16[24,64,128]) tuple(%number, %x, %stack)
}

%condition (state.1: (s32[], bf16[8,64], bf16[24,64,128])) -> pred[] {
  %state.1 = (s32[], bf16[8,64], bf16[24,64,128]) parameter(0)
  %number.1 = s32[] get-tuple-element(%state.1), index=0
  %last = s32[] constant(24)
  ROOT %less = pred[] compare(%number.1, %last), direction=LT
}

ENTRY %main (a: s32[], b: bf16[8,64], c: bf16[24,64,128]) -> (s32[]) {
  %a = s32[] parameter(0)
  %b = bf16[8,64]{1,0} parameter(1)
  %c = bf16[24,64,128]{2,1,0} parameter(2)
  %start = (s32[], bf16[8,64], bf16[24,64,128]) tuple(%a, %b, %c)
  ROOT %loop = (s32[], bf16[8,64], bf16[24,64,128]) while(%start), \
condition=%condition, body=%body
}
"""


def _one(line: str, *, before: str = "") -> hlo.Counts:
    return hlo.count(f"ENTRY %main (a: f32[]) -> f32[] {{\n{before}\n  {line}\n}}\n")


def test_a_loop_counts_as_often_as_it_runs():
    found = hlo.count(LOOP)
    assert found.flops == 24 * 2 * 8 * 64 * 128
    (gather,) = found.collectives
    assert (gather.kind, gather.times, gather.devices) == ("all-gather", 24, 4)
    assert gather.shape == "bf16[32,128]"
    # Three of four parts come from the others; each device sends as much.
    assert gather.bytes_sent == 24 * 32 * 128 * 2 * 3 / 4


def test_of_a_stack_one_layer_is_read():
    layer, x, number, y = 64 * 128 * 2, 8 * 64 * 2, 4, 8 * 128 * 2
    compared = 4 + 4 + 1
    assert hlo.count(LOOP).memory_bytes == 24 * (layer + x + number + y + compared)


def test_a_stated_trip_count_wins_over_the_condition():
    stated = LOOP.replace(
        "body=%body", 'body=%body, backend_config={"known_trip_count":{"n":"7"}}'
    )
    assert hlo.count(stated).flops == 7 * 2 * 8 * 64 * 128


def test_a_batched_product_written_as_a_convolution_costs_what_it_computes():
    # 4 products of [8, 16] and [16, 32]; the window is 4 wide, 3 parts of it nothing.
    found = _one(
        "ROOT %c = f32[4,8,32]{2,1,0} convolution(%x, %y), "
        "window={size=4 stride=3 lhs_dilate=4}, dim_labels=0bf_0io->0bf",
        before="  %x = f32[4,8,16]{2,1,0} parameter(0)\n"
        "  %y = f32[4,16,32]{2,1,0} parameter(1)",
    )
    assert found.flops == 4 * 2 * 8 * 16 * 32


@pytest.mark.parametrize(
    ("line", "kind", "sent"),
    [
        (
            "%r = f32[8,128]{1,0} all-reduce(%x), replica_groups={{0,1,2,3},{4,5,6,7}}",
            "all-reduce",
            2 * 4096 * 3 / 4,
        ),
        (
            "%r = f32[2,128]{1,0} reduce-scatter(%x), replica_groups=[2,4]<=[8], "
            "dimensions={0}",
            "reduce-scatter",
            4096 * 3 / 4,
        ),
        (
            "%r = (f32[8,128]{1,0}, f32[32,128]{1,0}) all-gather-start(%x), "
            "replica_groups=[2,4]<=[8], dimensions={0}",
            "all-gather",
            4 * 4096 * 3 / 4,
        ),
        (
            "%r = (f32[8,128]{1,0}, f32[8,128]{1,0}) collective-permute-start(%x), "
            "source_target_pairs={{0,1},{1,0}}",
            "collective-permute",
            4096,
        ),
        (
            "%r = f32[8,128]{1,0} all-to-all(%x), replica_groups={{0,1}}",
            "all-to-all",
            4096 / 2,
        ),
    ],
)
def test_what_a_collective_sends(line, kind, sent):
    found = _one(line, before="  %x = f32[8,128]{1,0} parameter(0)")
    (only,) = found.collectives
    assert (only.kind, only.bytes_sent) == (kind, sent)
    assert found.by_kind() == {kind: {"times": 1, "bytes_sent": sent}}
    assert found.memory_bytes == 0  # they are counted as what is sent


SCATTERED = """
%all-reduce-scatter (input: f32[8,128]) -> f32[2,128] {
  %input = f32[8,128]{1,0} parameter(0)
  %sum = f32[8,128]{1,0} all-reduce(%input), replica_groups=[2,4]<=[8], to_apply=%add
  %zero = u32[] constant(0)
  %at = u32[] partition-id()
  ROOT %part = f32[2,128]{1,0} dynamic-slice(%sum, %at, %zero), \
dynamic_slice_sizes={2,128}
}

ENTRY %main (x: f32[8,128]) -> f32[2,128] {
  %x = f32[8,128]{1,0} parameter(0)
  ROOT %r = f32[2,128]{1,0} fusion(%x), kind=kCustom, calls=%all-reduce-scatter
}
"""


def test_a_sum_of_which_a_part_is_kept_is_scattered():
    (only,) = hlo.count(SCATTERED).collectives
    assert (only.kind, only.bytes_sent) == ("reduce-scatter", 4096 * 3 / 4)


def test_what_goes_to_another_slice_is_a_kind_of_its_own():
    found = _one(
        "%s = (f32[8,128]{1,0}, u32[], token[]) send(%x, %after), channel_id=2, "
        "is_host_transfer=true, frontend_attributes={_xla_host_transfer_handler_name="
        '"xla_megascale_runtime"}',
        before="  %x = f32[8,128]{1,0} parameter(0)\n  %after = token[] after-all()",
    )
    (only,) = found.collectives
    assert (only.kind, only.shape) == ("between slices", "f32[8,128]")
    assert (found.slice_bytes, found.sent_bytes) == (4096, 0)
    assert found.memory_bytes == 0


UNROLLED = """
%condition (state: (s32[], f32[8,8])) -> pred[] {
  %state = (s32[], f32[8,8]) parameter(0)
  %number = s32[] get-tuple-element(%state), index=0
  %last = s32[] constant(16)
  ROOT %less = pred[] compare(%number, %last), direction=LT
}

%body (state.1: (s32[], f32[8,8])) -> (s32[], f32[8,8]) {
  %state.1 = (s32[], f32[8,8]) parameter(0)
  %number.1 = s32[] get-tuple-element(%state.1), index=0
  %x = f32[8,8]{1,0} get-tuple-element(%state.1), index=1
  %one = s32[] constant(1)
  %first = f32[8,8]{1,0} dot(%x, %x), lhs_contracting_dims={1}
  %next = s32[] add(%number.1, %one)
  %second = f32[8,8]{1,0} dot(%first, %x), lhs_contracting_dims={1}
  %after = s32[] add(%next, %one)
  ROOT %all = (s32[], f32[8,8]) tuple(%after, %second)
}

ENTRY %main (a: s32[], b: f32[8,8]) -> (s32[], f32[8,8]) {
  %a = s32[] parameter(0)
  %b = f32[8,8]{1,0} parameter(1)
  %start = (s32[], f32[8,8]) tuple(%a, %b)
  ROOT %loop = (s32[], f32[8,8]) while(%start), condition=%condition, body=%body
}
"""


def test_a_loop_that_was_unrolled_runs_half_as_often():
    assert hlo.count(UNROLLED).flops == 16 * 2 * 8 * 8 * 8


def test_what_lies_in_a_core_is_no_memory_traffic():
    found = _one(
        "ROOT %r = f32[8,128]{1,0:T(8,128)} add(%x, %y)",
        before="  %x = f32[8,128]{1,0:T(8,128)S(1)} parameter(0)\n"
        "  %y = f32[8,128]{1,0:T(8,128)} parameter(1)",
    )
    assert found.memory_bytes == 2 * 4096


def test_a_kernel_of_our_own_costs_what_it_says():
    found = _one(
        "ROOT %r = bf16[8,128]{1,0} custom-call(%x), "
        'custom_call_target="tpu_custom_call", backend_config={"custom_call_config":'
        '{"body":"TUzv","cost_estimate":{"flops":"3221","transcendentals":"50",'
        '"bytes_accessed":"88"}}}',
        before="  %x = bf16[8,128]{1,0} parameter(0)",
    )
    assert found.flops == 3221


def test_a_program_of_this_machine_counts_what_jax_was_asked_for():
    import jax
    import jax.numpy as jnp

    def layers(x, weights):
        return jax.lax.scan(lambda x, w: (x @ w, None), x, weights)[0]

    x, weights = jnp.ones((8, 32)), jnp.ones((5, 32, 32))
    text = jax.jit(layers).lower(x, weights).compile().as_text()
    assert hlo.count(text).flops == 5 * 2 * 8 * 32 * 32
