/* The inner loops of the kernels, over rows of factors.

   Each loop is written once, for the type `real`, and compiled for float and for double: the body
   below includes this file twice. A kernel calls ft_dot(p, …), which stands for ft_dot_float or
   ft_dot_double by the type of its first argument.

   No loop is left to the vectorizers of the compilers, which differ. Rows of factors in training
   hold a multiple of 16 numbers, so they consist of whole vectors; only ft_dot takes rows of any
   length. */
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
#define ft_train_tile(P, ...) FT_OF_POINTER(ft_train_tile, P)(P, __VA_ARGS__)
#define ft_update_general(p, ...) FT_OF_POINTER(ft_update_general, p)(p, __VA_ARGS__)
#define ft_add_row(p, ...) FT_OF_POINTER(ft_add_row, p)(p, __VA_ARGS__)
#define ft_combine(p, ...) FT_OF_POINTER(ft_combine, p)(p, __VA_ARGS__)
#define ft_distribute(p, ...) FT_OF_POINTER(ft_distribute, p)(p, __VA_ARGS__)
#define ft_product(p, ...) FT_OF_POINTER(ft_product, p)(p, __VA_ARGS__)
#define ft_shrink(x, ...) FT_OF_NUMBER(x, ft_shrink_float, ft_shrink_double)(x, __VA_ARGS__)
#define ft_exp(x) FT_OF_NUMBER(x, expf, exp)(x)
#define ft_sqrt(x) FT_OF_NUMBER(x, sqrtf, sqrt)(x)

/* The blocked product multiplies FT_GROUP rows of users by a panel of items, FT_VECTORS vectors
   wide, with the sums in registers. */
#if defined(__AVX512F__)
#define FT_VECTOR_BYTES 64
#define FT_REGISTERS 32
#define FT_GROUP 8 /* 8 × 3 vectors are 24 of 32 registers */
#elif defined(__AVX2__)
#define FT_VECTOR_BYTES 32
#define FT_REGISTERS 16
#define FT_GROUP 4 /* 4 × 3 vectors are 12 of 16 registers */
#elif defined(__aarch64__) || defined(_M_ARM64)
#define FT_VECTOR_BYTES 16
#define FT_REGISTERS 32
#define FT_GROUP 8
#else
#define FT_VECTOR_BYTES 16
#define FT_REGISTERS 16
#define FT_GROUP 4
#endif
#define FT_VECTORS 3
#define FT_PANEL_BYTES (FT_VECTORS * FT_VECTOR_BYTES)

/* An update holds two rows in registers if these are at most so many vectors each. The others are
   for two decays, two steps, and intermediate results. */
#define FT_HELD ((FT_REGISTERS - 8) / 2)

#if FT_X86_64
#include <immintrin.h>
static FT_INLINE float ft_sum_16_float(__m128 x)
{
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
static FT_INLINE double ft_sum_16_double(__m128d x)
{
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}
#if FT_VECTOR_BYTES > 16
static FT_INLINE float ft_sum_32_float(__m256 x)
{
    return ft_sum_16_float(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
}
static FT_INLINE double ft_sum_32_double(__m256d x)
{
    return ft_sum_16_double(_mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1)));
}
#endif
#if FT_VECTOR_BYTES == 64
static FT_INLINE float ft_sum_64_float(__m512 x)
{
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
    return ft_sum_32_float(_mm256_add_ps(_mm512_castps512_ps256(x), high));
}
static FT_INLINE double ft_sum_64_double(__m512d x)
{
    return ft_sum_32_double(
        _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1)));
}
#define FT_X86_NAME(operation, type) _mm512_##operation##_##type
#define FT_X86_VECTOR(type) __m512##type
#elif FT_VECTOR_BYTES == 32
#define FT_X86_NAME(operation, type) _mm256_##operation##_##type
#define FT_X86_VECTOR(type) __m256##type
#else
#define FT_X86_NAME(operation, type) _mm_##operation##_##type
#define FT_X86_VECTOR(type) __m128##type
#endif
#endif

/* The ratings of a schedule: of each, the positions of its user and its item after the first of its
   tile, and either a code, which is the index of its value in levels, or a value that is still to
   be standardized. The other pointers are null. */
