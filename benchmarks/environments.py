"""The environments of other libraries, made when they are first needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "cornac": ["cornac"],
    "scikit-surprise": ["scikit-surprise"],
    "cmfrec": ["cmfrec", "threadpoolctl"],
    "lenskit": ["lenskit"],
    "matrix-factorization": ["matrix-factorization"],
    "implicit": ["implicit", "threadpoolctl"],
    "pyspark": ["pyspark", "numpy", "pandas<3", "pyarrow"],  # needs Java, too
}


def environment(engine: str, folder: Path) -> str:
    """Return the Python of an engine; create its environment if necessary."""
    if engine not in PACKAGES:
        return sys.executable
    python = folder / engine / "bin" / "python"
    ready = folder / engine / "ready"
    if not ready.exists():
        print(f"installing {engine} in {folder / engine}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder / engine], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[engine]], check=True)
        ready.touch()
    return str(python)


def default_environments() -> Path:
    """Return the default folder of the environments."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "factorate-benchmarks"
