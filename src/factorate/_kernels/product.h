/* The products of a group of users and a panel of items, summed up in registers.

   users: [factor][FT_GROUP]; panel: what each sum begins with, then [factor][width];
   out: [FT_GROUP][width]; width is FT_PANEL_BYTES of items. All begin on a cache line. */
#ifndef FACTORATE_PRODUCT_H
#define FACTORATE_PRODUCT_H

#include <stddef.h>

#if defined(__AVX512F__)
#define FT_VECTOR_BYTES 64
#define FT_GROUP 8 /* × 3 vectors are 24 of 32 registers */
#elif defined(__AVX2__)
#define FT_VECTOR_BYTES 32
#define FT_GROUP 4 /* × 3 vectors are 12 of 16 */
#elif defined(__aarch64__) || defined(_M_ARM64)
#define FT_VECTOR_BYTES 16
#define FT_GROUP 8
#else
#define FT_VECTOR_BYTES 16
#define FT_GROUP 4
#endif
#define FT_VECTORS 3
#define FT_PANEL_BYTES (FT_VECTORS * FT_VECTOR_BYTES)

#if defined(__clang__)
#define FT_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define FT_UNROLL _Pragma("GCC unroll 8")
#else
#define FT_UNROLL
#endif

/* A vector of gcc and clang; elsewhere one number, in loops for the compiler to vectorise. */
#if defined(__GNUC__)
#define FT_VECTOR(type, name) \
    typedef type name __attribute__((vector_size(FT_VECTOR_BYTES), may_alias))
#define FT_COLUMNS(type) FT_VECTORS
#else
#define FT_VECTOR(type, name) typedef type name
#define FT_COLUMNS(type) (FT_PANEL_BYTES / sizeof(type))
#endif

#define FT_PRODUCT(function, type, vector)                                                        \
    FT_VECTOR(type, vector);                                                                      \
    static void function(const type *users, const type *panel, ptrdiff_t n_factors, type *out)    \
    {                                                                                             \
        enum { N = FT_COLUMNS(type) };                                                            \
        const vector *items = (const vector *)panel;                                              \
        vector *to = (vector *)out;                                                               \
        vector sum[FT_GROUP][N];                                                                  \
        FT_UNROLL for (int u = 0; u < FT_GROUP; u++)                                              \
            FT_UNROLL for (int i = 0; i < N; i++) sum[u][i] = items[i];                           \
        for (ptrdiff_t k = 0; k < n_factors; k++) {                                               \
            items += N;                                                                           \
            FT_UNROLL for (int u = 0; u < FT_GROUP; u++)                                          \
                FT_UNROLL for (int i = 0; i < N; i++) sum[u][i] += users[u] * items[i];           \
            users += FT_GROUP;                                                                    \
        }                                                                                         \
        FT_UNROLL for (int u = 0; u < FT_GROUP; u++)                                              \
            FT_UNROLL for (int i = 0; i < N; i++) to[u * N + i] = sum[u][i];                      \
    }

FT_PRODUCT(ft_product_float, float, ft_float_vector)
FT_PRODUCT(ft_product_double, double, ft_double_vector)

#endif
