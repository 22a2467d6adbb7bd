"""Check the contents, sizes and names of the files to publish.

Run in the folder of the clone, with setuptools and Cython installed:

    python .ci/check_dist.py FILES [--complete]

--complete also requires a wheel for every platform.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))
import setup

MAX_WHEEL_BYTES = 3_000_000
ABIS = ("cp311-abi3", "cp314-cp314t", "cp315-cp315t")
PLATFORMS = (
    "manylinux.*_x86_64",
    "manylinux.*_aarch64",
    "musllinux.*_x86_64",
    "musllinux.*_aarch64",
    "macosx_.*_x86_64",
    "macosx_.*_arm64",
    "win_amd64",
    "win_arm64",
)
MODULE = re.compile(r"(factorate/.*?)\.(\S+\.)?(so|pyd)$")
NOT_IN_A_WHEEL = re.compile(r"\.(c|h|pyx|pxd|html|py[co])$|(^|/)(tests|benchmarks|build)/")
NOT_IN_AN_SDIST = re.compile(r"\.(c|so|pyd|html|py[co])$|/(build|shared)/")
ONLY_IN_A_CLONE = re.compile(r"\.(git|pre-commit)|\.ci/\w+$|benchmarks/\w+\.c$")


def faults_of_sdist(path: Path) -> list[str]:
    """Compare an sdist with the files under version control."""
    with tarfile.open(path) as archive:
        names = archive.getnames()
    faults = [f"holds {name}" for name in names if NOT_IN_AN_SDIST.search(name)]
    inside = {name.partition("/")[2] for name in names}
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    expected = {name for name in tracked.stdout.split() if not ONLY_IN_A_CLONE.match(name)}
    return faults + [f"lacks {name}" for name in sorted(expected - inside)]


def faults_of_wheel(path: Path) -> list[str]:
    """Compare a wheel with the extension modules and the Python files that belong in it."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    faults = [f"holds {name}" for name in names if NOT_IN_A_WHEEL.search(name)]
    if path.stat().st_size >= MAX_WHEEL_BYTES:
        faults.append(f"has {path.stat().st_size:,} bytes; expected less than {MAX_WHEEL_BYTES:,}")
    setup.X86_64 = path.name.endswith(("x86_64.whl", "amd64.whl"))
    expected = {extension.name.replace(".", "/") for extension in setup.extensions()}
    found = {match[1] for name in names if (match := MODULE.match(name))}
    faults += [f"lacks the module {name}" for name in sorted(expected - found)]
    faults += [f"holds the unexpected module {name}" for name in sorted(found - expected)]
    sources = Path("src")
    files = {
        file.relative_to(sources).as_posix()
        for pattern in ("*.py", "*.pyi", "py.typed")
        for file in (sources / "factorate").rglob(pattern)
    }
    return faults + [f"lacks {name}" for name in sorted(files - set(names))]


def faults_of_set(wheels: list[str]) -> list[str]:
    """Return the platforms that do not have exactly one wheel."""
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
    all_faults: list[str] = []
    for path in arguments.files:
        faults = faults_of_wheel(path) if path.suffix == ".whl" else faults_of_sdist(path)
        print(f"{path.name}: {path.stat().st_size:,} bytes, {len(faults)} faults")
        all_faults += [f"{path.name} {fault}" for fault in faults]
    if arguments.complete:
        all_faults += faults_of_set([path.name for path in arguments.files])
    if all_faults:
        sys.exit("\n".join(all_faults))


if __name__ == "__main__":
    main()
