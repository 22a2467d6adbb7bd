"""By hand, many minutes: run the tests on a big-endian machine, s390x, emulated by qemu.

Python and NumPy are those of Debian, unpacked and not installed; the kernels are compiled by clang
(ziglang). A test that starts another process is left out: the emulator runs one. Needs Debian's
apt-get and dpkg-deb for qemu, and setuptools, Cython and ziglang:

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
OTHER_PROCESSES = (
    *(f"--ignore=tests/test_{room}.py" for room in ("cli", "import", "kernels", "docs")),
    "-knot (processes or demo or stopped or fork)",
)


def packages() -> list[str]:
    """Return the files of the packages that are wanted, and of all they depend on."""
    url = f"{MIRROR}/dists/{SUITE}/main/binary-{ARCHITECTURE}/Packages.xz"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        text = lzma.decompress(answer.read()).decode()
    known: dict[str, dict[str, str]] = {}
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if re.match(r"\S+: ", line)
        )
        for name in [fields.get("Package", ""), *fields.get("Provides", "").split(", ")]:
            known.setdefault(name.split(" ")[0], fields)
    files: list[str] = []
    rest = list(WANTED)
    while rest:
        fields = known.get(rest.pop(), {})
        if fields.get("Filename") not in {None, *files}:
            files.append(fields["Filename"])
            needed = f"{fields.get('Depends', '')}, {fields.get('Pre-Depends', '')}"
            rest += [re.split(r"[ (:|]", name)[0] for name in needed.split(", ")]
    return files


def unpack(archive: Path, folder: Path) -> None:
    """Unpack one package of Debian."""
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)


def main() -> None:
    """Make the machine in a temporary folder and run the suite on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, site = folder / "root", folder / "site"
        for file in packages():
            local = folder / Path(file).name
            urllib.request.urlretrieve(f"{MIRROR}/{file}", local)  # noqa: S310
            unpack(local, root)
        if not (root / "lib").exists():
            (root / "lib").symlink_to("usr/lib")
        subprocess.run(["apt-get", "download", "-qq", "qemu-user-static"], cwd=folder, check=True)
        unpack(next(folder.glob("qemu-user-static*.deb")), folder / "qemu")

        pip: list[str | Path] = [sys.executable, "-m", "pip", "install", "-q", "--target", site]
        pip += ["--only-binary=:all:", "--python-version", PYTHON, "--platform", "any"]
        subprocess.run([*pip, *PURE], check=True)
        shutil.copytree(
            "src/factorate",
            site / "factorate",
            ignore=shutil.ignore_patterns("*.so", "__pycache__"),
        )
        modules, python = cross.prepare(folder)
        include = [cross.headers(folder / TARGET, TARGET), python]
        for module in modules:
            cross.compile_one(
                module, TARGET, include, site / "factorate", ("-shared", "-fPIC", "-O2")
            )

        shutil.copytree("tests", folder / "suite" / "tests")
        shutil.copy("pyproject.toml", folder / "suite")
        libraries = root / "usr/lib" / MACHINE
        done = subprocess.run(
            [folder / "qemu/usr/bin/qemu-s390x-static",
             "-E", f"LD_LIBRARY_PATH={libraries}/blas:{libraries}/lapack",
             root / f"usr/bin/python{PYTHON}", "-m", "pytest", "-q", "-p", "no:cacheprovider",
             *OTHER_PROCESSES, *sys.argv[1:]],
            env=os.environ
            | {"QEMU_LD_PREFIX": str(root), "PYTHONPATH": str(site), "HYPOTHESIS_PROFILE": "brief"},
            cwd=folder / "suite", check=False,
        )  # fmt: skip
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
