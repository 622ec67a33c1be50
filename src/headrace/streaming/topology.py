"""Who this process is among the data-parallel ranks: arguments, a device mesh, torch.distributed, torchrun or SLURM."""

from __future__ import annotations

import os
import sys
from typing import Any

from headrace.errors import InvalidInput
from headrace.streaming.placement import Placement

__all__ = ["find_placement", "known_placement"]

_DATA_DIMENSIONS = (
    "dp",
    "data",
    "data_parallel",
    "batch",
    "replicate",
    "shard",
    "fsdp",
    "ddp",
    "dp_replicate",
    "dp_shard",
)
"""Dimensions of a mesh along which ranks take different samples; ranks that differ in others see the same batch."""


def find_placement(*, rank: int | None, world_size: int | None, mesh: Any) -> Placement:
    """The rank's place among those that take different samples; alone where nothing says so.

    Raises:
        InvalidInput: As `known_placement`.
    """
    return known_placement(rank=rank, world_size=world_size, mesh=mesh) or Placement(0, 1)


def known_placement(*, rank: int | None, world_size: int | None, mesh: Any) -> Placement | None:
    """The rank's place, None if nothing says where this process stands.

    Args:
        mesh: A torch DeviceMesh with named dimensions, of which those named dp, data, batch, replicate, shard, fsdp,
            ddp, dp_replicate or dp_shard deal samples out; or a pair (data rank, data world).

    Raises:
        InvalidInput: One of rank and world_size without the other, or a mesh without such a dimension.
    """
    if (rank is None) != (world_size is None):
        raise InvalidInput("rank and world_size belong together: give both or neither")
    if mesh is not None:
        if rank is not None:
            raise InvalidInput("mesh says rank and world size already: give either mesh, or rank and world_size")
        return _of_mesh(mesh)
    if rank is not None and world_size is not None:
        return Placement(rank, world_size)
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return Placement(distributed.get_rank(), distributed.get_world_size())
    for rank_name, world_name in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        if rank_name in os.environ and world_name in os.environ:  # SLURM sets the second only in what srun started
            return Placement(_number(rank_name), _number(world_name))
    return None


def _of_mesh(mesh: Any) -> Placement:
    if isinstance(mesh, tuple) and len(mesh) == 2 and all(isinstance(item, int) for item in mesh):
        return Placement(*mesh)
    names = getattr(mesh, "mesh_dim_names", None)
    if not names:
        raise InvalidInput(
            f"mesh={mesh!r}: expected a DeviceMesh with named dimensions such as ('dp', 'tp'), or a pair (data rank, "
            "data world)"
        )
    wanted = [name for name in names if name in _DATA_DIMENSIONS]
    if not wanted:
        raise InvalidInput(
            f"the mesh has the dimensions {', '.join(names)}; expected one that deals samples out: "
            f"{', '.join(_DATA_DIMENSIONS)}"
        )
    rank, world = 0, 1
    for name in wanted:
        size = mesh.size(names.index(name))
        rank = rank * size + mesh.get_local_rank(name)
        world *= size
    return Placement(rank, world)


def _number(name: str) -> int:
    try:
        return int(os.environ[name])
    except ValueError:
        raise InvalidInput(
            f"the environment variable {name} is {os.environ[name]!r}: expected a whole number"
        ) from None
