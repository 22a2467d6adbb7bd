"""The progress bar is a widget in notebooks that can show one, and text elsewhere."""

from __future__ import annotations

import subprocess
import sys

NOTEBOOK = """
import sys, types

class Shell:  # what tqdm looks for to recognize a notebook
    config = {"IPKernelApp": {}}

ipython = types.ModuleType("IPython")
ipython.get_ipython = Shell
ipython.display = types.ModuleType("IPython.display")
ipython.display.display = print
sys.modules |= {
    "IPython": ipython,
    "IPython.display": ipython.display,
    "ipykernel.zmqshell": types.ModuleType("zmqshell"),
    "ipywidgets": None,
}
import factorate as ft
ft.MatrixFactorization(2, n_epochs=3, verbose=True).fit(([1, 2], [1, 2], [1.0, 2.0]))
"""


def test_notebook_without_ipywidgets_shows_a_text_bar_and_no_warning() -> None:
    """Regression: the progress bar gives no warning without ipywidgets."""
    command = [sys.executable, "-W", "always", "-c", NOTEBOOK]  # tqdm catches errors
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "training: 100%" in done.stderr
    assert "3/3" in done.stderr
    assert "Warning" not in done.stderr
