"""Train one model again and again: a request is a line of JSON on stdin, an answer one on stdout.

The arguments are the name of the model, the file of the interactions, and a file for the factors
of the last training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.implicit_feedback.models import MODELS, Job
from benchmarks.worker import resident_mb


def main() -> None:
    """Answer requests until stdin ends."""
    name, interactions, factors = sys.argv[1:]
    with np.load(interactions) as file:
        columns = {key: file[key] for key in ("users", "items", "new_users", "new_items")}
        shape, n_new_users = tuple(file["shape"].tolist()), int(file["n_new_users"])
    before = resident_mb("VmRSS")
    for line in sys.stdin:
        job = Job(**columns, shape=shape, n_new_users=n_new_users, **json.loads(line))
        try:
            result = MODELS[name](job)
        except FloatingPointError as error:
            print(json.dumps({"error": str(error)}), flush=True)
            continue
        peak = resident_mb("VmHWM")
        arrays = {"P": result.P, "Q": result.Q}
        if result.P_of_new_users is not None:
            arrays["P_of_new_users"] = result.P_of_new_users
        np.savez(factors, **arrays)
        answer = {
            "seconds": result.seconds,
            "seconds_of_new_users": result.seconds_of_new_users,
            "peak_mb": peak,
            "added_mb": peak - before,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
