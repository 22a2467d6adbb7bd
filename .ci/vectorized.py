"""Check that the kernels in wheels are vectorized, by disassembling them.

Prints, for each wheel and kernel, the number of fused multiply-adds on full vectors; exits with 1
if there are none. Needs an objdump for the processor and the format of the wheels, such as that of
LLVM: OBJDUMP=llvm-objdump python .ci/vectorized.py WHEELS
"""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))
import setup

# Both spellings of 64-bit ARM: `fmla v0.4s, v1.4s, v2.4s`, and Apple's `fmla.4s v0, v1, v2`.
MULTIPLY_ADD = {
    "avx2": re.compile(r"\tvfn?m(?:add|sub)\S+\s.*ymm"),
    "avx512": re.compile(r"\tvfn?m(?:add|sub)\S+\s.*zmm"),
    "arm64": re.compile(r"\tfml[as](?:\.[24][sd]|\s+v\d+\.[24][sd])"),
}


def counts(wheel: Path) -> dict[str, int]:
    """Return the number of multiply-adds in each kernel of a wheel that should have them."""
    arm64 = wheel.stem.endswith(("aarch64", "arm64"))
    found = {}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            module = Path(name).name.partition(".")[0]
            kernel, _, isa = module.partition("_avx")
            isa = "arm64" if arm64 else f"avx{isa}"
            if kernel in setup.LOOPS and isa in MULTIPLY_ADD and name.endswith((".so", ".pyd")):
                found[module] = count(Path(archive.extract(name, folder)), MULTIPLY_ADD[isa])
    return found


def count(module: Path, instruction: re.Pattern[str]) -> int:
    """Return how often an instruction occurs in an extension module."""
    command = [os.environ.get("OBJDUMP", "objdump"), "-d", "--no-show-raw-insn", str(module)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101
        found = sum(bool(instruction.search(line)) for line in process.stdout)
    if process.returncode:
        sys.exit(f"{command[0]} cannot disassemble {module.name}")
    return found


def main() -> None:
    """Print the numbers of all wheels; exit with 1 if a kernel has none, or a wheel no kernel."""
    scalar = []
    for wheel in map(Path, sys.argv[1:]):
        found = counts(wheel)
        print(wheel.name, *(f"{module} {n}" for module, n in sorted(found.items())), sep="\n  ")
        scalar += [f"{wheel.name}: {module}" for module, n in found.items() if n == 0]
        scalar += [] if found else [f"{wheel.name}: all kernels"]
    if scalar:
        sys.exit("without fused multiply-adds on full vectors:\n" + "\n".join(scalar))


if __name__ == "__main__":
    main()
