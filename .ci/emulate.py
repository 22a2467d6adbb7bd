"""Run the tests on a big-endian machine, s390x, emulated by qemu. Takes many minutes.

Python and NumPy are unpacked from packages of Debian; the kernels are compiled by clang (ziglang).
A test that starts another program is skipped, because the emulator runs only one. Run by hand in
the folder of the clone; needs Debian's apt-get and dpkg-deb for qemu, and setuptools, Cython and
ziglang:

    python .ci/emulate.py [options of pytest]
"""

import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import cross

MIRROR, SUITE, PYTHON = "http://deb.debian.org/debian", "trixie", "3.13"
TARGET, ARCHITECTURE, MACHINE = "s390x-linux-gnu", "s390x", "s390x-linux-gnu"
WANTED = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", "python3-numpy")
PURE = ("narwhals", "tqdm", "pytest", "hypothesis==6.155.7")  # the last that is pure Python
ONE_PROCESS = """
import multiprocessing.util
import subprocess
import pytest

def skip(*_, **__):
    pytest.skip("the emulator runs one program")

subprocess.Popen.__init__ = skip
multiprocessing.util.spawnv_passfds = skip
"""


def files_of(wanted: tuple[str, ...], index: str) -> list[str]:
    """Return the files of packages and of all their dependencies.

    Parameters
    ----------
    wanted : tuple of str
        Names of packages.
    index : str
        A list of packages in the format of Debian's Packages files.
    """
    known: dict[str, dict[str, str]] = {}
    for block in index.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if re.match(r"\S+: ", line)
        )
        for name in [fields.get("Package", ""), *_names(fields.get("Provides", ""))]:
            known.setdefault(name, fields)
    files: list[str] = []
    rest = list(wanted)
    while rest:
        fields = known.get(rest.pop(), {})
        if fields.get("Filename") not in {None, *files}:
            files.append(fields["Filename"])
            rest += _names(fields.get("Depends", "")) + _names(fields.get("Pre-Depends", ""))
    return files


def _names(relations: str) -> list[str]:
    """Return the names in a list of packages; of alternatives, the first."""
    return [re.split(r"[ (:|]", part.strip())[0] for part in relations.split(",") if part.strip()]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack one package of Debian."""
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)


def download_system(folder: Path, root: Path) -> None:
    """Unpack Python and NumPy for the emulated machine into `root`."""
    url = f"{MIRROR}/dists/{SUITE}/main/binary-{ARCHITECTURE}/Packages.xz"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        index = lzma.decompress(answer.read()).decode()
    for file in files_of(WANTED, index):
        local = folder / Path(file).name
        urllib.request.urlretrieve(f"{MIRROR}/{file}", local)  # noqa: S310
        unpack(local, root)
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")


def install_package(folder: Path, site: Path) -> None:
    """Install factorate, compiled for the emulated machine, and the libraries it needs."""
    pip: list[str | Path] = [sys.executable, "-m", "pip", "install", "-q", "--target", site]
    pip += ["--only-binary=:all:", "--python-version", PYTHON, "--platform", "any"]
    subprocess.run([*pip, *PURE], check=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree("src/factorate", site / "factorate", ignore=ignored)
    (site / "one_process.py").write_text(ONE_PROCESS, encoding="utf-8")
    modules, python = cross.prepare(folder)
    include = [cross.headers(folder / TARGET, TARGET), python]
    options = "-shared", "-fPIC", "-O2"
    for module in modules:
        cross.compile_one(module, TARGET, include=include, out=site, options=options)


def main() -> None:
    """Set up the machine in a temporary folder and run the suite on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, site, suite = folder / "root", folder / "site", folder / "suite"
        download_system(folder, root)
        subprocess.run(["apt-get", "download", "-qq", "qemu-user-static"], cwd=folder, check=True)
        unpack(next(folder.glob("qemu-user-static*.deb")), folder / "qemu")
        install_package(folder, site)
        shutil.copytree("tests", suite / "tests")
        shutil.copy("pyproject.toml", suite)

        libraries = root / "usr/lib" / MACHINE
        command: list[str | Path] = [folder / "qemu/usr/bin/qemu-s390x-static"]
        command += ["-E", f"LD_LIBRARY_PATH={libraries}/blas:{libraries}/lapack"]
        command += [root / f"usr/bin/python{PYTHON}", "-m", "pytest", "-q"]
        command += ["-p", "no:cacheprovider", "-p", "one_process", "--ignore=tests/test_docs.py"]
        environment = {
            "QEMU_LD_PREFIX": str(root),
            "PYTHONPATH": str(site),
            "HYPOTHESIS_PROFILE": "brief",
        }
        done = subprocess.run(
            [*command, *sys.argv[1:]], env=os.environ | environment, cwd=suite, check=False
        )
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
