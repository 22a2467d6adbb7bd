/* What gcc, clang and MSVC spell differently. */
#ifndef FACTORATE_PORTABLE_H
#define FACTORATE_PORTABLE_H

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

typedef float *FT_RESTRICT ft_float_row;
typedef double *FT_RESTRICT ft_double_row;

#endif
