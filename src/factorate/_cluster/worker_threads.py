"""count_worker_threads: the threads that a task may use."""

from __future__ import annotations


def count_worker_threads() -> int:
    """Return the number of threads of the worker that runs this task."""
    from distributed import get_worker

    n_threads: int = get_worker().state.nthreads
    return n_threads
