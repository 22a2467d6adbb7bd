"""Which compiled variants of the kernels run, chosen once on import."""

from __future__ import annotations

import functools
import importlib.util
import os
from typing import TYPE_CHECKING

from factorate._kernels import cpu, sgd, topn

if TYPE_CHECKING:
    from types import ModuleType


ALIGNMENT = 64  # bytes of a cache line, and of the widest vector
LOOKAHEAD = sgd.LOOKAHEAD
PADDING = sgd.PADDING

_SUFFIXES = {"avx512": "_avx512", "avx2": "_avx2", "baseline": ""}


def _has_bits(register: int, *bits: int) -> bool:
    return all(register >> bit & 1 for bit in bits)


def _processor_supports() -> set[str]:
    """Return the instruction sets beyond the baseline that may run here.

    Bit positions are those of the Intel Software Developer's Manual, volume 2A (CPUID) and
    volume 1, section 13.3 (XCR0).
    """
    if not cpu.is_x86_64():
        return set()
    highest_leaf = cpu.cpuid(0)[0]
    ecx1 = cpu.cpuid(1)[2]
    if highest_leaf < 7 or not _has_bits(ecx1, 12, 27, 28):  # FMA, OSXSAVE, AVX
        return set()
    ebx7 = cpu.cpuid(7)[1]
    saved = cpu.xgetbv()
    found = set()
    if _has_bits(saved, 1, 2) and _has_bits(ebx7, 3, 5, 8):  # SSE, AVX state; BMI1, AVX2, BMI2
        found.add("avx2")
        # Opmask and both halves of ZMM state; AVX-512 F, DQ, CD, BW and VL are x86-64-v4.
        if _has_bits(saved, 5, 6, 7) and _has_bits(ebx7, 16, 17, 28, 30, 31):
            found.add("avx512")
    return found


@functools.cache
def available() -> tuple[str, ...]:
    """Return the instruction sets that are compiled in and can run here, fastest first."""
    supported = _processor_supports() | {"baseline"}
    return tuple(
        isa
        for isa, suffix in _SUFFIXES.items()
        if isa in supported and importlib.util.find_spec(f"{__package__}.sgd{suffix}") is not None
    )


def _choose() -> str:
    """Return ``FACTORATE_ISA`` if it is set, else the fastest instruction set available."""
    wanted = os.environ.get("FACTORATE_ISA")
    if not wanted:
        return available()[0]
    if wanted not in available():
        raise ValueError(
            f"FACTORATE_ISA is {wanted!r}; on this machine it can be one of "
            f"{', '.join(available())}. Set it to one of these or unset it."
        )
    return wanted


@functools.cache
def kernel(isa: str, name: str = "sgd") -> ModuleType:
    """Import the variant of a kernel for one instruction set."""
    return importlib.import_module(f"factorate._kernels.{name}{_SUFFIXES[isa]}")


_active_isa = _choose()

if TYPE_CHECKING:
    active, topk = sgd, topn
else:
    #: The variants that run in this process; a FACTORATE_ISA that cannot run fails the import.
    active, topk = kernel(_active_isa), kernel(_active_isa, "topn")


def chosen() -> str:
    """Return the instruction set in use."""
    return _active_isa
