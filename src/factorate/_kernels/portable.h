/* Differences between gcc, clang and MSVC, and instructions that only some processors have. */
#ifndef FACTORATE_PORTABLE_H
#define FACTORATE_PORTABLE_H

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#define FT_X86_64 1
#else
#define FT_X86_64 0
#endif

#if defined(_MSC_VER)
#include <intrin.h>
#define FT_RESTRICT __restrict
#if defined(_M_X64) || defined(_M_IX86)
#define FT_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define FT_PREFETCH(address) __prefetch((const void *)(address))
#endif
#else
#define FT_RESTRICT __restrict__
#define FT_PREFETCH(address) __builtin_prefetch((address), 1, 3)
#endif

#if defined(_MSC_VER)
#define FT_INLINE __forceinline
#else
#define FT_INLINE inline __attribute__((always_inline))
#endif

#if defined(__clang__)
#define FT_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define FT_UNROLL _Pragma("GCC unroll 16")
#else
#define FT_UNROLL
#endif

/* CPUID and XGETBV of x86-64: the features of the processor, and the registers that the operating
   system saves. */
#if FT_X86_64 && defined(_MSC_VER)
static inline void ft_cpuid(uint32_t leaf, uint32_t out[4])
{
    __cpuidex((int *)out, (int)leaf, 0);
}
static inline uint64_t ft_xgetbv(void) { return _xgetbv(0); }
#elif FT_X86_64
#include <cpuid.h>
static inline void ft_cpuid(uint32_t leaf, uint32_t out[4])
{
    __cpuid_count(leaf, 0, out[0], out[1], out[2], out[3]);
}
static inline uint64_t ft_xgetbv(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}
#else
static inline void ft_cpuid(uint32_t leaf, uint32_t out[4])
{
    (void)leaf;
    out[0] = out[1] = out[2] = out[3] = 0;
}
static inline uint64_t ft_xgetbv(void) { return 0; }
#endif

/* Name and version of the compiler, and the kind of build. */
#define FT_TEXT_(x) #x
#define FT_TEXT(x) FT_TEXT_(x)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FT_BUILD ", instrumented"
#elif defined(__GNUC__) && !defined(__OPTIMIZE__)
#define FT_BUILD ", not optimized"
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

#endif
