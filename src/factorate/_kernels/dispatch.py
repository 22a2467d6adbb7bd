"""Choose the fastest compiled kernels that the processor can run, once, on import."""

from __future__ import annotations

import functools
import importlib.util
import os
from typing import TYPE_CHECKING, Protocol

from factorate._kernels import cpu

if TYPE_CHECKING:
    from types import ModuleType

KERNELS = (
    "plain",
    "general",
    "svdpp",
    "predict",
    "textbook",
    "top_n",
    "als",
    "eigenvectors",
)

#: Suffixes of the modules compiled for each instruction set, fastest first.
_SUFFIXES = {"avx512": "_avx512", "avx2": "_avx2", "baseline": ""}


class Processor(Protocol):
    """The instructions that identify a processor, as functions; the module `cpu` has them."""

    def is_x86_64(self) -> bool:
        """Return whether the processor is an x86-64."""
        ...

    def cpuid(self, leaf: int) -> tuple[int, int, int, int]:
        """Return the registers eax, ebx, ecx and edx of a CPUID leaf."""
        ...

    def xgetbv(self) -> int:
        """Return extended control register 0."""
        ...


def _has_bits(register: int, *bits: int) -> bool:
    return all(register >> bit & 1 for bit in bits)


def supported_sets(processor: Processor) -> set[str]:
    """Return the instruction sets beyond the baseline that a processor supports.

    Bit positions are those of the Intel Software Developer's Manual, volume 2A (CPUID) and
    volume 1, section 13.3 (XCR0).
    """
    if not processor.is_x86_64():
        return set()
    highest_leaf = processor.cpuid(0)[0]
    ecx1 = processor.cpuid(1)[2]
    if highest_leaf < 7 or not _has_bits(ecx1, 12, 27, 28):  # FMA, OSXSAVE, AVX
        return set()
    ebx7 = processor.cpuid(7)[1]
    saved = processor.xgetbv()
    found = set()
    if _has_bits(saved, 1, 2) and _has_bits(ebx7, 3, 5, 8):  # SSE, AVX state; BMI1, AVX2, BMI2
        found.add("avx2")
        # Opmask and both halves of ZMM state; AVX-512 F, DQ, CD, BW and VL are x86-64-v4.
        if _has_bits(saved, 5, 6, 7) and _has_bits(ebx7, 16, 17, 28, 30, 31):
            found.add("avx512")
    return found


@functools.cache
def available() -> tuple[str, ...]:
    """Return the instruction sets that this build has and this machine supports, fastest first."""
    supported = supported_sets(cpu) | {"baseline"}
    return tuple(
        isa
        for isa, suffix in _SUFFIXES.items()
        if isa in supported and importlib.util.find_spec(f"{__package__}.plain{suffix}") is not None
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


def chosen() -> str:
    """Return the instruction set in use."""
    return _chosen


@functools.cache
def kernel(name: str, isa: str) -> ModuleType:
    """Import one kernel, compiled for one instruction set."""
    return importlib.import_module(f"{__package__}.{name}{_SUFFIXES[isa]}")


_chosen = _choose()

if TYPE_CHECKING:
    from factorate._kernels import als as als
    from factorate._kernels import eigenvectors as eigenvectors
    from factorate._kernels import general as general
    from factorate._kernels import plain as plain
    from factorate._kernels import predict as predict
    from factorate._kernels import svdpp as svdpp
    from factorate._kernels import textbook as textbook
    from factorate._kernels import top_n as top_n
else:
    # The kernels of this process. The import fails if FACTORATE_ISA is not available.
    plain, general, svdpp, predict, textbook, top_n, als, eigenvectors = (
        kernel(name, _chosen) for name in KERNELS
    )
