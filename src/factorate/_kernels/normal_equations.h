/* The inner loops of alternating least squares: sums of outer products, Cholesky factorization,
   products of matrices, and steps of the conjugate gradient method.

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
#define ft_multiply_rows(out, ...) FT_OF_POINTER(ft_multiply_rows, out)(out, __VA_ARGS__)
#define ft_improve(x, ...) FT_OF_POINTER(ft_improve, x)(x, __VA_ARGS__)

/* FT_PREFETCH is for rows that are written: it takes them from the cache of other cores. */
#if defined(__GNUC__)
#define FT_PREFETCH_SHARED(address) __builtin_prefetch((address), 0, 3)
#else
#define FT_PREFETCH_SHARED(address) FT_PREFETCH(address)
#endif

#if FT_X86_64
/* Fold a vector to 16 bytes by adding its parts. */
static FT_INLINE __m128 ft_fold_float(FT_X86_VECTOR() x)
{
#if FT_VECTOR_BYTES == 64
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), high);
    return _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
#elif FT_VECTOR_BYTES == 32
    return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
#else
    return x;
#endif
}
static FT_INLINE __m128d ft_fold_double(FT_X86_VECTOR(d) x)
{
#if FT_VECTOR_BYTES == 64
    __m256d y = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
    return _mm_add_pd(_mm256_castpd256_pd128(y), _mm256_extractf128_pd(y, 1));
#elif FT_VECTOR_BYTES == 32
    return _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
#else
    return x;
#endif
}

/* Write the sums of four vectors. */
static FT_INLINE void ft_four_sums_float(const FT_X86_VECTOR() * x, float *out)
{
#define FT_LOW(x, y) FT_X86_NAME(unpacklo, ps)(x, y)
#define FT_HIGH(x, y) FT_X86_NAME(unpackhi, ps)(x, y)
#define FT_AS_PD(x) FT_X86_NAME(castps, pd)(x)
#define FT_AS_PS(x) FT_X86_NAME(castpd, ps)(x)
    FT_X86_VECTOR() a = FT_X86_NAME(add, ps)(FT_LOW(x[0], x[1]), FT_HIGH(x[0], x[1]));
    FT_X86_VECTOR() b = FT_X86_NAME(add, ps)(FT_LOW(x[2], x[3]), FT_HIGH(x[2], x[3]));
    FT_X86_VECTOR() low = FT_AS_PS(FT_X86_NAME(unpacklo, pd)(FT_AS_PD(a), FT_AS_PD(b)));
    FT_X86_VECTOR() high = FT_AS_PS(FT_X86_NAME(unpackhi, pd)(FT_AS_PD(a), FT_AS_PD(b)));
    _mm_storeu_ps(out, ft_fold_float(FT_X86_NAME(add, ps)(low, high)));
#undef FT_LOW
#undef FT_HIGH
#undef FT_AS_PD
#undef FT_AS_PS
}
static FT_INLINE void ft_four_sums_double(const FT_X86_VECTOR(d) * x, double *out)
{
    for (int j = 0; j < 4; j += 2) {
        FT_X86_VECTOR(d) low = FT_X86_NAME(unpacklo, pd)(x[j], x[j + 1]);
        FT_X86_VECTOR(d) high = FT_X86_NAME(unpackhi, pd)(x[j], x[j + 1]);
        _mm_storeu_pd(out + j, ft_fold_double(FT_X86_NAME(add, pd)(low, high)));
    }
}
#endif

enum {
    FT_ROWS = 8 /* rows that are multiplied by a vector at a time */
};

/* The interactions of a row: the indices of the rows q among the factors of the other side, and their
   weights, or null if these are 1. n_ahead is the number of indices up to the end of a later row,
   whose factors may be prefetched. */
typedef struct {
    const int32_t *others;
    const void *weights;
    const void *factors;
    ptrdiff_t n;
    ptrdiff_t n_ahead;
} ft_interactions;

/* The weight of all pairs, that of the observed pairs of a row divided by the number of the others,
   and the penalty of the row. */
typedef struct {
    double unobserved;
    double observed;
    double penalty;
} ft_row_weights;

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

/* Solve A x = b. A is replaced by its Cholesky factor; the work is `width` numbers,
   and b is changed. */
