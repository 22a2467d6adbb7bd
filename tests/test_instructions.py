"""The kernel takes no more instructions than it did: counted, not timed, so noise cannot matter.

To renew a figure after a change that is meant: run this test and copy the count it reports.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from factorate import _cpu

VALGRIND = shutil.which("valgrind")
N_RATINGS, K = 100_000, 32
# Instructions of one epoch of the baseline kernel, float32 with biases, by compiler.
COUNTS = {"gcc 12.2.0": 26_411_500}

EPOCH = f"""
import numpy as np
from factorate import _sgd
generator = np.random.PCG64(0)
def rows(dtype):
    return (generator.random_raw({N_RATINGS} + _sgd.LOOKAHEAD) % 1000).astype(dtype)
columns = rows(np.int32), rows(np.int32), rows(np.float32) / 1000
state = [np.full((1000, {K}), 0.1, np.float32) for _ in range(2)]
biases = [np.zeros(1000, np.float32) for _ in range(2)]
steps = np.tile(np.array([0.01, 0.05, 0], np.float32), (4, 1))
_sgd.train(*columns, 0, {N_RATINGS}, *state, *biases, steps, True)
"""


@pytest.mark.skipif(VALGRIND is None, reason="valgrind is not installed")
@pytest.mark.skipif(
    _cpu.compiler() not in COUNTS or not _cpu.is_x86_64(),
    reason=f"there is no figure for {_cpu.compiler()} on this architecture",
)
def test_an_epoch_takes_the_instructions_it_took() -> None:
    done = subprocess.run(
        [
            str(VALGRIND), "--tool=callgrind", "--collect-atstart=no",
            "--toggle-collect=*fuse_0*_sgd_*train", f"--callgrind-out-file={os.devnull}",
            sys.executable, "-c", EPOCH,
        ],
        env=os.environ | {"FACTORATE_ISA": "baseline"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    assert int(found[1]) == pytest.approx(COUNTS[_cpu.compiler()], rel=0.02)
