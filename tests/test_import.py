"""Importing factorate and fitting on arrays import no optional library and raise no warning."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

import pytest

OPTIONAL = ("pandas", "polars", "pyarrow", "scipy", "sklearn", "matplotlib", "narwhals", "tqdm")


FIT = "import sys, factorate as ft; ft.MatrixFactorization(2).fit(([1], [1], [1.0]));"
IMPORTED = f"print([name for name in {OPTIONAL} if name in sys.modules])"


def run(code: str) -> str:
    """Run code in a new process, where a warning is an error, and return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.check_output(command, env=environment, text=True).strip()


def test_import_loads_no_optional_library() -> None:
    assert run(f"import sys, factorate; {IMPORTED}") == "[]"


def test_fit_on_arrays_loads_no_optional_library() -> None:
    assert run(FIT + IMPORTED) == "[]"


def test_import_loads_no_slow_module_that_few_calls_need() -> None:
    slow = "importlib.metadata", "email", "html", "secrets", "socket", "tempfile"
    code = f"import sys, numpy; before = set(sys.modules); import factorate; slow = {slow}; "
    assert run(code + "print([name for name in slow if name in sys.modules.keys() - before])") == (
        "[]"
    )


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python always has a GIL"
)
def test_fit_does_not_enable_the_gil() -> None:
    assert run(FIT + "print(sys._is_gil_enabled())") == "False"
