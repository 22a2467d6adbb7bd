"""The extension modules; everything else about the package is in pyproject.toml.

Environment switches, all off by default:

FACTORATE_DEBUG=1      bounds checks in the kernels, no optimisation
FACTORATE_SANITIZE=1   AddressSanitizer and UBSan (preload libasan to run)
FACTORATE_COVERAGE=1   line tracing of the .pyx files, for coverage.py
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG, SANITIZE, COVERAGE = (
    os.environ.get(f"FACTORATE_{name}", "0") not in {"", "0"}
    for name in ("DEBUG", "SANITIZE", "COVERAGE")
)

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": True,
    "linetrace": COVERAGE,
}

# Only what a vectorised dot product needs, never -ffast-math: NaN must stay NaN. For the
# compiler alone: on a link line such flags would change floating point for the whole process.
LOOPS = {
    "gcc": ["-O3", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math",
            "-fno-math-errno", "-ffp-contract=fast"],
    "msvc": ["/O2", "/fp:fast"],
}  # fmt: skip
INSTRUCTION_SETS = {
    "avx2": {"gcc": ["-mavx2", "-mfma"], "msvc": ["/arch:AVX2"]},
    # Exactly what kernels.py asks CPUID for; -march=x86-64-v4 has more, and needs gcc 11.
    "avx512": {
        "gcc": [
            "-mavx2",
            "-mfma",
            "-mbmi",
            "-mbmi2",
            "-mavx512f",
            "-mavx512dq",
            "-mavx512cd",
            "-mavx512bw",
            "-mavx512vl",
            "-mprefer-vector-width=512",
        ],
        "msvc": ["/arch:AVX512"],
    },
}

target = (os.environ.get("ARCHFLAGS") or sysconfig.get_platform()).lower()
X86_64 = target.endswith(("x86_64", "amd64")) and "arm64" not in target

# What another kind of build left behind looks up to date, and is not.
mode = f"debug={DEBUG} sanitize={SANITIZE} coverage={COVERAGE}\n"
stamp = Path("build/mode.txt")
CHANGED = not stamp.is_file() or stamp.read_text() != mode
stamp.parent.mkdir(exist_ok=True)
stamp.write_text(mode)


class build_extensions(build_ext):  # noqa: N801
    """Choose the flags when the compiler is known, and ship sources, not generated C."""

    def get_source_files(self) -> list[str]:
        """Return what the sdist holds beside the Python modules."""
        kinds = (
            "src/**/*.pyx",
            "src/**/*.pyi",
            "src/**/*.h",
            "tests/*.py",
            "benchmarks/*.py",
            "*.md",
        )
        return [str(path) for kind in kinds for path in Path().glob(kind)]

    def build_extension(self, extension: Extension) -> None:
        """Build one extension with the flags of its compiler and its instruction set."""
        family = "msvc" if self.compiler.compiler_type == "msvc" else "gcc"
        _, _, isa = extension.name.partition("_sgd_")
        if extension.name.startswith("factorate._sgd"):
            extension.extra_compile_args += LOOPS[family]
        if isa:
            extension.extra_compile_args += INSTRUCTION_SETS[isa][family]
        if DEBUG:
            extension.extra_compile_args += ["/Od" if family == "msvc" else "-O0"]
        if SANITIZE:
            sanitizers = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"]
            extension.extra_compile_args += sanitizers
            extension.extra_link_args += sanitizers
        super().build_extension(extension)


modules = ["_cpu", "_scatter", "_sgd"]
if X86_64:
    modules += [f"_sgd_{isa}" for isa in INSTRUCTION_SETS]

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"factorate.{module}",
                [f"src/factorate/{module}.pyx"],
                depends=["src/factorate/_sgd.pyx", "src/factorate/_portable.h"],
                define_macros=[("CYTHON_TRACE_NOGIL", "1")] if COVERAGE else [],
            )
            for module in modules
        ],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        include_path=["src/factorate"],
        force=CHANGED,
        quiet="-v" not in sys.argv,
    ),
    cmdclass={"build_ext": build_extensions},
    options={"build_ext": {"force": CHANGED}},
)
