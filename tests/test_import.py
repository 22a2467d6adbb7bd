"""What `import factorate` costs others: no optional library, no warning."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pandas", "polars", "pyarrow", "scipy", "sklearn", "matplotlib", "narwhals", "tqdm")


def test_importing_pulls_in_no_optional_library() -> None:
    code = f"import sys, factorate; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_fit_on_arrays_needs_none_either() -> None:
    code = (
        "import sys, factorate as ft; ft.MatrixFactorization(2).fit(([1], [1], [1.0]));"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
