/* The inner loops of the kernels, over rows of factors.

   Each loop is written once, for the type `real`, and compiled for float and for double: the body
   below includes this file twice. A kernel calls ft_dot(p, …), which stands for ft_dot_float or
   ft_dot_double by the type of its first argument. */
#ifndef FACTORATE_INNER_LOOPS_H
#define FACTORATE_INNER_LOOPS_H

#include <math.h>
#include <stddef.h>

#include "portable.h"

#define FT_OF_POINTER(function, p)                                                              \
    _Generic((p), float *: function##_float, const float *: function##_float,                   \
             double *: function##_double, const double *: function##_double)
#define FT_OF_NUMBER(x, of_float, of_double) _Generic((x), float: of_float, double: of_double)

#define ft_dot(p, ...) FT_OF_POINTER(ft_dot, p)(p, __VA_ARGS__)
#define ft_update(p, ...) FT_OF_POINTER(ft_update, p)(p, __VA_ARGS__)
#define ft_update_general(p, ...) FT_OF_POINTER(ft_update_general, p)(p, __VA_ARGS__)
#define ft_add(p, ...) FT_OF_POINTER(ft_add, p)(p, __VA_ARGS__)
#define ft_product(p, ...) FT_OF_POINTER(ft_product, p)(p, __VA_ARGS__)
#define ft_shrink(x, ...) FT_OF_NUMBER(x, ft_shrink_float, ft_shrink_double)(x, __VA_ARGS__)
#define ft_exp(x) FT_OF_NUMBER(x, expf, exp)(x)
#define ft_sqrt(x) FT_OF_NUMBER(x, sqrtf, sqrt)(x)

/* The blocked product multiplies FT_GROUP rows of users by a panel of items, FT_VECTORS vectors
   wide, with the sums in registers. */
#if defined(__AVX512F__)
#define FT_VECTOR_BYTES 64
#define FT_GROUP 8 /* 8 × 3 vectors are 24 of 32 registers */
#elif defined(__AVX2__)
#define FT_VECTOR_BYTES 32
#define FT_GROUP 4 /* 4 × 3 vectors are 12 of 16 registers */
#elif defined(__aarch64__) || defined(_M_ARM64)
#define FT_VECTOR_BYTES 16
#define FT_GROUP 8
#else
#define FT_VECTOR_BYTES 16
#define FT_GROUP 4
#endif
#define FT_VECTORS 3
#define FT_PANEL_BYTES (FT_VECTORS * FT_VECTOR_BYTES)

#define real float
#define FT(name) name##_float
#include "inner_loops.h"
#undef real
#undef FT

#define real double
#define FT(name) name##_double
#include "inner_loops.h"
#undef real
#undef FT

#elif defined(real) /* The body. */

/* Return start + p·q. */
static inline real FT(ft_dot)(const real *FT_RESTRICT p, const real *FT_RESTRICT q, ptrdiff_t n,
                              real start)
{
    for (ptrdiff_t k = 0; k < n; k++) start += p[k] * q[k];
    return start;
}

/* Update a row of P and a row of Q: multiply each by its decay, 1 − ηλ, and add its step, ηe, times
   the old row of the other. */
static inline void FT(ft_update)(real *FT_RESTRICT p, real *FT_RESTRICT q, ptrdiff_t n,
                                 real p_decay, real q_decay, real p_step, real q_step)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        real p_k = p[k], q_k = q[k];
        p[k] = p_decay * p_k + p_step * q_k;
        q[k] = q_decay * q_k + q_step * p_k;
    }
}

/* Return x moved towards 0 by at most cut, and not below minimum. NaN fails every comparison and
   stays NaN. */
static inline real FT(ft_shrink)(real x, real cut, real minimum)
{
    x -= x > cut ? cut : x < -cut ? -cut : x;
    return x < minimum ? minimum : x;
}

/* Update a row of P and a row of Q by their negative gradients, and write the squared length of each
   gradient. In the arrays, entry 0 is for the user factors and entry 1 for the item factors. */
static inline void FT(ft_update_general)(real *FT_RESTRICT p, real *FT_RESTRICT q, ptrdiff_t n,
                                         real error, const real *rate, const real *l2,
                                         const real *cut, real minimum, int proximal,
                                         real *squares)
{
    real p_square = 0, q_square = 0;
    for (ptrdiff_t k = 0; k < n; k++) {
        real p_k = p[k], q_k = q[k];
        real p_gradient = error * q_k - l2[0] * p_k;
        real q_gradient = error * p_k - l2[1] * q_k;
        p_square += p_gradient * p_gradient;
        q_square += q_gradient * q_gradient;
        p_k += rate[0] * p_gradient;
        q_k += rate[1] * q_gradient;
        if (proximal) {
            p_k = FT(ft_shrink)(p_k, cut[0], minimum);
            q_k = FT(ft_shrink)(q_k, cut[1], minimum);
        }
        p[k] = p_k;
        q[k] = q_k;
    }
    squares[0] = p_square;
    squares[1] = q_square;
}

/* Add one row to another. */
static inline void FT(ft_add)(real *FT_RESTRICT target, const real *FT_RESTRICT source, ptrdiff_t n)
{
    for (ptrdiff_t k = 0; k < n; k++) target[k] += source[k];
}

/* Multiply a group of users by a panel of items.

   users: [factor][FT_GROUP]; panel: the initial value of each sum, then [factor][panel width];
   out: [FT_GROUP][panel width]; all begin on a cache line. With gcc and clang the sums are vectors;
   other compilers see scalars, in loops that they may vectorize. */
#if defined(__GNUC__)
typedef real FT(ft_vector) __attribute__((vector_size(FT_VECTOR_BYTES), may_alias));
#else
typedef real FT(ft_vector);
#endif

static inline void FT(ft_product)(const real *users, const real *panel, ptrdiff_t n_factors,
                                  real *out)
{
    enum { N = FT_PANEL_BYTES / sizeof(FT(ft_vector)) };
    const FT(ft_vector) *items = (const FT(ft_vector) *)panel;
    FT(ft_vector) *to = (FT(ft_vector) *)out;
    FT(ft_vector) sum[FT_GROUP][N];
    FT_UNROLL for (int u = 0; u < FT_GROUP; u++)
        FT_UNROLL for (int i = 0; i < N; i++) sum[u][i] = items[i];
    for (ptrdiff_t k = 0; k < n_factors; k++) {
        items += N;
        FT_UNROLL for (int u = 0; u < FT_GROUP; u++)
            FT_UNROLL for (int i = 0; i < N; i++) sum[u][i] += users[u] * items[i];
        users += FT_GROUP;
    }
    FT_UNROLL for (int u = 0; u < FT_GROUP; u++)
        FT_UNROLL for (int i = 0; i < N; i++) to[u * N + i] = sum[u][i];
}

#endif
