"""Which instruction sets this processor and its operating system can run, and the compiler."""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "portable.h" nogil:
    const bint FT_X86_64
    const char *FT_COMPILER
    void ft_cpuid(uint32_t leaf, uint32_t *out)
    uint64_t ft_xgetbv()


def compiler():
    """Name and version of the compiler of this module, and what is special about the build."""
    return FT_COMPILER.decode()


def is_x86_64():
    return FT_X86_64


def cpuid(uint32_t leaf):
    """Registers (eax, ebx, ecx, edx) of one CPUID leaf, sub-leaf 0."""
    cdef uint32_t out[4]
    ft_cpuid(leaf, out)
    return out[0], out[1], out[2], out[3]


def xgetbv():
    """Extended control register 0; legal only where CPUID says OSXSAVE."""
    return ft_xgetbv()
