"""With little memory left, every call succeeds or raises MemoryError."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit address space")
def test_calls_succeed_or_raise_memory_error() -> None:
    """Regression: calls crashed, waited for threads forever or raised "can't start new thread"."""
    command = [sys.executable, str(Path(__file__).with_name("memory_limits.py")), "--runs", "36"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "MemoryError" in done.stdout
    assert "success" in done.stdout