typedef struct {
    const uint16_t *pairs;
    const uint8_t *codes8;
    const uint16_t *codes16;
    const void *levels;
    const void *values;
    double centre, scale;
} ft_ratings;

/* The first rows of a tile: factors and columns of its users and items. */
typedef struct {
    void *P, *Q, *users, *items;
} ft_tile_rows;

enum { FT_BIAS, FT_RATE, FT_DECAY, FT_BIAS_DECAY, FT_COLUMNS }; /* the columns */

enum {
    FT_LANE = 16,          /* rows are padded to a multiple of this many factors */
    FT_LINE = 64,          /* bytes of a cache line */
    FT_BYTES_AHEAD = 8192, /* bytes of rows between a prefetch and its use */
    FT_MAX_AHEAD = 32,     /* maximum number of updates between them */
    FT_SUMS = 4            /* partial sums of a dot product: an addition takes four cycles */
};

#define real float
#define FT(name) ft_##name##_float
#define FT_X86(operation) FT_X86_NAME(operation, ps)
#define FT_X86_TYPE FT_X86_VECTOR()
#include "inner_loops.h"
#undef real
#undef FT
#undef FT_X86
#undef FT_X86_TYPE

#define real double
#define FT(name) ft_##name##_double
#define FT_X86(operation) FT_X86_NAME(operation, pd)
#define FT_X86_TYPE FT_X86_VECTOR(d)
#include "inner_loops.h"
#undef real
#undef FT
#undef FT_X86
#undef FT_X86_TYPE

#elif defined(real) /* The body. */

#include "vectors.h"

enum { FT(LANES) = sizeof(FT(vector)) / sizeof(real) };

/* Return start + p·q, for rows of any length. */
static inline real FT(dot)(const real *p, const real *q, ptrdiff_t n, real start)
{
    const ptrdiff_t lanes = FT(LANES), stride = FT_SUMS * lanes;
    FT(vector) sum[FT_SUMS];
    ptrdiff_t k = 0;
    FT_UNROLL for (int s = 0; s < FT_SUMS; s++) sum[s] = FT(fill)(0);
    for (; k + stride <= n; k += stride)
        FT_UNROLL for (int s = 0; s < FT_SUMS; s++)
            sum[s] = FT(multiply_add)(FT(load)(p + k + s * lanes),
                                      FT(load)(q + k + s * lanes), sum[s]);
    if (k > 0) sum[0] = FT(add)(FT(add)(sum[0], sum[1]), FT(add)(sum[2], sum[3]));
    for (; k + lanes <= n; k += lanes)
        sum[0] = FT(multiply_add)(FT(load)(p + k), FT(load)(q + k), sum[0]);
#if FT_X86_64 && FT_VECTOR_BYTES > 16
    if (k < n)
        sum[0] = FT(multiply_add)(FT(load_first)(p + k, n - k), FT(load_first)(q + k, n - k),
                                  sum[0]);
#else
    for (; k < n; k++) start += p[k] * q[k];
#endif
    return start + FT(sum)(sum[0]);
}

/* Return the sum of 1, 2 or 4 vectors. */
static FT_INLINE real FT(total)(const FT(vector) *x, int n)
{
    if (n == 1) return FT(sum)(x[0]);
    if (n == 2) return FT(sum)(FT(add)(x[0], x[1]));
    return FT(sum)(FT(add)(FT(add)(x[0], x[2]), FT(add)(x[1], x[3])));
}

/* Update the rows of a user and an item, p and q, and their biases for one rating:

       e = rating - b_u - b_i - p·q
       p ← decay p + rate e q;   q ← decay q + rate e p_old;   b ← bias_decay b + ratio rate e

   Return e. If n is a constant and the rows fit, they stay in registers from the product to the
   update. The loops up to FT_HELD have constant bounds, so every compiler unrolls them. */