static inline void FT(solve)(real *A, real *b, ptrdiff_t width, real *x, real *work)
{
    FT(factorize)(A, width, work);
    for (ptrdiff_t r = 0; r < width; r++) { /* Uᵀ y = b */
        const real y = x[r] = work[r] * b[r];
        const FT(vector) minus = FT(fill)(-y);
        for (ptrdiff_t i = r - r % FT(LANES); i < width; i += FT(LANES))
            FT(store)(b + i, FT(multiply_add)(minus, FT(load)(A + r * width + i), FT(load)(b + i)));
    }
    memcpy(b, x, width * sizeof(real));
    memset(x, 0, width * sizeof(real));
    for (ptrdiff_t r = width - 1; r >= 0; r--) { /* U x = y */
        FT(vector) sum = FT(fill)(0);
        for (ptrdiff_t i = r - r % FT(LANES); i < width; i += FT(LANES))
            sum = FT(multiply_add)(FT(load)(A + r * width + i), FT(load)(x + i), sum);
        x[r] = work[r] * (b[r] - FT(sum)(sum));
    }
}

#if !FT_X86_64
static FT_INLINE void FT(four_sums)(const FT(vector) *x, real *out)
{
    FT_UNROLL for (int j = 0; j < 4; j++) out[j] = FT(sum)(x[j]);
}
#endif

/* Set n rows, a multiple of FT(TILE_ROWS), to the rows of X times the matrix B. */
static inline void FT(multiply_rows)(real *out, const real *X, const real *B, ptrdiff_t n,
                                     ptrdiff_t width)
{
    enum { R = FT(TILE_ROWS), V = FT(TILE_VECTORS), L = FT(LANES) };
    for (ptrdiff_t i = 0; i < width; i += FT(TILE_WIDTH))
        for (ptrdiff_t first = 0; first < n; first += R) {
            const real *x = X + first * width;
            FT(vector) sum[R][V];
            FT_UNROLL for (int r = 0; r < R; r++)
                FT_UNROLL for (int v = 0; v < V; v++) sum[r][v] = FT(fill)(0);
            for (ptrdiff_t k = 0; k < width; k++)
                FT_UNROLL for (int r = 0; r < R; r++)
                    FT_UNROLL for (int v = 0; v < V; v++)
                        sum[r][v] = FT(multiply_add)(FT(fill)(x[r * width + k]),
                                                     FT(load)(B + k * width + i + v * L),
                                                     sum[r][v]);
            FT_UNROLL for (int r = 0; r < R; r++)
                FT_UNROLL for (int v = 0; v < V; v++)
                    FT(store)(out + (first + r) * width + i + v * L, sum[r][v]);
        }
}

/* Add Σ w (target - q·v) q to out, and return Σ w (target - q·v)². The target is 1 in the first pass
   over a row, and 0 in the others. */
static FT_INLINE double FT(add_residuals)(real *out, const real *v, const ft_interactions *row,
                                          const ptrdiff_t width, const int is_first)
{
    enum { R = FT_ROWS, L = FT(LANES) };
    const real *factors = (const real *)row->factors, *weights = (const real *)row->weights;
    const real target = is_first;
    const ptrdiff_t ahead = width * (ptrdiff_t)sizeof(real) > 256 ? R : 2 * R;
    double squares = 0;
    for (ptrdiff_t t = 0; t < row->n; t += R) {
        const real *q[R];
        real part[R], w[R];
        FT(vector) sum[R];
        const int n = row->n - t < R ? (int)(row->n - t) : R;
        if (is_first)
            for (ptrdiff_t j = t + ahead; j < t + ahead + R && j < row->n_ahead; j++)
                for (ptrdiff_t i = 0; i < width; i += FT_LINE / (ptrdiff_t)sizeof(real))
                    FT_PREFETCH_SHARED(factors + row->others[j] * width + i);
        for (int j = 0; j < R; j++) q[j] = factors + row->others[t + (j < n ? j : 0)] * width;
        FT_UNROLL for (int j = 0; j < R; j++) w[j] = j < n ? 1 : 0;
        if (weights)
            for (int j = 0; j < n; j++) w[j] = weights[t + j];
        FT_UNROLL for (int j = 0; j < R; j++) sum[j] = FT(fill)(0);
        for (ptrdiff_t i = 0; i < width; i += L) {
            const FT(vector) v_i = FT(load)(v + i);
            FT_UNROLL for (int j = 0; j < R; j++)
                sum[j] = FT(multiply_add)(FT(load)(q[j] + i), v_i, sum[j]);
        }
        FT(four_sums)(sum, part);
        FT(four_sums)(sum + 4, part + 4);
        FT_UNROLL for (int j = 0; j < R; j++) {
            const real residual = target - part[j];
            part[j] = w[j] * residual;
            if (is_first) squares += (double)part[j] * residual;
        }
        for (ptrdiff_t i = 0; i < width; i += L) {
            FT(vector) a = FT(load)(out + i), b = FT(fill)(0);
            FT_UNROLL for (int j = 0; j < R; j += 2) {
                a = FT(multiply_add)(FT(fill)(part[j]), FT(load)(q[j] + i), a);
                b = FT(multiply_add)(FT(fill)(part[j + 1]), FT(load)(q[j + 1] + i), b);
            }
            FT(store)(out + i, FT(add)(a, b));
        }
    }
    return squares;
}

