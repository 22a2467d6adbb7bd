"""The bits of a fit depend neither on the order of the rows nor on the BLAS of the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate._training.losses import TWO_VALUED
from factorate._training.update_rule import LOSSES

FITS = """
import hashlib
import numpy as np
import factorate as ft

generator = np.random.default_rng(7)
pairs = generator.permutation(300 * 200)[:20_000]
users, items = np.divmod(pairs, 200)
ratings = generator.integers(1, 11, 20_000) / 2
weights = generator.uniform(0.1, 2, 20_000)
digest = hashlib.sha256()
for dtype in ("float32", "float64"):
    for changes in (
        {}, {"loss": "huber", "early_stopping": True}, {"svdpp": True},
        {"learning_rate_schedule": "adagrad"}, {"learning_rate_schedule": "cosine"},
        {"loss": "kullback_leibler", "nonnegative": True, "early_stopping": True},
    ):
        model = ft.MatrixFactorization(20, 3, random_state=3, dtype=dtype, **changes)
        for sample_weight in (None, weights):
            model.fit((users, items, ratings), sample_weight=sample_weight)
            if "svdpp" not in changes:
                model.partial_fit((users[:500] + 50, items[:500], ratings[:500]))
            for array in (model.user_factors_, model.item_factors_, model.item_bias_):
                digest.update(array.tobytes())
            digest.update(np.float64(model.global_mean_).tobytes())
            digest.update(model.history_["train_rmse"].tobytes())
            digest.update(model.history_["valid_loss"].tobytes())
print(digest.hexdigest())
"""


def _bits(model: ft.MatrixFactorization) -> str:
    digest = hashlib.sha256(np.float64(model.global_mean_).tobytes())
    for array in (model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_):
        digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_order_of_the_rows_does_not_change_the_bits(
    columns: Any, loss: str, weighted: bool, dtype: str
) -> None:
    users, items, ratings = columns
    generator = np.random.default_rng(1)
    weights = generator.uniform(0.1, 2, len(ratings)) if weighted else None
    values = ratings > 2.5 if loss in TWO_VALUED else ratings
    model = ft.MatrixFactorization(
        4, 2, loss=loss, nonnegative=loss == "kullback_leibler", dtype=dtype, random_state=0
    )
    expected = _bits(model.fit((users, items, values), sample_weight=weights))
    for _ in range(5):
        order = generator.permutation(len(ratings))
        reordered = users[order], items[order], values[order]
        model.fit(reordered, sample_weight=None if weights is None else weights[order])
        assert _bits(model) == expected


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the variables choose x86-64 kernels"
)
def test_the_processor_that_libraries_see_does_not_change_the_bits() -> None:
    """OpenBLAS and NumPy choose between kernels of their own that round differently."""
    processors = [
        {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2"},
        {"NPY_DISABLE_CPU_FEATURES": "X86_V4,AVX512_SKX,AVX512F"},
    ]
    digests = set()
    for variables in processors:
        environment = os.environ | {"FACTORATE_ISA": "baseline"} | variables
        command = [sys.executable, "-W", "ignore", "-c", FITS]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.add(run.stdout)
    assert len(digests) == 1
    assert len(digests.pop()) == 65