static FT_INLINE real FT(update)(real *p, real *q, const ptrdiff_t n, const int is_constant,
                                 real rating, real *user, real *item, real user_ratio,
                                 real item_ratio)
{
    const ptrdiff_t lanes = FT(LANES), n_vectors = n / lanes;
    const int held = is_constant && n_vectors <= FT_HELD;
    const int n_sums = n_vectors < 4 ? 1 : n_vectors < 8 || n_vectors % 4 ? 2 : 4;
    FT(vector) x[FT_HELD], y[FT_HELD], sum[FT_SUMS];
    ptrdiff_t k;
    real error = rating - (user[FT_BIAS] + item[FT_BIAS]);
    if (held) {
        FT_UNROLL for (k = 0; k < FT_HELD; k++)
            if (k < n_vectors) {
                x[k] = FT(load)(p + k * lanes);
                y[k] = FT(load)(q + k * lanes);
            }
        FT_UNROLL for (k = 0; k < FT_SUMS; k++)
            if (k < n_sums) sum[k] = FT(multiply)(x[k], y[k]);
        FT_UNROLL for (k = 1; k < FT_HELD; k++)
            if (k >= n_sums && k < n_vectors)
                sum[k % n_sums] = FT(multiply_add)(x[k], y[k], sum[k % n_sums]);
        error -= FT(total)(sum, n_sums);
    } else if (is_constant) {
        FT_UNROLL for (k = 0; k < FT_SUMS; k++)
            if (k < n_sums)
                sum[k] = FT(multiply)(FT(load)(p + k * lanes), FT(load)(q + k * lanes));
        for (k = n_sums; k < n_vectors; k += n_sums)
            FT_UNROLL for (int s = 0; s < FT_SUMS; s++)
                if (s < n_sums)
                    sum[s] = FT(multiply_add)(FT(load)(p + (k + s) * lanes),
                                              FT(load)(q + (k + s) * lanes), sum[s]);
        error -= FT(total)(sum, n_sums);
    } else {
        error -= FT(dot)(p, q, n, 0);
    }
    real user_step = user[FT_RATE] * error, item_step = item[FT_RATE] * error;
    FT(vector) p_step = FT(fill)(user_step), p_decay = FT(fill)(user[FT_DECAY]);
    FT(vector) q_step = FT(fill)(item_step), q_decay = FT(fill)(item[FT_DECAY]);
    user[FT_BIAS] = user[FT_BIAS_DECAY] * user[FT_BIAS] + user_ratio * user_step;
    item[FT_BIAS] = item[FT_BIAS_DECAY] * item[FT_BIAS] + item_ratio * item_step;
    if (held) {
        FT_UNROLL for (k = 0; k < FT_HELD; k++)
            if (k < n_vectors) {
                FT(store)(p + k * lanes,
                          FT(multiply_add)(p_step, y[k], FT(multiply)(p_decay, x[k])));
                FT(store)(q + k * lanes,
                          FT(multiply_add)(q_step, x[k], FT(multiply)(q_decay, y[k])));
            }
    } else {
        for (k = 0; k < n; k += FT_LANE)
            FT_UNROLL for (ptrdiff_t j = k; j < k + FT_LANE; j += lanes) {
                FT(vector) p_j = FT(load)(p + j), q_j = FT(load)(q + j);
                FT(store)(p + j, FT(multiply_add)(p_step, q_j, FT(multiply)(p_decay, p_j)));
                FT(store)(q + j, FT(multiply_add)(q_step, p_j, FT(multiply)(q_decay, q_j)));
            }
    }
    return error;
}

