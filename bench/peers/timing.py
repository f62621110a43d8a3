"""Shared by the peers: a warm-up, then the median of several runs, printed as one line of JSON."""

import json
import os
import statistics
import time

import torch


def use_threads():
    """All cores, unless the caller asks for another number."""
    torch.set_num_threads(int(os.environ.get("PEER_THREADS") or len(os.sched_getaffinity(0))))


def gemm_gflops():
    """Speed of a 1024³ product: tells a PyTorch that runs on the reference BLAS (a few GFLOP/s) from one that is worth comparing to."""
    a = torch.randn(1024, 1024)
    torch.mm(a, a)
    start = time.perf_counter()
    torch.mm(a, a)
    return 2 * 1024**3 / (time.perf_counter() - start) / 1e9


def report(work, repeats, per_run=1):
    """Times `work()`, which does `per_run` units; prints the median seconds of one unit."""
    work()
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        runs.append((time.perf_counter() - start) / per_run)
    print(
        json.dumps(
            {
                "seconds": statistics.median(runs),
                "runs": runs,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "gemmGflops": gemm_gflops(),
            }
        )
    )
