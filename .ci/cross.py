"""Compile the C code of every kernel for other systems with clang; any warning is an error.

Nothing is linked or run, and MSVC is not covered. Run in the folder of the clone, with setuptools,
Cython and ziglang (clang on PyPI) installed: python .ci/cross.py
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension

sys.path.insert(0, str(Path.cwd()))
import setup

TARGETS = {
    "x86_64-windows-gnu": (8, 4),
    "aarch64-windows-gnu": (8, 4),
    "x86_64-macos": (8, 8),
    "aarch64-macos": (8, 8),
    "x86_64-linux-musl": (8, 8),
    "aarch64-linux-gnu": (8, 8),
    "x86-linux-gnu": (4, 4),
    "s390x-linux-gnu": (8, 8),
    "riscv64-linux-gnu": (8, 8),
}
WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-Wno-unused-function",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
)
# The definitions that Python.h needs, instead of the pyconfig.h of this machine.
PYCONFIG = """
#define SIZEOF_VOID_P {pointer}
#define SIZEOF_SIZE_T {pointer}
#define SIZEOF_LONG {long}
#define SIZEOF_INT 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_WCHAR_T {wchar}
#define SIZEOF_TIME_T 8
#define ALIGNOF_MAX_ALIGN_T 16
#define HAVE_STDINT_H 1
#define HAVE_UINTPTR_T 1
#define HAVE_SSIZE_T 1
#define WITH_THREAD 1
"""
WINDOWS = """
#define MS_WIN32
#define MS_WINDOWS
#define HAVE_DECLSPEC_DLL 1
#include <basetsd.h>
typedef SSIZE_T ssize_t;
"""
POSIX = """
#define HAVE_UNISTD_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_PTHREAD_H 1
"""


def headers(folder: Path, target: str) -> Path:
    """Write pyconfig.h for one target into a new folder, to be searched before Python's own."""
    pointer, long = TARGETS[target]
    windows = "windows" in target
    text = PYCONFIG.format(pointer=pointer, long=long, wchar=2 if windows else 4)
    folder.mkdir()
    (folder / "pyconfig.h").write_text(text + (WINDOWS if windows else POSIX))
    return folder


def compile_one(
    module: Extension,
    target: str,
    *,
    include: list[Path],
    out: Path,
    options: tuple[str, ...] = ("-c", "-O0"),
) -> bool:
    """Compile one module into the folder `out`; return False if it is not for this target."""
    name = module.name.rpartition(".")[2]
    # The loops for one instruction set are the same on all systems, so one system is enough.
    if name.endswith(tuple(setup.INSTRUCTION_SETS)) and target != "x86_64-windows-gnu":
        return False
    output = out / f"{module.name.replace('.', '/')}.abi3.so"
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ziglang", "cc", module.sources[0], "-target", target]
    command += ["-o", str(output), *WARNINGS, *setup.compile_flags(name, "gcc"), *options]
    command += [f"-D{macro}={value}" for macro, value in module.define_macros]
    command += [f"-isystem{folder}" for folder in include]
    command += [f"-I{folder}" for folder in module.include_dirs]
    subprocess.run(command, check=True)
    return True


def write_metadata(site: Path) -> None:
    """Write the metadata of factorate, whose version `show_config` reads."""
    text = Path("src/factorate/__init__.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"', text, re.MULTILINE)
    folder = site / f"factorate-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: factorate\nVersion: {version}\n")


def prepare(folder: Path) -> tuple[list[Extension], Path]:
    """Return every module as C, and a folder with Python's headers except pyconfig.h."""
    setup.X86_64 = True
    modules: list[Extension] = cythonize(
        setup.extensions(),
        build_dir=str(folder / "c"),
        compiler_directives=setup.DIRECTIVES,
        include_path=["src", str(setup.KERNELS)],
        shared_utility_qualified_name=setup.SHARED,
        quiet=True,
    )
    python = folder / "python"
    python.mkdir()
    for header in Path(sysconfig.get_paths()["include"]).iterdir():
        if header.name != "pyconfig.h":
            (python / header.name).symlink_to(header)
    return modules, python


def main() -> None:
    """Compile every module for every target; stop at the first target that fails."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor() as pool:
        folder = Path(name)
        modules, python = prepare(folder)
        for target in TARGETS:
            config = headers(folder / target, target)
            one = partial(compile_one, target=target, include=[config, python], out=config)
            print(f"{target:<20} {sum(pool.map(one, modules))} modules, no warnings", flush=True)


if __name__ == "__main__":
    main()
