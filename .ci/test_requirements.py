"""Install the requirements of the tests, except those without a wheel for this Python.

Run: python .ci/test_requirements.py
"""

import subprocess
import sys
import tomllib
from pathlib import Path

NEEDED = ("pytest", "hypothesis")
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def main() -> None:
    """Install one requirement after another; fail only without those that every test needs."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    for requirement in project["optional-dependencies"]["test"]:
        done = subprocess.run([*pip, requirement], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            continue
        if requirement.startswith(NEEDED):
            sys.exit(done.stderr)
        print(f"no wheel of {requirement} for this Python: its tests are skipped", flush=True)


if __name__ == "__main__":
    main()
