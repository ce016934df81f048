"""What a TPU slice has: chips, hosts, wiring, memory.

A *slice* is chips wired together, spread over hosts; several slices are joined by the
data centre's network. Two names are in use for the same thing: the accelerator type,
which gcloud takes, and the topology, which the planner and its compiler take. `v4-128`
counts cores and is `v4:4x4x4`, 64 chips on 16 hosts; `v5litepod-16` counts chips and is
`v5e:4x4`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from typing import Any

from xtl_jax.errors import UserError, near


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation:
    """One generation of TPUs; figures are of one chip.

    Attributes:
        name: as users and the planner call it: v4, v5e, v5p, v6e, tpu7x.
        prefix: of accelerator types.
        counts: what accelerator types count, "cores" or "chips".
        cores_per_chip: TensorCores.
        devices_per_chip: that JAX has of a chip.
        kinds: what JAX calls its devices.
        chips_per_host: where a slice has several hosts.
        single_host_chips: sizes that have one host.
        hbm_gib: high-bandwidth memory as sold.
        usable_hbm_gib: what the compiler lets a program have of it.
        hbm_gbytes_per_second: its bandwidth.
        peak_bf16_tflops: 1e12 bfloat16 operations a second.
        ici_gbytes_per_second: all links to other chips, both directions.
        network_gbits_per_second: its part of the data centre's network, one direction.
        runtime: software version for gcloud; "" where only GKE has them.
        zones: where they were offered when the table was checked.
        flex_start_zones: where they can be had as flex-start.
        shapes: chips in a slice to its wiring.
    """

    name: str
    prefix: str
    counts: str
    cores_per_chip: int
    devices_per_chip: int
    kinds: tuple[str, ...]
    chips_per_host: int
    single_host_chips: tuple[int, ...]
    hbm_gib: float
    usable_hbm_gib: float
    hbm_gbytes_per_second: float
    peak_bf16_tflops: float
    ici_gbytes_per_second: float
    network_gbits_per_second: float
    runtime: str
    zones: tuple[str, ...]
    flex_start_zones: tuple[str, ...]
    shapes: Mapping[int, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice.

    Attributes:
        generation: of its chips.
        chips: in the whole slice.
    """

    generation: Generation
    chips: int

    @property
    def shape(self) -> str:
        """Its wiring, such as 4x4x4."""
        return self.generation.shapes[self.chips]

    @property
    def topology(self) -> str:
        """The planner's name, such as v4:4x4x4."""
        return f"{self.generation.name}:{self.shape}"

    @property
    def accelerator_type(self) -> str:
        """gcloud's name, such as v4-128."""
        per_chip = self.generation.cores_per_chip
        count = self.chips * (per_chip if self.generation.counts == "cores" else 1)
        return f"{self.generation.prefix}-{count}"

    @property
    def devices(self) -> int:
        """JAX devices in the whole slice."""
        return self.chips * self.generation.devices_per_chip

    @property
    def device_memory(self) -> float:
        """Bytes of one device that a program may use."""
        return self.generation.usable_hbm_gib * 2**30 / self.generation.devices_per_chip

    @property
    def hosts(self) -> int:
        """Machines, each of which runs one process."""
        if self.chips in self.generation.single_host_chips:
            return 1
        return self.chips // self.generation.chips_per_host


@functools.cache
def generations() -> Mapping[str, Generation]:
    """The table, by name."""
    text = importlib.resources.files("xtl_jax.hardware") / "generations.toml"
    table = tomllib.loads(text.read_text(encoding="utf-8"))
    return {
        name: _generation(name, row)
        for name, row in table.items()
        if isinstance(row, dict)
    }


def find(name: str) -> Slice:
    """The slice that an accelerator type or a topology names.

    Raises:
        UserError: no such slice.

    Example:
        >>> small = find("v5litepod-16")
        >>> small.topology, small.chips, small.hosts
        ('v5e:4x4', 16, 4)
        >>> find("v4:4x4x4").accelerator_type
        'v4-128'
    """
    known = {}
    for generation in generations().values():
        for chips in generation.shapes:
            each = Slice(generation=generation, chips=chips)
            known[each.accelerator_type] = known[each.topology] = each
            size = each.accelerator_type.rpartition("-")[2]
            known.setdefault(f"{generation.name}-{size}", each)
    try:
        return known[name]
    except KeyError:
        head = name.replace(":", "-").partition("-")[0]
        sizes = ", ".join(each for each in known if each.startswith((f"{head}-",)))
        raise UserError(
            f"no TPU slice {name!r}; near: {near(name, known)}; "
            + (f"sizes of {head}: {sizes}" if sizes else _all_generations())
        ) from None


def of_devices(kind: str, number: int) -> Slice | None:
    """The slice whose devices JAX shows, by what it calls them; None: no known one.

    Example:
        >>> of_devices("TPU v5 lite", 4).topology
        'v5e:2x2'
    """
    for generation in generations().values():
        chips = number // generation.devices_per_chip
        if kind in generation.kinds and chips in generation.shapes:
            return Slice(generation=generation, chips=chips)
    return None


def _all_generations() -> str:
    return f"generations: {', '.join(generations())}"


def _generation(name: str, row: Mapping[str, Any]) -> Generation:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in row.items()
    }
    values["shapes"] = {int(chips): shape for chips, shape in row["shapes"].items()}
    return Generation(name=name, **values)
