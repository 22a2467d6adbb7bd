/* CPUID and XGETBV of x86-64: what the processor has and the operating system saves; and how
   this was compiled. */
#ifndef FACTORATE_CPU_H
#define FACTORATE_CPU_H

#include <stdint.h>

#define FT_TEXT_(x) #x
#define FT_TEXT(x) FT_TEXT_(x)
#if defined(__SANITIZE_ADDRESS__) || defined(CYTHON_TRACE_NOGIL)
#define FT_BUILD ", instrumented"
#elif defined(__GNUC__) && !defined(__OPTIMIZE__)
#define FT_BUILD ", not optimised"
#else
#define FT_BUILD ""
#endif
#if defined(__clang__)
#define FT_COMPILER "clang " __clang_version__ FT_BUILD
#elif defined(__GNUC__)
#define FT_COMPILER \
    "gcc " FT_TEXT(__GNUC__) "." FT_TEXT(__GNUC_MINOR__) "." FT_TEXT(__GNUC_PATCHLEVEL__) FT_BUILD
#elif defined(_MSC_VER)
#define FT_COMPILER "msvc " FT_TEXT(_MSC_VER)
#else
#define FT_COMPILER "unknown"
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define FT_X86_64 1
#if defined(_MSC_VER)
#include <intrin.h>
static void ft_cpuid(uint32_t leaf, uint32_t out[4]) { __cpuidex((int *)out, (int)leaf, 0); }
static uint64_t ft_xgetbv(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void ft_cpuid(uint32_t leaf, uint32_t out[4])
{
    __cpuid_count(leaf, 0, out[0], out[1], out[2], out[3]);
}
static uint64_t ft_xgetbv(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}
#endif
#else
#define FT_X86_64 0
static void ft_cpuid(uint32_t leaf, uint32_t out[4])
{
    (void)leaf;
    out[0] = out[1] = out[2] = out[3] = 0;
}
static uint64_t ft_xgetbv(void) { return 0; }
#endif

#endif
