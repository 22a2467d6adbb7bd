"""Identify the processor, the operating system's support for its registers, and the compiler."""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "portable.h" nogil:
    const bint FT_X86_64
    const char *FT_COMPILER
    void ft_cpuid(uint32_t leaf, uint32_t *out)
    uint64_t ft_xgetbv()


def compiler():
    """Return the name and version of the compiler of this module, and the kind of build."""
    return FT_COMPILER.decode()


def is_x86_64():
    """Return whether this module was compiled for x86-64."""
    return FT_X86_64


def cpuid(uint32_t leaf):
    """Return the registers (eax, ebx, ecx, edx) of one CPUID leaf, sub-leaf 0."""
    cdef uint32_t out[4]
    ft_cpuid(leaf, out)
    return out[0], out[1], out[2], out[3]


def xgetbv():
    """Return extended control register 0; allowed only if CPUID reports OSXSAVE."""
    return ft_xgetbv()