/* Set out to -(unobserved D + penalty I) v, where D is a diagonal matrix. */
static FT_INLINE void FT(multiply_diagonal)(real *out, const real *v, const real *diagonal,
                                            const ft_row_weights *of_row, const ptrdiff_t width)
{
    const FT(vector) unobserved = FT(fill)((real)-of_row->unobserved);
    const FT(vector) penalty = FT(fill)((real)-of_row->penalty);
    for (ptrdiff_t i = 0; i < width; i += FT(LANES)) {
        FT(vector) factor = FT(multiply_add)(unobserved, FT(load)(diagonal + i), penalty);
        FT(store)(out + i, FT(multiply)(factor, FT(load)(v + i)));
    }
}

/* Take steps of the preconditioned conjugate gradient method from x towards the minimum of

       f(x) = Σ w (1 - q·x)² + x·(unobserved D + penalty I) x

   where D is a diagonal matrix, and return f(x). The preconditioner is the inverse of
   (unobserved + observed) D + penalty I. The work is 4 rows of factors. */
static FT_INLINE double FT(take_steps)(real *x, const real *diagonal, const ft_row_weights *of_row,
                                       const ft_interactions *row, const ptrdiff_t width,
                                       int n_steps, real *work)
{
    real *residual = work, *direction = work + width, *product = work + 2 * width;
    real *preconditioner = work + 3 * width;
    const real mean_weight = (real)(of_row->unobserved + of_row->observed);
    for (ptrdiff_t i = 0; i < width; i++)
        preconditioner[i] = 1 / (mean_weight * diagonal[i] + (real)of_row->penalty);
    FT(multiply_diagonal)(residual, x, diagonal, of_row, width);
    double value = -FT(dot)(x, residual, width, 0);
    value += FT(add_residuals)(residual, x, row, width, 1);
    for (ptrdiff_t i = 0; i < width; i += FT(LANES))
        FT(store)(direction + i,
                  FT(multiply)(FT(load)(preconditioner + i), FT(load)(residual + i)));
    real square = FT(dot)(residual, direction, width, 0);
    for (int step = 0; step < n_steps; step++) {
        FT(multiply_diagonal)(product, direction, diagonal, of_row, width);
        FT(add_residuals)(product, direction, row, width, 0);
        const real curvature = -FT(dot)(direction, product, width, 0);
        if (!(curvature > 0)) break;
        const real length = square / curvature;
        FT(vector) sum = FT(fill)(0);
        for (ptrdiff_t i = 0; i < width; i += FT(LANES)) {
            const FT(vector) l = FT(fill)(length);
            FT(store)(x + i, FT(multiply_add)(l, FT(load)(direction + i), FT(load)(x + i)));
            const FT(vector) r = FT(multiply_add)(l, FT(load)(product + i), FT(load)(residual + i));
            const FT(vector) z = FT(multiply)(FT(load)(preconditioner + i), r);
            FT(store)(residual + i, r);
            FT(store)(product + i, z);
            sum = FT(multiply_add)(r, z, sum);
        }
        value -= (double)length * square;
        const real next = FT(sum)(sum);
        const FT(vector) ratio = FT(fill)(next / square);
        for (ptrdiff_t i = 0; i < width; i += FT(LANES))
            FT(store)(direction + i, FT(multiply_add)(ratio, FT(load)(direction + i),
                                                      FT(load)(product + i)));
        square = next;
    }
    return value;
}

/* The same, with copies of the loops for common numbers of factors. */
static inline double FT(improve)(real *x, const real *diagonal, const ft_row_weights *of_row,
                                 const ft_interactions *row, ptrdiff_t width, int n_steps,
                                 real *work)
{
    switch (width) {
    case 64:
        return FT(take_steps)(x, diagonal, of_row, row, 64, n_steps, work);
    case 128:
        return FT(take_steps)(x, diagonal, of_row, row, 128, n_steps, work);
    default:
        return FT(take_steps)(x, diagonal, of_row, row, width, n_steps, work);
    }
}

#endif
