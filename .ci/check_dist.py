"""Check what is to be published: what the sdist and the wheels hold, their size and their names.

Run: python .ci/check_dist.py FILES [--complete]; --complete asks for a wheel of every platform.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

LARGEST = 3_000_000
ABIS = ("cp311-abi3", "cp314-cp314t", "cp315-cp315t")
PLATFORMS = (
    "manylinux.*_x86_64", "manylinux.*_aarch64", "musllinux.*_x86_64", "musllinux.*_aarch64",
    "macosx_.*_x86_64", "macosx_.*_arm64", "win_amd64", "win_arm64",
)  # fmt: skip
KERNEL = re.compile(r"factorate/_\w+\.(\S+\.)?(so|pyd)$")
NOT_IN_A_WHEEL = re.compile(r"\.(c|h|pyx|px[di]|html|py[co])$|(^|/)(tests|benchmarks|build)/")
NOT_IN_AN_SDIST = re.compile(r"\.(c|so|pyd|html|py[co])$|/(build|shared)/")
ONLY_IN_A_CLONE = re.compile(r"\.(git|pre-commit)|\.ci/\w+$")


def faults_of_sdist(path: Path) -> list[str]:
    """Return what an sdist lacks and what it should not hold."""
    with tarfile.open(path) as archive:
        names = archive.getnames()
    faults = [f"holds {name}" for name in names if NOT_IN_AN_SDIST.search(name)]
    inside = {name.partition("/")[2] for name in names}
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    expected = {name for name in tracked.stdout.split() if not ONLY_IN_A_CLONE.match(name)}
    return faults + [f"lacks {name}" for name in sorted(expected - inside)]


def faults_of_wheel(path: Path) -> list[str]:
    """Return what a wheel lacks and what it should not hold."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    faults = [f"holds {name}" for name in names if NOT_IN_A_WHEEL.search(name)]
    if path.stat().st_size >= LARGEST:
        faults.append(f"has {path.stat().st_size:,} bytes; expected less than {LARGEST:,}")
    kernels = [name for name in names if KERNEL.search(name)]
    expected = set(Path("src/factorate").glob("*.pyx"))
    if not path.name.endswith(("x86_64.whl", "amd64.whl")):
        expected = {path for path in expected if "_avx" not in path.stem}
    if len(kernels) != len(expected):
        faults.append(f"has {len(kernels)} compiled modules; expected {len(expected)}: {kernels}")
    return faults + [f"lacks {name}" for name in ("factorate/py.typed",) if name not in names]


def faults_of_set(wheels: list[str]) -> list[str]:
    """Return the platforms that have not exactly one wheel."""
    return [
        f"{abi}-{platform} has {found} wheels; expected one"
        for abi in ABIS
        for platform in PLATFORMS
        if (found := sum(bool(re.search(f"-{abi}-{platform}.whl$", name)) for name in wheels)) != 1
    ]


def main() -> None:
    """Print every file and its faults; exit with 1 if there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--complete", action="store_true")
    arguments = parser.parse_args()
    everything: list[str] = []
    for path in arguments.files:
        faults = faults_of_wheel(path) if path.suffix == ".whl" else faults_of_sdist(path)
        print(f"{path.name}: {path.stat().st_size:,} bytes, {len(faults)} faults")
        everything += [f"{path.name} {fault}" for fault in faults]
    if arguments.complete:
        everything += faults_of_set([path.name for path in arguments.files])
    if everything:
        sys.exit("\n".join(everything))


if __name__ == "__main__":
    main()
