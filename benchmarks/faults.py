"""Damage model files, and kill processes that save models; count the outcomes.

Run: python -m benchmarks.faults [kills]
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import factorate as ft

SAVING = """
import sys
import factorate as ft
versions = [ft.load(path) for path in sys.argv[2:]]
print("ready", flush=True)
while True:
    for version in versions:
        version.save(sys.argv[1])
"""


def outcome(path: Path, content: bytes, expected: list[bytes]) -> str:
    """Write a file, load it, and return the outcome."""
    path.write_bytes(content)
    try:
        model = ft.load(path)
    except ft.ModelFileError:
        return "rejected"
    return "same model" if contents_of(model) == expected else "WRONG MODEL"


def contents_of(model: ft.MatrixFactorization) -> list[bytes]:
    """Return the contents of a model as bytes."""
    seen = model._fitted.seen
    assert seen is not None  # noqa: S101
    arrays = (
        model.user_factors_,
        model.item_factors_,
        model.user_bias_,
        model.item_bias_,
        model.users_,
        model.items_,
        seen.starts,
        seen.items,
        *model.history_.values(),
        np.array([model.global_mean_, model._fitted.factors.scale]),
    )
    return [
        *(array.tobytes() for array in arrays),
        repr(sorted(model.get_params().items())).encode(),
    ]


def damage(folder: Path) -> None:
    """Flip every bit of a small file, and truncate it at every byte."""
    model = ft.MatrixFactorization(3, 2, random_state=0).fit(ft.datasets.synthetic(40, 10, 9))
    path, expected = folder / "small.npz", contents_of(model)
    model.save(path)
    whole = path.read_bytes()
    cuts = Counter(outcome(path, whole[:n], expected) for n in range(len(whole)))
    flips: Counter[str] = Counter()
    for position in range(len(whole)):
        for bit in range(8):
            content = bytearray(whole)
            content[position] ^= 1 << bit
            flips[outcome(path, bytes(content), expected)] += 1
    print(f"a file of {len(whole)} bytes")
    print(f"  truncated {cuts.total()} times: {dict(cuts)}")
    print(f"  one bit flipped {flips.total()} times: {dict(flips)}")


def kill(folder: Path, kills: int) -> None:
    """Kill processes that repeatedly replace one model of 10 MB by another."""
    ratings = ft.datasets.synthetic(20_000, 10_000, 5_000)
    versions = [folder / "first.npz", folder / "second.npz"]
    for seed, version in enumerate(versions):
        ft.MatrixFactorization(160, 1, random_state=seed).fit(ratings).save(version)
    path = folder / "model.npz"
    contents = [version.read_bytes() for version in versions]
    path.write_bytes(contents[0])
    pause = random.Random(0)  # noqa: S311
    found: Counter[str] = Counter()
    for _ in range(kills):
        command = [sys.executable, "-c", SAVING, str(path), *map(str, versions)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None  # noqa: S101
            process.stdout.readline()
            time.sleep(0.1 * pause.random())
            process.kill()
        ft.load(path)
        content = path.read_bytes()
        name = dict(zip(contents, ("first", "second"), strict=True)).get(content, "NEITHER")
        found[name] += 1
    n_partial = len(list(folder.glob(".model.npz.*")))
    print(f"{kills} processes killed while saving {len(contents[0]) / 1e6:.0f} MB: {dict(found)}")
    print(f"  {n_partial} of them left a partially written temporary file")


def main() -> None:
    """Print the number of each outcome."""
    with tempfile.TemporaryDirectory() as name:
        damage(Path(name))
        kill(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 100)


if __name__ == "__main__":
    main()
