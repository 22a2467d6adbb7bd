"""Check that cibuildwheel builds and tests the expected wheels on every system.

Run in the folder of the clone, with cibuildwheel installed: python .ci/identifiers.py
"""

import itertools
import subprocess
import sys

SYSTEMS: dict[str, dict[str, tuple[str, ...]]] = {
    "linux": {
        "x86_64": ("manylinux_x86_64", "musllinux_x86_64"),
        "aarch64": ("manylinux_aarch64", "musllinux_aarch64"),
    },
    "macos": {"x86_64": ("macosx_x86_64",), "arm64": ("macosx_arm64",)},
    "windows": {"AMD64": ("win_amd64",), "ARM64": ("win_arm64",)},
}
PYTHONS = {"cp311", "cp315", "cp314t", "cp315t"}  # the first builds what the second tests


def main() -> None:
    """Print the Pythons of each platform; exit with 1 if they are not the expected ones."""
    for system, architectures in SYSTEMS.items():
        command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
        command += ["--platform", system, "--archs", ",".join(architectures)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = set(done.stdout.split())
        for platform in itertools.chain.from_iterable(architectures.values()):
            pythons = {name.partition("-")[0] for name in found if name.endswith(f"-{platform}")}
            print(f"{platform:<18} {' '.join(sorted(pythons))}")
            if pythons != PYTHONS:
                sys.exit(f"{platform}: expected {' '.join(sorted(PYTHONS))}")


if __name__ == "__main__":
    main()
