"""Processes: one, several on CPU (gloo) or GPUs (nccl), or those that torchrun has started."""

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from detectron2.utils import comm

from dense_det.environment import num_cpus


def launch(main, args, num_gpus: int | None = None, num_procs: int | None = None) -> None:
    """Run `main(args)` in the processes asked for; under torchrun, join its group.

    A process that fails takes the others down, and its error is the one that is shown.

    Args:
        main: a function at a module's top level: it is pickled for new processes.
        num_gpus: one process per GPU; None is one GPU where there is one, else the CPU.
        num_procs: CPU processes, which share the cores.
    """
    if under_torchrun():
        return _join_torchrun(main, args)
    available = torch.cuda.device_count()
    world_size = num_gpus or num_procs or 1
    on_gpu = not num_procs and bool(num_gpus or available)
    if world_size == 1:
        return main(args)
    # a file instead of a port: nothing to collide with, nothing listens
    with tempfile.TemporaryDirectory(prefix="dense_det_") as folder:
        torch.multiprocessing.spawn(
            _worker, args=(main, args, world_size, (Path(folder) / "rendezvous").as_uri(), on_gpu), nprocs=world_size
        )


def under_torchrun() -> bool:
    """Whether torchrun (or anything that sets its variables) started this process as one of several."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def require_processes(num_gpus: int | None, num_procs: int | None) -> None:
    """Raises ValueError for more GPUs than there are, or a number of processes that torchrun already decided."""
    if under_torchrun() and (num_procs or (num_gpus or 0) > 1):
        raise ValueError("torchrun already decides the number of processes: leave --num-procs and --num-gpus out")
    available = torch.cuda.device_count()
    if num_gpus and num_gpus > available:
        raise ValueError(f"--num-gpus {num_gpus}, but torch sees {available}: use --num-procs N for CPU processes")


def _worker(rank: int, main, args, world_size: int, rendezvous: str, on_gpu: bool) -> None:
    _share_cores(world_size)
    _join(rank, rank, world_size, world_size, rendezvous, on_gpu)
    _run(main, args)


def _join_torchrun(main, args) -> None:
    rank, local_rank, world_size = (int(os.environ[k]) for k in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
    _share_cores(local_size)
    _join(rank, local_rank, world_size, local_size, "env://", torch.cuda.device_count() >= local_size)
    _run(main, args)


def _join(rank, local_rank, world_size, local_size, rendezvous, on_gpu) -> None:
    if on_gpu:
        torch.cuda.set_device(local_rank)
    # evaluation and check_data run on one rank while the others wait: half an hour is gloo's and too short
    dist.init_process_group(
        "nccl" if on_gpu else "gloo", rendezvous, rank=rank, world_size=world_size, timeout=timedelta(hours=6)
    )
    comm.create_local_process_group(local_size)


def _run(main, args) -> None:
    comm.synchronize()
    main(args)
    comm.synchronize()
    dist.destroy_process_group()


def _share_cores(local_size: int) -> None:
    torch.set_num_threads(max(1, num_cpus() // local_size))
