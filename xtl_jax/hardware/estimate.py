"""From what a program does to how long it takes and what that costs: a roofline.

Four things take time on a chip, and overlap at best: operations, traffic with its
memory, with other chips of its slice, with other slices. A step can be no faster than
the slowest of them at the maker's peak: that is the bound, and useful operations over
it are the highest MFU that this program could reach. What is expected is slower:
operations at the share of the peak that large matrix products reach, and a part of the
traffic not hidden behind them. Nothing here was measured on a TPU; the assumptions are
printed beside the result.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.hardware import prices
from xtl_jax.hardware.prices import Capacity, Price
from xtl_jax.hardware.slices import Slice

_GIGA, _TERA = 1e9, 1e12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the expected time and the cost rest on.

    Attributes:
        matrix_share: of the peak that matrix products reach.
        memory_share: of its bandwidth that the memory reaches.
        link_share: of their bandwidth that links reach, and the network between slices;
            one direction of all links of a chip is taken for their bandwidth.
        exposed_share: of traffic between chips that no operation hides.
        capacity: how the chips are obtained.
        usd_per_chip_hour: what one costs; None takes the price table.
    """

    matrix_share: float = 0.7
    memory_share: float = 0.8
    link_share: float = 0.7
    exposed_share: float = 0.5
    capacity: Capacity = "on-demand"
    usd_per_chip_hour: float | None = None

    def __post_init__(self) -> None:
        for field in ("matrix_share", "memory_share", "link_share"):
            if not 0 < getattr(self, field) <= 1:
                raise UserError(
                    f"{field} must be above 0 and at most 1, got "
                    f"{getattr(self, field)!r}"
                )
        if not 0 <= self.exposed_share <= 1:
            raise UserError(
                f"exposed_share must be in [0, 1], got {self.exposed_share!r}"
            )

    def sentences(self) -> list[str]:
        """For people."""
        return [
            f"matrix products reach {self.matrix_share:.0%} of the peak",
            f"memory reaches {self.memory_share:.0%} of its bandwidth, links "
            f"{self.link_share:.0%} of theirs in one direction",
            f"{self.exposed_share:.0%} of the traffic between chips is not hidden",
            "every row is full; evaluation, checkpoints, compilation and restarts are "
            "not counted",
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """Time and money of a plan; seconds are of one step.

    Attributes:
        compute_seconds: operations at the peak.
        memory_seconds: memory traffic at full bandwidth.
        link_seconds: traffic between chips at full bandwidth.
        slice_seconds: traffic between slices at full bandwidth.
        bound: which of them is the slowest.
        bound_seconds: that one: no step is faster.
        seconds: expected.
        tokens_per_second: expected, of all chips, inputs and targets.
        mfu_ceiling: useful operations over the peak, at the bound.
        mfu: the same at the expected time.
        hours: of the run.
        usd: of the run; None where no price is known.
        price: with its source; None where it is unknown.
    """

    compute_seconds: float
    memory_seconds: float
    link_seconds: float
    slice_seconds: float
    bound: str
    bound_seconds: float
    seconds: float
    tokens_per_second: float
    mfu_ceiling: float
    mfu: float
    hours: float
    usd: float | None
    price: Price | None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def estimate(
    *,
    slice_: Slice,
    slices: int,
    steps: int,
    tokens: int,
    useful_flops: float,
    executed_flops: float,
    memory_bytes: float,
    sent_bytes: float,
    slice_bytes: float,
    devices: int,
    assumptions: Assumptions,
) -> Estimate:
    """The roofline of a step, and the run that has `steps` of it.

    Args:
        slice_: whose chips compute.
        slices: how many.
        steps: of the run.
        tokens: of one step.
        useful_flops: of all devices.
        executed_flops: of all devices.
        memory_bytes: of one device.
        sent_bytes: of one device, in its slice.
        slice_bytes: of one device, to other slices.
        devices: in all slices.
        assumptions: beside the hardware's figures.
    """
    generation, chips = slice_.generation, slice_.chips * slices
    per_chip = devices / chips
    peak = chips * generation.peak_bf16_tflops * _TERA
    compute = executed_flops / peak
    memory = memory_bytes * per_chip / (generation.hbm_gbytes_per_second * _GIGA)
    one_way = generation.ici_gbytes_per_second * _GIGA / 2
    links = sent_bytes * per_chip / one_way
    network = generation.network_gbits_per_second / 8
    between = slice_bytes * per_chip / (network * _GIGA)
    parts = {
        "operations": compute,
        "memory": memory,
        "links": links,
        "network": between,
    }
    bound = max(parts, key=lambda name: parts[name])
    expected = max(
        compute / assumptions.matrix_share, memory / assumptions.memory_share
    )
    sent = (links + between) / assumptions.link_share
    expected += assumptions.exposed_share * sent
    price = _price(generation.name, assumptions)
    hours = steps * expected / 3600
    return Estimate(
        compute_seconds=compute,
        memory_seconds=memory,
        link_seconds=links,
        slice_seconds=between,
        bound=bound,
        bound_seconds=parts[bound],
        seconds=expected,
        tokens_per_second=tokens / expected,
        mfu_ceiling=useful_flops / peak / parts[bound],
        mfu=useful_flops / peak / expected,
        hours=hours,
        usd=hours * chips * price.usd_per_chip_hour if price else None,
        price=price,
    )


def _price(generation: str, assumptions: Assumptions) -> Price | None:
    if assumptions.usd_per_chip_hour is not None:
        return Price(
            usd_per_chip_hour=assumptions.usd_per_chip_hour,
            date="given",
            source="given",
        )
    try:
        return prices.find(generation, capacity=assumptions.capacity)
    except UserError:
        return None
