"""Run the examples of docstrings, README and pages.

The ``python`` blocks and plots of a page run in order, in one namespace. A ``text`` block that
follows a block is its expected output: numbers with a decimal point may differ by 5 %, everything
else must be equal. ``sh`` blocks run in the same folder, except those that install something.
Blocks that import another recommender library run separately, if it is installed.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import itertools
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from optional import distributed, matplotlib, present, pyarrow, sklearn

import factorate as ft

NEEDED = {  # for their examples
    "factorate.base": [sklearn, pyarrow],
    "factorate.dask": distributed,
    "factorate.plotting": matplotlib,
    "factorate.reading": pyarrow,
}
MODULES = [
    module.name
    for module in pkgutil.walk_packages(ft.__path__, "factorate.")
    if not module.name.startswith("factorate._kernels") and not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    present([library for package, library in NEEDED.items() if name.startswith(package)])
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_doctest_finds_the_examples_of_methods() -> None:
    finder = doctest.DocTestFinder()
    assert sum(bool(test.examples) for test in finder.find(ft.base)) > 2


ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(?P<kind>\S+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PLOT = re.compile(r"\.\. plot::\n(?: +:[^\n]*\n)*")  # a directive of matplotlib
NUMBER = re.compile(r"(-?\d+\.\d*)")
PEERS = re.compile(r"^(?:from|import) (surprise|implicit|lightfm)\b|^(mf-train)\b", re.MULTILINE)
OPTIONAL = "dask|distributed|pandas|polars|pyarrow|scipy|sklearn|matplotlib|fastapi|httpx"
IMPORTS = re.compile(rf"^(?:from|import) ({OPTIONAL})\b", re.MULTILINE)
INSTALLS = re.compile(r"^(pip install|python3 -m venv|git clone)", re.MULTILINE)


class Block(NamedTuple):
    page: Path
    line: int
    kind: str
    code: str
    printed: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    fences = list(FENCE.finditer(text))
    found = []
    for fence, after in itertools.zip_longest(fences, fences[1:]):
        if fence["kind"] == "text":
            continue
        printed = None
        if after and after["kind"] == "text" and not text[fence.end() : after.start()].strip():
            printed = after["code"]
        line = text.count("\n", 0, fence.start("code"))
        kind, code = fence["kind"], fence["code"]
        if plot := PLOT.match(code):
            kind, code = "plot", "\n" * plot[0].count("\n") + textwrap.dedent(code[plot.end() :])
        found.append(Block(page, line, kind, code, printed))
    return found


PAGES = [*ROOT.glob("README.md"), *sorted(ROOT.glob("docs/**/*.md"))]  # none in an installed wheel
BLOCKS = [block for page in PAGES for block in blocks(page)]
OWN_PAGES = sorted({block.page for block in BLOCKS if not PEERS.search(block.code)})
PEER_BLOCKS = [block for block in BLOCKS if PEERS.search(block.code)]


def run_python(block: Block, namespace: dict[str, Any]) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # Leading empty lines give a traceback the line numbers of the page.
        exec(compile("\n" * block.line + block.code, block.page, "exec"), namespace)  # noqa: S102
    if block.printed is None:
        return
    here, there = (NUMBER.split(" ".join(s.split())) for s in (printed.getvalue(), block.printed))
    assert [part.strip() for part in here[::2]] == [part.strip() for part in there[::2]], str(block)
    numbers, expected = ([float(number) for number in parts[1::2]] for parts in (here, there))
    assert numbers == pytest.approx(expected, rel=0.05, abs=0.051), str(block)


def run_shell(block: Block) -> None:
    if os.name == "nt":  # bash on Windows may belong to WSL
        pytest.skip("the commands of this page need a POSIX shell")
    if INSTALLS.search(block.code):  # needs a network; .ci/run runs those of the README
        return
    pytest.importorskip("pyarrow", reason="reading the files needs pyarrow")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", block.code]
    subprocess.run(command, check=True, env=os.environ | {"PATH": path}, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, draw without a display, and replace the MovieLens download."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(ft.datasets, "load_movielens", synthetic_movielens)
    return tmp_path


def synthetic_movielens(name: str = "latest-small", *, timestamps: bool = False) -> tuple[Any, ...]:
    assert name in ft.datasets.MOVIELENS
    users, items, ratings = ft.datasets.synthetic(20_000, 500, 300)
    when = np.arange(len(users)) + 978_300_760
    return users, items, np.clip(np.round(ratings), 1, 5), *([when] if timestamps else [])


@pytest.mark.parametrize("page", OWN_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("folder")
def test_blocks_of_pages_run(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if PEERS.search(block.code):
            continue
        for library in IMPORTS.findall(block.code):
            pytest.importorskip(library, reason=f"{library} is not installed")
        if block.kind == "plot":
            present(matplotlib)
        if block.kind in {"python", "plot"}:
            run_python(block, namespace)
        elif block.kind == "sh":
            run_shell(block)
        else:
            assert block.kind.startswith("{"), f"{block}: cannot run a block of {block.kind}"


@pytest.mark.parametrize("block", PEER_BLOCKS, ids=str)
@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore")  # warnings of another library
def test_blocks_of_other_libraries_run(block: Block) -> None:
    found = PEERS.search(block.code)
    assert found
    module, program = found.groups()
    if program and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if module:
        pytest.importorskip(module, reason=f"{module} is not installed")
    for other in blocks(block.page):
        if other.kind == "sh" and other.line < block.line:
            run_shell(other)  # creates the input files
    if program:
        run_shell(block)
    else:
        run_python(block, {})
