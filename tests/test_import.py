"""What `import factorate` costs others: no optional library, no warning."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

import pytest

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


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL, always on"
)
def test_a_fit_leaves_the_gil_off() -> None:
    code = (
        "import sys, factorate as ft; ft.MatrixFactorization(2).fit(([1], [1], [1.0]));"
        "print(sys._is_gil_enabled())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={name: value for name, value in os.environ.items() if name != "PYTHON_GIL"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"
