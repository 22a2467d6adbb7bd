"""Count the available cores, and the threads to start."""

from __future__ import annotations

import functools
import itertools
import math
import os
from pathlib import Path, PurePosixPath

from factorate._utils.validation import check_count

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the number of cores that the affinity and the cgroup of this process allow.

    The quota of the cgroup is read once.

    Returns
    -------
    int
        At least 1; a fraction of a core counts as one.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _own_quota())))


def count_threads(n_threads: object) -> int:
    """Return `n_threads` as an int; None means one thread per available core."""
    return available_cores() if n_threads is None else check_count("n_threads", n_threads, 1)


@functools.cache  # reading the files takes longer than many a call that asks
def _own_quota() -> float:
    return cpu_quota()


def cpu_quota(cgroups: Path = CGROUPS, own_groups: Path = OWN_GROUPS) -> float:
    """Return the smallest CPU quota among the cgroups of this process and their parents.

    Parameters
    ----------
    cgroups : Path
        Folder of the cgroup file system.
    own_groups : Path
        File that lists the cgroups of this process.

    Returns
    -------
    float
        In cores; infinite if there is no quota.
    """
    quota = math.inf
    for line in _lines(own_groups):
        _, controllers, group = line.split(":", 2)
        if controllers == "":  # version 2
            root, files = cgroups, ["cpu.max"]
        elif "cpu" in controllers.split(","):
            root, files = cgroups / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group_path = PurePosixPath(group)
        for folder in [group_path, *group_path.parents]:
            path = root / str(folder).lstrip("/")
            words = " ".join(itertools.chain(*(_lines(path / name) for name in files))).split()
            # No limit is "max" in version 2 and -1 in version 1.
            if len(words) == 2 and all(word.isdigit() for word in words):
                quota = min(quota, int(words[0]) / int(words[1]))
    return quota


def _lines(path: Path) -> list[str]:
    """Return the lines of a file, or none if it cannot be read."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
