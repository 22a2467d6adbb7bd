"""Write small stores of ratings for tests, and fit to stores with little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from factorate._input.levels import MAX_LEVELS
from factorate._store.batches import open_batches
from factorate._store.ingest import ingest
from factorate._training.ratings_in_store import RatingsInStore
from factorate._training.stored_levels import read_levels

if TYPE_CHECKING:
    from pathlib import Path


def write_store(
    path: Path,
    source: Any,
    *,
    chunk_ratings: int = 1000,
    max_levels: int = MAX_LEVELS,
    **options: Any,
) -> Any:
    """Write a store with files of few ratings, and open it."""
    batches = open_batches(source, None)
    ingest(path, batches, chunk_ratings=chunk_ratings, max_levels=max_levels)
    return ft.RatingStore(path, **options)


def in_store(
    store: Any,
    dtype: Any = np.float32,
    memory: int | None = None,
    max_levels: int = MAX_LEVELS,
) -> RatingsInStore:
    """Return the ratings of a store as a fit takes them."""
    levels = read_levels(store._stored, np.dtype(dtype), max_levels=max_levels)
    return RatingsInStore(
        stored=store._stored, levels=levels, memory=memory, scratch=store.path, keep_seen=True
    )


LIMITED = """
import json, resource, sys
from pathlib import Path
import numpy as np
import factorate as ft

path, megabytes, source, name = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
model = getattr(ft, name)(**json.loads(sys.argv[5]))
few = np.arange(200) % 20, np.arange(200) // 20, np.arange(200) % 5 + 1
early_stopping = model.early_stopping
model.set_params(early_stopping=False).fit(few)  # imports what a fit needs
model.set_params(early_stopping=early_stopping)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
stacks = 3 * 2**23  # of two threads that train or sort, and of one that reads
limit = int(status["VmData"].split()[0]) * 1024 + megabytes * 10**6 + stacks
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
store = ft.RatingStore(path, memory=f"{megabytes}MB")
try:
    if source == "stored":
        model.fit(store)
    else:
        model.fit(tuple(map(np.concatenate, zip(*store.batches()))))
    print(model.user_factors_.sum(dtype=float).hex())
except MemoryError:
    print("MemoryError")
"""


def fit_limited(model: Any, path: Path, megabytes: int, source: str = "stored") -> str:
    """Fit in a process whose memory may grow by so many megabytes, and return the sum of P.

    The source is "stored", or "in memory" to read the ratings of the store into memory first.
    """
    given = [str(path), str(megabytes), source, type(model).__name__]
    command = [sys.executable, "-c", LIMITED, *given, json.dumps(model.get_params())]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return found.stdout.strip()
