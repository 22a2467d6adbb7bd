"""Run the tests on another processor, emulated by qemu. Takes many minutes.

Python, NumPy and pytest are those of Debian; the kernels are compiled by clang (ziglang). A test
that starts another program is skipped, because the emulator runs only one. Run by hand in the
folder of the clone; needs Debian's mmdebstrap and qemu-user-static, and the dependency group
`tools`:

    python .ci/emulate.py aarch64 [options of pytest]
    python .ci/emulate.py s390x [options of pytest]    # big-endian
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cross

SUITE, PYTHON = "trixie", "3.13"
ARCHITECTURES = {"aarch64": "arm64", "s390x": "s390x"}
PACKAGES = "python3-minimal,python3-numpy,python3-pytest,python3-hypothesis,python3-tqdm,tzdata"
# The emulated Python cannot start programs, and Debian's pytest may be older than the project's.
PLUGIN = """
import multiprocessing.util
import subprocess
import pytest

def skip(*_, **__):
    pytest.skip("the emulator runs one program")

subprocess.Popen.__init__ = skip
multiprocessing.util.spawnv_passfds = skip
"""


def install_system(root: Path, architecture: str) -> None:
    """Unpack Debian's Python and its libraries into a new folder; nothing in it is run."""
    command: list[str | Path] = ["mmdebstrap", "--quiet", "--variant=extract"]
    command += [f"--architectures={architecture}", f"--include={PACKAGES}", SUITE, root]
    subprocess.run(command, check=True)
    if not (root / "lib").exists():  # the path of the dynamic linker
        (root / "lib").symlink_to("usr/lib")


def install_package(folder: Path, site: Path, target: str) -> None:
    """Install factorate, compiled for the target, and the library that Debian has too old."""
    pip: list[str | Path] = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--target", site, "narwhals"], check=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree("src/factorate", site / "factorate", ignore=ignored)
    (site / "one_program.py").write_text(PLUGIN, encoding="utf-8")
    cross.write_metadata(site)
    modules, python = cross.prepare(folder)
    include = [cross.headers(folder / target, target), python]
    options = "-shared", "-fPIC", "-O2"
    for module in modules:
        cross.compile_one(module, target, include=include, out=site, options=options)


def main() -> None:
    """Set up the machine in a temporary folder and run the suite on it."""
    machine = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, site, suite = folder / "root", folder / "site", folder / "suite"
        install_system(root, ARCHITECTURES[machine])
        install_package(folder, site, f"{machine}-linux-gnu")
        shutil.copytree("tests", suite / "tests")
        shutil.copy("pyproject.toml", suite)

        libraries = root / f"usr/lib/{machine}-linux-gnu"
        command: list[str | Path] = [f"qemu-{machine}-static", "-L", root]
        command += ["-E", f"LD_LIBRARY_PATH={libraries}/blas:{libraries}/lapack"]
        command += [root / f"usr/bin/python{PYTHON}", "-m", "pytest", "-q"]
        command += ["-p", "no:cacheprovider", "-p", "one_program", "--ignore=tests/test_docs.py"]
        environment = {"PYTHONPATH": str(site), "HYPOTHESIS_PROFILE": "brief"}
        done = subprocess.run(
            [*command, *sys.argv[2:]], env=os.environ | environment, cwd=suite, check=False
        )
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
