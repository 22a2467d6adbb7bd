"""Models work in a thread that outlives the main thread."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading, time
import numpy as np
import factorate as ft

def work():
    threading.main_thread().join()  # the interpreter is ending
    model = ft.MatrixFactorization(256, 1, random_state=0, n_threads=2)
    model.fit(ft.datasets.synthetic(80_000, 600, 400))
    model.recommend(n=3)
    print("done", flush=True)

threading.Thread(target=work).start()
"""


def test_fit_and_recommend_in_a_thread_that_outlives_the_main_one() -> None:
    """Regression: both start threads of their own after the main thread has ended."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
