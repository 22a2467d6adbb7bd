"""Trainer: trains one model on some interactions, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from benchmarks.environments import environment

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.data import Interactions

WORKER = Path(__file__).with_name("worker.py")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # of BLAS


@dataclass(frozen=True)
class Trained:
    """Times and memory of a training, and the factors, whose products are the scores."""

    seconds: float
    seconds_of_new_users: float
    peak_mb: float
    added_mb: float
    P: Any
    Q: Any
    P_of_new_users: Any


class Trainer:
    """Trains one model; close it, or use it in a with statement, to end its process."""

    def __init__(
        self,
        model: str,
        training: Interactions,
        environments: Path,
        new_users: Interactions | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._factors = Path(self._folder.name, "factors.npz")
        interactions = Path(self._folder.name, "interactions.npz")
        none = np.empty(0, np.int32)
        np.savez(
            interactions,
            users=training.users,
            items=training.items,
            shape=training.shape,
            n_new_users=0 if new_users is None else new_users.shape[0],
            new_users=none if new_users is None else new_users.users,
            new_items=none if new_users is None else new_users.items,
        )
        engine = "implicit" if model.startswith("implicit") else "factorate"
        self._process = subprocess.Popen(
            [environment(engine, environments), WORKER, model, interactions, self._factors],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD,
        )

    def train(
        self, settings: dict[str, Any], *, n_factors: int = 64, n_threads: int = 1, seed: int = 0
    ) -> Trained:
        """Train with some settings, and the defaults of the library for all others.

        FloatingPointError is raised if the training diverges.
        """
        request = {
            "settings": settings,
            "n_factors": n_factors,
            "n_threads": n_threads,
            "seed": seed,
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the training with {settings} failed; see the message above")
        answer = json.loads(line)
        if "error" in answer:
            raise FloatingPointError(f"the training with {settings} diverged: {answer['error']}")
        with np.load(self._factors) as file:
            factors = file["P"], file["Q"], file.get("P_of_new_users")
        return Trained(**answer, P=factors[0], Q=factors[1], P_of_new_users=factors[2])

    def close(self) -> None:
        """End the process and remove its files."""
        self._process.communicate()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