/* Update once for each rating of a tile; return the sum of the squared errors. */
static FT_INLINE double FT(update_tile)(const ft_ratings *ratings, ptrdiff_t t, ptrdiff_t stop,
                                        const ft_tile_rows *tile, const ft_tile_rows *next,
                                        const ptrdiff_t n, const int is_constant,
                                        real user_ratio, real item_ratio)
{
    const ptrdiff_t n_bytes = n * (ptrdiff_t)sizeof(real);
    const ptrdiff_t ahead = 2 * n_bytes * FT_MAX_AHEAD <= FT_BYTES_AHEAD ? FT_MAX_AHEAD
                            : 4 * n_bytes >= FT_BYTES_AHEAD             ? 2
                                                            : FT_BYTES_AHEAD / (2 * n_bytes);
    const uint16_t *pairs = ratings->pairs;
    const uint8_t *codes8 = ratings->codes8;
    const uint16_t *codes16 = ratings->codes16;
    const real *levels = (const real *)ratings->levels, *values = (const real *)ratings->values;
    const double centre = ratings->centre, scale = ratings->scale;
    real *P = (real *)tile->P, *Q = (real *)tile->Q;
    real *users = (real *)tile->users, *items = (real *)tile->items;
    double squared = 0;
    for (int is_end = 0; is_end < 2; is_end++) { /* the last ones prefetch rows of the next tile */
        const char *P_ahead = (const char *)(is_end ? next->P : tile->P);
        const char *Q_ahead = (const char *)(is_end ? next->Q : tile->Q);
        for (ptrdiff_t end = is_end ? stop : stop - ahead; t < end; t++) {
            const char *p_ahead = P_ahead + n_bytes * pairs[2 * (t + ahead)];
            const char *q_ahead = Q_ahead + n_bytes * pairs[2 * (t + ahead) + 1];
            for (ptrdiff_t k = 0; k < n_bytes; k += FT_LINE) {
                FT_PREFETCH(p_ahead + k);
                FT_PREFETCH(q_ahead + k);
            }
            ptrdiff_t u = pairs[2 * t], i = pairs[2 * t + 1];
            real rating = codes8    ? levels[codes8[t]]
                          : codes16 ? levels[codes16[t]]
                                    : (real)((values[t] - centre) / scale);
            real error = FT(update)(P + n * u, Q + n * i, n, is_constant, rating,
                                    users + FT_COLUMNS * u, items + FT_COLUMNS * i, user_ratio,
                                    item_ratio);
            squared += (double)error * error;
        }
    }
    return squared;
}

/* The same, with copies of the loops for common numbers of factors, which are a quarter to a half
   faster. The first argument chooses the type. */
static inline double FT(train_tile)(const real *type, const ft_ratings *ratings, ptrdiff_t t,
                                    ptrdiff_t stop, const ft_tile_rows *tile,
                                    const ft_tile_rows *next, ptrdiff_t n, real user_ratio,
                                    real item_ratio)
{
    (void)type;
#define FT_CASE(N)                                                                                \
    case N:                                                                                       \
        return FT(update_tile)(ratings, t, stop, tile, next, N, 1, user_ratio, item_ratio)
    switch (n) {
        FT_CASE(16);
        FT_CASE(32);
        FT_CASE(48);
        FT_CASE(64);
        FT_CASE(80);
        FT_CASE(96);
        FT_CASE(112);
        FT_CASE(128);
        FT_CASE(192);
        FT_CASE(256);
    default:
        return FT(update_tile)(ratings, t, stop, tile, next, n, 0, user_ratio, item_ratio);
    }
#undef FT_CASE
}

/* Return x moved towards 0 by at most cut, and not below minimum. NaN fails every comparison and
   stays NaN. */
static inline real FT(shrink)(real x, real cut, real minimum)
{
    x -= x > cut ? cut : x < -cut ? -cut : x;
    return x < minimum ? minimum : x;
}

static FT_INLINE FT(vector) FT(shrink_vector)(FT(vector) x, real cut, real minimum)
{
    FT(vector) change = FT(minimum)(FT(maximum)(x, FT(fill)(-cut)), FT(fill)(cut));
    return FT(maximum)(FT(subtract)(x, change), FT(fill)(minimum));
}

