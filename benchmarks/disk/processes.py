"""measure: run one task of the worker in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def measure(task: str, **arguments: Any) -> dict[str, Any]:
    """Run a task of `benchmarks.disk.worker` in a new process, and return its measurements."""
    request = json.dumps({"task": task, **arguments}, default=str)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.disk.worker"],
        input=request,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
