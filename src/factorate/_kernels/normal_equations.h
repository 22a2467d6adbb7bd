/* The inner loops of alternating least squares: sums of outer products, and Cholesky factorization.

   A matrix is symmetric and square; only its upper triangle, row by row, is read and written, in
   tiles that may reach below the diagonal. Its width, the number of factors, is a multiple of
   FT_LANE. As in inner_loops.h, the body is included once for float and once for double. */
#ifndef FACTORATE_NORMAL_EQUATIONS_H
#define FACTORATE_NORMAL_EQUATIONS_H

#include <float.h>
#include <string.h>

#include "inner_loops.h"

#define ft_add_outer_products(A, ...) FT_OF_POINTER(ft_add_outer_products, A)(A, __VA_ARGS__)
#define ft_take_row(x, ...) FT_OF_POINTER(ft_take_row, x)(x, __VA_ARGS__)
#define ft_solve(A, ...) FT_OF_POINTER(ft_solve, A)(A, __VA_ARGS__)

#define real float
#define FT(name) ft_##name##_float
#define FT_EPSILON FLT_EPSILON
#include "normal_equations.h"
#undef real
#undef FT
#undef FT_EPSILON

#define real double
#define FT(name) ft_##name##_double
#define FT_EPSILON DBL_EPSILON
#include "normal_equations.h"
#undef real
#undef FT
#undef FT_EPSILON

#elif defined(real) /* The body. */

/* A tile of a matrix, whose sums are in registers. Its width divides FT_LANE, as its height does. */
enum {
    FT(TILE_VECTORS) = (int)FT(LANES) < FT_LANE ? 2 : 1,
    FT(TILE_WIDTH) = FT(TILE_VECTORS) * (int)FT(LANES),
    FT(TILE_ROWS) = FT_REGISTERS / 2 / FT(TILE_VECTORS) /* the sums take half of the registers */
};

/* Add the sum of left_k right_kᵀ over n rows k to a tile, or subtract it. All rows and those of the
   tile are `width` numbers apart. */
static FT_INLINE void FT(add_tile)(real *tile, const real *left, const real *right, ptrdiff_t n,
                                   ptrdiff_t width, const int subtract)
{
    enum { R = FT(TILE_ROWS), V = FT(TILE_VECTORS), L = FT(LANES) };
    FT(vector) sum[R][V];
    FT_UNROLL for (int r = 0; r < R; r++)
        FT_UNROLL for (int v = 0; v < V; v++) sum[r][v] = FT(fill)(0);
    for (ptrdiff_t k = 0; k < n; k++) {
        FT_UNROLL for (int r = 0; r < R; r++)
            FT_UNROLL for (int v = 0; v < V; v++)
                sum[r][v] = FT(multiply_add)(FT(fill)(left[r]), FT(load)(right + v * L), sum[r][v]);
        left += width;
        right += width;
    }
    FT_UNROLL for (int r = 0; r < R; r++)
        FT_UNROLL for (int v = 0; v < V; v++) {
            real *target = tile + r * width + v * L;
            FT(store)(target, subtract ? FT(subtract)(FT(load)(target), sum[r][v])
                                       : FT(add)(FT(load)(target), sum[r][v]));
        }
}

/* Add the sum of x_k x_kᵀ over n rows to A. */
static inline void FT(add_outer_products)(real *A, const real *X, ptrdiff_t n, ptrdiff_t width)
{
    for (ptrdiff_t i = 0; i < width; i += FT(TILE_WIDTH))
        for (ptrdiff_t r = 0; r < i + FT(TILE_WIDTH); r += FT(TILE_ROWS))
            FT(add_tile)(A + r * width + i, X + r, X + i, n, width, 0);
}

/* Set x to √w q, and add w q to b. */
static inline void FT(take_row)(real *x, const real *q, ptrdiff_t width, real weight, real *b)
{
    const FT(vector) w = FT(fill)(weight), root = FT(fill)(ft_sqrt(weight));
    for (ptrdiff_t i = 0; i < width; i += FT(LANES)) {
        FT(vector) q_i = FT(load)(q + i);
        FT(store)(x + i, FT(multiply)(root, q_i));
        FT(store)(b + i, FT(multiply_add)(w, q_i, FT(load)(b + i)));
    }
}

/* Replace A by its Cholesky factor U, A = Uᵀ U with U upper triangular, and write the inverses of
   the diagonal of U.

   A pivot that is not above its rounding error gets the inverse 0, and its unknown the solution 0:
   A is then singular in this precision. */
static inline void FT(factorize)(real *A, ptrdiff_t width, real *inverses)
{
    for (ptrdiff_t i = 0; i < width; i++) inverses[i] = A[i * width + i];
    for (ptrdiff_t first = 0; first < width; first += FT_LANE) {
        const ptrdiff_t stop = first + FT_LANE;
        if (first > 0)
            for (ptrdiff_t i = first; i < width; i += FT(TILE_WIDTH))
                for (ptrdiff_t r = first; r < stop && r < i + FT(TILE_WIDTH); r += FT(TILE_ROWS))
                    FT(add_tile)(A + r * width + i, A + r, A + i, first, width, 1);
        for (ptrdiff_t r = first; r < stop; r++) {
            real *row = A + r * width;
            const ptrdiff_t start = r - r % FT(LANES);
            for (ptrdiff_t i = start; i < width; i += FT(LANES)) {
                FT(vector) x = FT(load)(row + i);
                for (ptrdiff_t k = first; k < r; k++)
                    x = FT(multiply_add)(FT(fill)(-A[k * width + r]), FT(load)(A + k * width + i),
                                         x);
                FT(store)(row + i, x);
            }
            const real pivot = row[r];
            inverses[r] = pivot > 8 * FT_EPSILON * inverses[r] ? 1 / ft_sqrt(pivot) : 0;
            const FT(vector) inverse = FT(fill)(inverses[r]);
            for (ptrdiff_t i = start; i < width; i += FT(LANES))
                FT(store)(row + i, FT(multiply)(inverse, FT(load)(row + i)));
        }
    }
}

/* Solve A x = b, and return b·x. A is replaced by its Cholesky factor; the work is `width` numbers,
   and b is changed. */
static inline double FT(solve)(real *A, real *b, ptrdiff_t width, real *x, real *work)
{
    double fit = 0;
    FT(factorize)(A, width, work);
    for (ptrdiff_t r = 0; r < width; r++) { /* Uᵀ y = b */
        const real y = x[r] = work[r] * b[r];
        const FT(vector) minus = FT(fill)(-y);
        for (ptrdiff_t i = r - r % FT(LANES); i < width; i += FT(LANES))
            FT(store)(b + i, FT(multiply_add)(minus, FT(load)(A + r * width + i), FT(load)(b + i)));
        fit += (double)y * y;
    }
    memcpy(b, x, width * sizeof(real));
    memset(x, 0, width * sizeof(real));
    for (ptrdiff_t r = width - 1; r >= 0; r--) { /* U x = y */
        FT(vector) sum = FT(fill)(0);
        for (ptrdiff_t i = r - r % FT(LANES); i < width; i += FT(LANES))
            sum = FT(multiply_add)(FT(load)(A + r * width + i), FT(load)(x + i), sum);
        x[r] = work[r] * (b[r] - FT(sum)(sum));
    }
    return fit; /* b·x = |y|² */
}

#endif