static FT_INLINE void FT(update_proximal)(real *p, real *q, ptrdiff_t n, real error,
                                          const real *rate, const real *l2, const real *cut,
                                          real minimum, const int proximal, real *squares)
{
    FT(vector) e = FT(fill)(error), p_square = FT(fill)(0), q_square = FT(fill)(0);
    for (ptrdiff_t k = 0; k < n; k += FT(LANES)) {
        FT(vector) x = FT(load)(p + k), y = FT(load)(q + k);
        FT(vector) p_gradient = FT(multiply_add)(e, y, FT(multiply)(FT(fill)(-l2[0]), x));
        FT(vector) q_gradient = FT(multiply_add)(e, x, FT(multiply)(FT(fill)(-l2[1]), y));
        p_square = FT(multiply_add)(p_gradient, p_gradient, p_square);
        q_square = FT(multiply_add)(q_gradient, q_gradient, q_square);
        x = FT(multiply_add)(FT(fill)(rate[0]), p_gradient, x);
        y = FT(multiply_add)(FT(fill)(rate[1]), q_gradient, y);
        FT(store)(p + k, proximal ? FT(shrink_vector)(x, cut[0], minimum) : x);
        FT(store)(q + k, proximal ? FT(shrink_vector)(y, cut[1], minimum) : y);
    }
    squares[0] = FT(sum)(p_square);
    squares[1] = FT(sum)(q_square);
}

/* Update a row of P and a row of Q by their negative gradients, and write the squared length of each
   gradient. In the arrays, entry 0 is for the user factors and entry 1 for the item factors. */
static inline void FT(update_general)(real *p, real *q, ptrdiff_t n, real error, const real *rate,
                                      const real *l2, const real *cut, real minimum, int proximal,
                                      real *squares)
{
    if (proximal)
        FT(update_proximal)(p, q, n, error, rate, l2, cut, minimum, 1, squares);
    else
        FT(update_proximal)(p, q, n, error, rate, l2, cut, minimum, 0, squares);
}

/* Add one row to another. */
static inline void FT(add_row)(real *target, const real *source, ptrdiff_t n)
{
    for (ptrdiff_t k = 0; k < n; k += FT(LANES))
        FT(store)(target + k, FT(add)(FT(load)(target + k), FT(load)(source + k)));
}

/* Set a row of P to own + norm · work, and copy it to work. */
static inline void FT(combine)(real *p, const real *own, real *work, ptrdiff_t n, real norm)
{
    for (ptrdiff_t k = 0; k < n; k += FT(LANES)) {
        FT(vector) x = FT(multiply_add)(FT(fill)(norm), FT(load)(work + k), FT(load)(own + k));
        FT(store)(p + k, x);
        FT(store)(work + k, x);
    }
}

/* Distribute the change of a row of P since it was copied to work:

       own ← decay (own + own_part (p - work));   work ← work_part (p - work) */
static inline void FT(distribute)(const real *p, real *own, real *work, ptrdiff_t n, real decay,
                                  real own_part, real work_part)
{
    for (ptrdiff_t k = 0; k < n; k += FT(LANES)) {
        FT(vector) change = FT(subtract)(FT(load)(p + k), FT(load)(work + k));
        FT(vector) x = FT(multiply_add)(FT(fill)(own_part), change, FT(load)(own + k));
        FT(store)(own + k, FT(multiply)(FT(fill)(decay), x));
        FT(store)(work + k, FT(multiply)(FT(fill)(work_part), change));
    }
}

/* Multiply a group of users by a panel of items.

   users: [factor][FT_GROUP]; panel: the initial value of each sum, then [factor][panel width];
   out: [FT_GROUP][panel width]. */
static inline void FT(product)(const real *users, const real *panel, ptrdiff_t n_factors, real *out)
{
    enum { WIDTH = FT_PANEL_BYTES / sizeof(real), N = WIDTH / FT(LANES) };
    FT(vector) sum[FT_GROUP][N];
    FT_UNROLL for (int u = 0; u < FT_GROUP; u++)
        FT_UNROLL for (int i = 0; i < N; i++) sum[u][i] = FT(load)(panel + i * FT(LANES));
    for (ptrdiff_t k = 0; k < n_factors; k++) {
        panel += WIDTH;
        FT_UNROLL for (int u = 0; u < FT_GROUP; u++)
            FT_UNROLL for (int i = 0; i < N; i++)
                sum[u][i] = FT(multiply_add)(FT(fill)(users[u]),
                                             FT(load)(panel + i * FT(LANES)), sum[u][i]);
        users += FT_GROUP;
    }
    FT_UNROLL for (int u = 0; u < FT_GROUP; u++)
        FT_UNROLL for (int i = 0; i < N; i++) FT(store)(out + u * WIDTH + i * FT(LANES), sum[u][i]);
}

#endif
