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
   weights, or null if these are 1. The first rows are copied to packed, as far as its capacity
   allows. */
typedef struct {
    const int32_t *others;
    const void *weights;
    const void *factors;
    ptrdiff_t n;
    void *packed;
    ptrdiff_t capacity;
} ft_interactions;

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

/* Set out to -(base + penalty I) v. Of the symmetric matrix, the blocks on the diagonal and those to
   the right are read, and each of the latter is used twice. */
static FT_INLINE void FT(multiply_base)(real *out, const real *v, const real *base, real penalty,
                                        const ptrdiff_t width)
{
    enum { R = FT_ROWS, L = FT(LANES) };
    for (ptrdiff_t i = 0; i < width; i += L)
        FT(store)(out + i, FT(multiply)(FT(fill)(-penalty), FT(load)(v + i)));
    for (ptrdiff_t k = 0; k < width; k += R) {
        const ptrdiff_t block = k - k % FT_LANE;
        const real *rows = base + k * width;
        real part[R];
        FT(vector) sum[R];
        FT_UNROLL for (int j = 0; j < R; j++) sum[j] = FT(fill)(0);
        for (ptrdiff_t i = block; i < width; i += L) {
            const FT(vector) v_i = i < block + FT_LANE ? FT(fill)(0) : FT(load)(v + i);
            FT(vector) a = FT(load)(out + i), b = FT(fill)(0);
            FT_UNROLL for (int j = 0; j < R; j += 2) {
                const FT(vector) x = FT(load)(rows + j * width + i);
                const FT(vector) y = FT(load)(rows + (j + 1) * width + i);
                a = FT(multiply_add)(FT(fill)(-v[k + j]), x, a);
                b = FT(multiply_add)(FT(fill)(-v[k + j + 1]), y, b);
                sum[j] = FT(multiply_add)(x, v_i, sum[j]);
                sum[j + 1] = FT(multiply_add)(y, v_i, sum[j + 1]);
            }
            FT(store)(out + i, FT(add)(a, b));
        }
        FT(four_sums)(sum, part);
        FT(four_sums)(sum + 4, part + 4);
        FT_UNROLL for (int j = 0; j < R; j++) out[k + j] -= part[j];
    }
}

/* Add Σ w (target - q·v) q to out, and return Σ w (target - q·v)². The first pass over a row copies
   its q. */
static FT_INLINE double FT(add_residuals)(real *out, const real *v, const ft_interactions *row,
                                          const ptrdiff_t width, const int is_first)
{
    enum { R = FT_ROWS, L = FT(LANES) };
    const real *factors = (const real *)row->factors, *weights = (const real *)row->weights;
    const real target = is_first;
    real *packed = (real *)row->packed;
    const ptrdiff_t ahead = width * (ptrdiff_t)sizeof(real) > 256 ? R : 2 * R;
    double squares = 0;
    for (ptrdiff_t t = 0; t < row->n; t += R) {
        const real *q[R];
        real part[R], w[R];
        FT(vector) sum[R];
        const int n = row->n - t < R ? (int)(row->n - t) : R;
        if (!is_first && t + R <= row->capacity)
            FT_UNROLL for (int j = 0; j < R; j++) q[j] = packed + (t + j) * width;
        else {
            for (ptrdiff_t j = t + ahead; j < t + ahead + R && j < row->n; j++)
                for (ptrdiff_t i = 0; i < width; i += FT_LINE / (ptrdiff_t)sizeof(real))
                    FT_PREFETCH_SHARED(factors + row->others[j] * width + i);
            for (int j = 0; j < R; j++)
                q[j] = factors + row->others[t + (j < n ? j : 0)] * width;
        }
        FT_UNROLL for (int j = 0; j < R; j++) w[j] = j < n ? 1 : 0;
        if (weights)
            for (int j = 0; j < n; j++) w[j] = weights[t + j];
        FT_UNROLL for (int j = 0; j < R; j++) sum[j] = FT(fill)(0);
        if (is_first && t + R <= row->capacity)
            for (ptrdiff_t i = 0; i < width; i += L) {
                const FT(vector) v_i = FT(load)(v + i);
                FT_UNROLL for (int j = 0; j < R; j++) {
                    const FT(vector) q_i = FT(load)(q[j] + i);
                    FT(store)(packed + (t + j) * width + i, q_i);
                    sum[j] = FT(multiply_add)(q_i, v_i, sum[j]);
                }
            }
        else
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

/* Take steps of the conjugate gradient method from x towards the minimum of

       f(x) = Σ w (1 - q·x)² + x·(base + penalty I) x

   and return f(x). The work is 3 rows of factors. */
static FT_INLINE double FT(take_steps)(real *x, const real *base, real penalty,
                                       const ft_interactions *row, const ptrdiff_t width,
                                       int n_steps, real *work)
{
    real *residual = work, *direction = work + width, *product = work + 2 * width;
    FT(multiply_base)(residual, x, base, penalty, width);
    double value = -FT(dot)(x, residual, width, 0);
    value += FT(add_residuals)(residual, x, row, width, 1);
    memcpy(direction, residual, width * sizeof(real));
    real square = FT(dot)(residual, residual, width, 0);
    for (int step = 0; step < n_steps; step++) {
        FT(multiply_base)(product, direction, base, penalty, width);
        FT(add_residuals)(product, direction, row, width, 0);
        const real curvature = -FT(dot)(direction, product, width, 0);
        if (!(curvature > 0)) break;
        const real length = square / curvature;
        for (ptrdiff_t i = 0; i < width; i += FT(LANES)) {
            const FT(vector) l = FT(fill)(length);
            FT(store)(x + i, FT(multiply_add)(l, FT(load)(direction + i), FT(load)(x + i)));
            FT(store)(residual + i,
                      FT(multiply_add)(l, FT(load)(product + i), FT(load)(residual + i)));
        }
        value -= (double)length * square;
        const real next = FT(dot)(residual, residual, width, 0);
        const FT(vector) ratio = FT(fill)(next / square);
        for (ptrdiff_t i = 0; i < width; i += FT(LANES))
            FT(store)(direction + i, FT(multiply_add)(ratio, FT(load)(direction + i),
                                                      FT(load)(residual + i)));
        square = next;
    }
    return value;
}

/* The same, with copies of the loops for common numbers of factors. */
static inline double FT(improve)(real *x, const real *base, double penalty,
                                 const ft_interactions *row, ptrdiff_t width, int n_steps,
                                 real *work)
{
    switch (width) {
    case 64:
        return FT(take_steps)(x, base, (real)penalty, row, 64, n_steps, work);
    case 128:
        return FT(take_steps)(x, base, (real)penalty, row, 128, n_steps, work);
    default:
        return FT(take_steps)(x, base, (real)penalty, row, width, n_steps, work);
    }
}

#endif
