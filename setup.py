"""The extension modules; everything else about the package is in pyproject.toml.

Environment switches, all off by default:

FACTORATE_DEBUG=1            bounds checks in the kernels, no optimisation
FACTORATE_SANITIZE=address   AddressSanitizer and UBSan (preload libasan to run), or
FACTORATE_SANITIZE=thread    ThreadSanitizer (preload libtsan)
FACTORATE_COVERAGE=1         line tracing of the .pyx files, for coverage.py
FACTORATE_ABI3=0             build for this version of Python alone
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


def switch(name: str, default: str = "") -> str:
    """Return the setting of one switch, empty where it is off."""
    setting = os.environ.get(f"FACTORATE_{name}", default)
    return "" if setting == "0" else setting


DEBUG, SANITIZE, COVERAGE = switch("DEBUG"), switch("SANITIZE"), switch("COVERAGE")
# The stable ABI has neither a free-threaded Python nor frames to trace lines with.
ABI3 = switch("ABI3", "1") and not (COVERAGE or sysconfig.get_config_var("Py_GIL_DISABLED"))

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": bool(DEBUG),
    "wraparound": False,
    "initializedcheck": bool(DEBUG),
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": True,
    "linetrace": bool(COVERAGE),
}
MACROS = [("Py_LIMITED_API", "0x030B0000")] if ABI3 else []  # 3.11: memoryviews need its buffers
if COVERAGE:
    MACROS += [("CYTHON_TRACE_NOGIL", "1")]

SANITIZERS = {"address": ["-fsanitize=address,undefined"], "thread": ["-fsanitize=thread"]}
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
LOOPING = ("_sgd", "_topk")  # what LOOPS is for, on every instruction set

target = (os.environ.get("ARCHFLAGS") or sysconfig.get_platform()).lower()
X86_64 = target.endswith(("x86_64", "amd64")) and "arm64" not in target

# What another kind of build left behind looks up to date, and is not.
mode = f"debug={DEBUG} sanitize={SANITIZE} coverage={COVERAGE} abi3={ABI3}\n"
stamp = Path("build/mode.txt")
CHANGED = not stamp.is_file() or stamp.read_text() != mode
stamp.parent.mkdir(exist_ok=True)
stamp.write_text(mode)
for stale in stamp.parent.glob("lib*/factorate/_*.*") if CHANGED else ():
    stale.unlink()


def compile_flags(module: str, family: str) -> list[str]:
    """Return the optimisation one module wants from "gcc" (and clang) or "msvc"."""
    base, isa = module, ""
    for name in INSTRUCTION_SETS:
        if module.endswith(f"_{name}"):
            base, isa = module.removesuffix(f"_{name}"), name
    flags = list(LOOPS[family]) if base in LOOPING else []
    return flags + (INSTRUCTION_SETS[isa][family] if isa else [])


class build_extensions(build_ext):  # noqa: N801
    """Choose the flags when the compiler is known, and ship sources, not generated C."""

    def get_source_files(self) -> list[str]:
        """Return what the sdist holds beside the Python modules."""
        kinds = (
            "src/**/*.pyx",
            "src/**/*.pxd",
            "src/**/*.pxi",
            "src/**/*.pyi",
            "src/**/*.h",
            "tests/**/*.py",
            "tests/models/*.npz",
            "tests/models/*.json",
            "benchmarks/*.py",
            "*.md",
        )
        return [str(path) for kind in kinds for path in Path().glob(kind)]

    def build_extension(self, extension: Extension) -> None:
        """Build one extension with the flags of its compiler and its instruction set."""
        family = "msvc" if self.compiler.compiler_type == "msvc" else "gcc"
        module = extension.name.rpartition(".")[2]
        extension.extra_compile_args += compile_flags(module, family)
        if DEBUG:
            extension.extra_compile_args += ["/Od" if family == "msvc" else "-O0"]
        if SANITIZE:
            sanitizers = [*SANITIZERS[SANITIZE], "-fno-omit-frame-pointer", "-g"]
            extension.extra_compile_args += sanitizers
            extension.extra_link_args += sanitizers
        super().build_extension(extension)

    def copy_extensions_to_source(self) -> None:
        """Leave nothing in place that Python would import before what is built now."""
        for extension in self.extensions if ABI3 else ():
            path = Path(*extension.name.split("."))
            stale = Path("src", path.parent, path.name + sysconfig.get_config_var("EXT_SUFFIX"))
            stale.unlink(missing_ok=True)
        super().copy_extensions_to_source()


HEADERS = {".h", ".pxd", ".pxi"}
sources = sorted(Path("src/factorate").glob("*.pyx"))
variants = [
    path for path in sources if path.stem.endswith(tuple(f"_{s}" for s in INSTRUCTION_SETS))
]
headers = [
    str(path) for kind in ("*.h", "*.pxd", "*.pxi") for path in Path("src/factorate").glob(kind)
]

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"factorate.{path.stem}",
                [str(path)],
                depends=[str(path) for path in sources if path not in variants] + headers,
                define_macros=MACROS,
                py_limited_api=bool(ABI3),
            )
            for path in sources
            if X86_64 or path not in variants
        ],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        include_path=["src/factorate"],
        force=CHANGED,
        quiet="-v" not in sys.argv,
    ),
    cmdclass={"build_ext": build_extensions},
    options={
        "build_ext": {"force": CHANGED},
        "bdist_wheel": {"py_limited_api": "cp311"} if ABI3 else {},
    },
)
