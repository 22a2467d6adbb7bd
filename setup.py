"""The extension modules; everything else about the package is in pyproject.toml.

Environment variables, all optional:

FACTORATE_DEBUG=1            bounds checks in the kernels, no optimization
FACTORATE_SANITIZE=address   AddressSanitizer and UBSan (preload libasan to run), or
FACTORATE_SANITIZE=thread    ThreadSanitizer (preload libtsan)
FACTORATE_COVERAGE=1         line counts of .pyx files for gcov
FACTORATE_ABI3=0             build only for this version of Python, without the stable ABI
"""

import itertools
import os
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


def switch(name: str, default: str = "") -> str:
    """Return the value of ``FACTORATE_{name}``, or an empty string if it is off."""
    setting = os.environ.get(f"FACTORATE_{name}", default)
    return "" if setting == "0" else setting


DEBUG, SANITIZE, COVERAGE = switch("DEBUG"), switch("SANITIZE"), switch("COVERAGE")
# The stable ABI of free-threaded Pythons, abi3t, begins with 3.15 and is not used yet.
ABI3 = switch("ABI3", "1") and not sysconfig.get_config_var("Py_GIL_DISABLED")

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": bool(DEBUG),
    "wraparound": False,
    "initializedcheck": bool(DEBUG),
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": True,
}
MACROS = [("Py_LIMITED_API", "0x030B0000")] if ABI3 else []  # 3.11: memoryviews need its buffers

