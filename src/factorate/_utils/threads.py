"""How many cores this process may use, and threads it should."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path, PurePosixPath

from factorate._utils.validation import check_count

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the cores this process may run on: its affinity, and the quota of its cgroup.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota())))


def count_threads(n_threads: object) -> int:
    """Return the number of threads that a parameter asks for; None is one for each core."""
    return available_cores() if n_threads is None else check_count("n_threads", n_threads, 1)


def _quota() -> float:
    """Return the least quota, in cores, of this process's cgroups and their parents."""
    quota = math.inf
    for line in _lines(OWN_GROUP):
        _, controllers, group = line.split(":", 2)
        if controllers == "":  # version 2
            root, files = CGROUPS, ["cpu.max"]
        elif "cpu" in controllers.split(","):
            root, files = CGROUPS / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group_path = PurePosixPath(group)
        for folder in [group_path, *group_path.parents]:
            here = root / str(folder).lstrip("/")
            words = " ".join(itertools.chain(*(_lines(here / name) for name in files))).split()
            # No limit is "max" in version 2 and -1 in version 1.
            if len(words) == 2 and all(word.isdigit() for word in words):
                quota = min(quota, int(words[0]) / int(words[1]))
    return quota


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
