"""Dispatch: the kernels of an instruction set are chosen on import."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

import factorate as ft
from factorate._kernels import dispatch


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_baseline_is_always_available() -> None:
    assert dispatch.available()[-1] == "baseline"


def test_factorate_isa_selects_any_available_instruction_set(isa: str) -> None:
    done = run("import factorate; factorate.show_config()", FACTORATE_ISA=isa)
    assert f"instruction set  {isa}\n" in done.stdout


def test_an_unavailable_instruction_set_raises_on_import() -> None:
    done = run("import factorate", FACTORATE_ISA="sse9")
    assert done.returncode == 1
    assert "FACTORATE_ISA is 'sse9'; on this machine it can be one of" in done.stderr


def test_only_kernels_of_the_chosen_instruction_set_are_imported() -> None:
    program = "import sys, factorate; print([m for m in sys.modules if '_avx' in m])"
    assert run(program, FACTORATE_ISA="baseline").stdout == "[]\n"


@dataclass(frozen=True)
class Processor:
    """A processor that reports given registers."""

    leaves: dict[int, tuple[int, int, int, int]]
    saved: int = 0
    x86_64: bool = True

    def is_x86_64(self) -> bool:
        return self.x86_64

    def cpuid(self, leaf: int) -> tuple[int, int, int, int]:
        return self.leaves[leaf]

    def xgetbv(self) -> int:
        return self.saved


AVX2 = {0: (7, 0, 0, 0), 1: (0, 0, 1 << 12 | 1 << 27 | 1 << 28, 0)}
AVX512_EBX = 1 << 3 | 1 << 5 | 1 << 8 | 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31


@pytest.mark.parametrize(
    ("saved", "expected"),
    [(0b1, set()), (0b110, {"avx2"}), (0b11100110, {"avx2", "avx512"})],
)
def test_registers_must_be_saved_by_the_operating_system(saved: int, expected: set[str]) -> None:
    processor = Processor(AVX2 | {7: (0, AVX512_EBX, 0, 0)}, saved)
    assert dispatch.supported_sets(processor) == expected


@pytest.mark.parametrize(
    "processor",
    [
        Processor({0: (6, 0, 0, 0), 1: AVX2[1]}, saved=0b110),
        Processor({0: (7, 0, 0, 0), 1: (0, 0, 0, 0)}, saved=0b110),
        Processor({}, x86_64=False),
    ],
    ids=["no leaf 7", "no AVX", "another architecture"],
)
def test_processors_without_avx2_use_the_baseline(processor: Processor) -> None:
    assert dispatch.supported_sets(processor) == set()


def test_show_config_names_versions_and_instruction_sets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ft.show_config()
    shown = capsys.readouterr().out
    assert ft.__version__ in shown
    assert dispatch.chosen() in shown


def test_instruction_sets_give_nearly_equal_errors() -> None:
    program = (
        "import factorate as ft; d = ft.datasets.synthetic(5000, 200, 100);"
        "print(ft.MatrixFactorization(8, random_state=0).fit(d).evaluate(d)['rmse'])"
    )
    scores = [float(run(program, FACTORATE_ISA=isa).stdout) for isa in dispatch.available()]
    assert max(scores) == pytest.approx(min(scores), rel=1e-4)


def test_setting_the_variable_after_the_import_changes_nothing() -> None:
    program = "import os, factorate; os.environ['FACTORATE_ISA'] = 'none'; factorate.show_config()"
    assert "instruction set  baseline" in run(program, FACTORATE_ISA="baseline").stdout