SANITIZERS = {"address": ["-fsanitize=address,undefined"], "thread": ["-fsanitize=thread"]}
OPTIMIZED = {"gcc": ["-O3"], "msvc": ["/O2", "/std:c11"]}
# Never on a link line, where such flags would change the arithmetic of the whole process.
FUSED = ["-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]
# What the vectorizer needs for a dot product, but not -ffast-math: NaN must stay NaN.
REASSOCIATED = [*FUSED, "-fassociative-math", "-fno-signed-zeros"]
LOOPS = {  # the kernels that are compiled for each instruction set
    "plain": {"gcc": FUSED, "msvc": ["/fp:contract"]},
    "general": {"gcc": FUSED, "msvc": ["/fp:contract"]},
    "svdpp": {"gcc": FUSED, "msvc": ["/fp:contract"]},
    "predict": {"gcc": FUSED, "msvc": ["/fp:contract"]},
    "textbook": {"gcc": REASSOCIATED, "msvc": ["/fp:fast"]},
    "top_n": {"gcc": FUSED, "msvc": ["/fp:contract"]},
    "als": {"gcc": FUSED, "msvc": ["/fp:contract"]},
    "eigenvectors": {"gcc": FUSED, "msvc": ["/fp:contract"]},
}
INSTRUCTION_SETS = {
    "avx2": {"gcc": ["-mavx2", "-mfma"], "msvc": ["/arch:AVX2"]},
    # Exactly the features that dispatch.py checks; -march=x86-64-v4 has more, and needs gcc 11.
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

KERNELS = Path("src/factorate/_kernels")
SHARED = "factorate._kernels.memoryviews"  # code that Cython would repeat in every module
VARIANTS = Path("build/variants")  # a file per kernel and instruction set that includes the kernel
TRANSLATED = Path("build/cython")  # the C code of all modules


def compile_flags(module: str, family: str) -> list[str]:
    """Return the optimization flags of a module for "gcc" (and clang) or "msvc"."""
    base, isa = module, ""
    for name in INSTRUCTION_SETS:
        if module.endswith(f"_{name}"):
            base, isa = module.removesuffix(f"_{name}"), name
    flags = OPTIMIZED[family] + (LOOPS[base][family] if base in LOOPS else [])
    return flags + (INSTRUCTION_SETS[isa][family] if isa else [])


class build_extensions(build_ext):  # noqa: N801
    """Choose the flags of each module by the compiler."""

    def build_extension(self, extension: Extension) -> None:
        """Build one extension with the flags of its compiler and its instruction set."""
        family = "msvc" if self.compiler.compiler_type == "msvc" else "gcc"
        module = extension.name.rpartition(".")[2]
        extension.extra_compile_args += compile_flags(module, family)
        if family == "gcc" and not (DEBUG or SANITIZE or COVERAGE):
            extension.extra_compile_args += ["-g0"]  # Python's own flags may contain -g
        if DEBUG:
            extension.extra_compile_args += ["/Od" if family == "msvc" else "-O0"]
        if COVERAGE:
            extension.extra_compile_args += ["--coverage", "-fprofile-update=atomic", "-O0"]
            extension.extra_link_args += ["--coverage"]
        if SANITIZE:
            sanitizers = [*SANITIZERS[SANITIZE], "-fno-omit-frame-pointer", "-g"]
            extension.extra_compile_args += sanitizers
            extension.extra_link_args += sanitizers
        super().build_extension(extension)

    def copy_extensions_to_source(self) -> None:
        """Delete older modules that Python would import instead of the ones built now."""
        for extension in self.extensions if ABI3 else ():
            path = Path(*extension.name.split("."))
            stale = Path("src", path.parent, path.name + sysconfig.get_config_var("EXT_SUFFIX"))
            stale.unlink(missing_ok=True)
        super().copy_extensions_to_source()


def discard_other_builds() -> bool:
    """Delete modules built with other settings; return whether the settings changed."""
    compiler = {name: os.environ.get(name) for name in ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS")}
    switches = f"debug={DEBUG} sanitize={SANITIZE} coverage={COVERAGE} abi3={ABI3} target={target}"
    settings = f"{switches}\n{compiler}\nCython {version('Cython')}\n"
    settings += Path(__file__).read_text(encoding="utf-8")
    stamp = Path("build/settings.txt")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == settings:
        return False
    for stale in stamp.parent.glob("lib*/factorate/_kernels/*.*"):
        stale.unlink()
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(settings, encoding="utf-8")
    return True


def sources() -> list[Path]:
    """Return the kernels, and their variants for the instruction sets of the target."""
    paths = sorted(KERNELS.glob("*.pyx"))
    VARIANTS.mkdir(parents=True, exist_ok=True)
    for isa, name in itertools.product(INSTRUCTION_SETS if X86_64 else (), LOOPS):
        path = VARIANTS / f"{name}_{isa}.pyx"
        if not path.is_file():
            path.write_text(f'include "{name}.pyx"\n')
        paths.append(path)
    return paths


def own_files() -> list[Path]:
    """Return the files that the code of every module may depend on."""
    return [path for path in KERNELS.iterdir() if path.suffix in {".h", ".pxd", ".pyx"}]


def extensions() -> list[Extension]:
    """Return the extension modules of all sources, and that of their common code."""
    included = [str(path) for path in own_files()]
    return [
        Extension(
            f"factorate._kernels.{path.stem}",
            [str(path)],
            depends=included,
            include_dirs=[str(KERNELS)],
            define_macros=MACROS,
            py_limited_api=bool(ABI3),
        )
        for path in sources()
    ] + [
        Extension(
            SHARED,
            [str(TRANSLATED / f"{SHARED.rpartition('.')[2]}.c")],
            define_macros=MACROS,
            py_limited_api=bool(ABI3),
        )
    ]


def translate(modules: list[Extension], *, force: bool) -> list[Extension]:
    """Translate the modules to C if a source is newer than the C code.

    `cythonize` alone would also do so if a file of Cython is newer, as in a new environment.
    """
    outputs = [TRANSLATED / Path(module.sources[0]).with_suffix(".c") for module in modules]
    newest = max(path.stat().st_mtime for path in own_files())
    if not force and all(path.is_file() and path.stat().st_mtime > newest for path in outputs):
        for module, path in zip(modules, outputs, strict=True):
            module.sources = [str(path)]
        return modules
    translated: list[Extension] = cythonize(
        modules,
        build_dir=str(TRANSLATED),
        emit_linenums=bool(COVERAGE),
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        include_path=["src", str(KERNELS)],
        force=force,
        quiet="-v" not in sys.argv,
    )
    return translated


if __name__ == "__main__":
    changed = discard_other_builds()
    setup(
        ext_modules=translate(extensions(), force=changed),
        cmdclass={"build_ext": build_extensions},
        options={
            "build_ext": {"force": changed},
            "bdist_wheel": {"py_limited_api": "cp311"} if ABI3 else {},
        },
    )
