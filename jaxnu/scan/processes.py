"""Many processes, on one machine or many: finding out who is there."""

from __future__ import annotations

import os

import jax

_MPI_SIZE, _MPI_RANK, _MPI_PLACE = "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_MCA_orte_hnp_uri"
_CLUSTERS = {
    # not SLURM_NTASKS: the shell that `salloc` opens is a step of one task, but has that of the whole allocation
    "SLURM_STEP_NUM_TASKS": ("SLURM_NTASKS", "SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID"),
    _MPI_SIZE: (_MPI_PLACE, _MPI_RANK, "OMPI_COMM_WORLD_LOCAL_RANK"),
}
"""What tells the number of processes, and what else a launcher must have set for JAX to find them."""


def start_processes(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> int:
    """Make this process one of several by `jax.distributed`; returns their number, 1 if there is nothing to join.

    Call it before JAX computes anything. Under SLURM's `srun` and Open MPI's `mpirun` the three arguments are found;
    elsewhere give all of them: "host:port" of process 0, the number of processes, and which this one is. Under SLURM,
    every process takes the GPU of its local number, otherwise all that are visible.

    The processes learn their number and devices, and then leave the service again: a sweep needs no messages, so the
    loss of any process, the first included, does not stop the others. XLA must not share its autotuning between
    processes for the same reason. Raises ValueError for some of the arguments without the others, and under an `mpirun`
    that does not tell where the first process is (Open MPI 5).
    """
    given = (coordinator, processes, process)
    if given != (None, None, None):
        if coordinator is None or processes is None or process is None:
            raise ValueError(f"coordinator, processes and process belong together, got {given}")
        if not 0 <= process < processes:
            raise ValueError(f"process must be from 0 to {processes - 1}, got {process}")
    elif _many(_MPI_SIZE) and _MPI_RANK in os.environ and _MPI_PLACE not in os.environ:
        number, rank = os.environ[_MPI_SIZE], os.environ[_MPI_RANK]
        raise ValueError(
            f"this is one of {number} processes of an mpirun that does not tell where the first one is: give the "
            f'coordinator as "host:port", processes={number} and process={rank} (${_MPI_RANK})'
        )
    elif not any(_many(count) and _all_set(rest) for count, rest in _CLUSTERS.items()):
        return 1
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_shard_autotuning=false".strip()
    # it would catch SIGTERM, for good: neither `kill` nor `scancel` would end the process
    jax.config.update("jax_enable_preemption_service", False)
    detection = "deactivate" if coordinator else None
    jax.distributed.initialize(coordinator, processes, process, cluster_detection_method=detection)
    count = jax.process_count()
    jax.distributed.shutdown()
    return count


def _many(count: str) -> bool:
    return int(os.environ.get(count, "1")) > 1


def _all_set(names: tuple[str, ...]) -> bool:
    return all(name in os.environ for name in names)
