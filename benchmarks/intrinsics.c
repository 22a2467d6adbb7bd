/* The same loop as in tile_loop.c, written by hand for one instruction set, with the number of
   factors known at compile time: what the kernel is measured against. */
#include <immintrin.h>

#include "tiles.h"

#ifdef __AVX512F__
typedef __m512 vector;
#define OF(operation) _mm512_##operation##_ps
enum { LANES = 16, HELD = 12 };
static inline float sum(__m512 x)
{
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 z = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    z = _mm_add_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
#else
typedef __m256 vector;
#define OF(operation) _mm256_##operation##_ps
enum { LANES = 8, HELD = 4 };
static inline float sum(__m256 y)
{
    __m128 z = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    z = _mm_add_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
#endif

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

#ifndef CODED
#define CODED 1 /* whether ratings have codes */
#endif
#ifndef SUMS
#define SUMS 0 /* partial sums of a dot product; 0 to choose by the number of vectors */
#endif
#ifndef BYTES_AHEAD
#define BYTES_AHEAD 8192 /* of rows between a prefetch and its use */
#endif

enum { BIAS, RATE, DECAY, BIAS_DECAY, COLUMNS };

static inline __attribute__((always_inline)) double
train_tile(const tiles *all, ptrdiff_t tile, const int K)
{
    const int n = K / LANES, n_sums = SUMS ? (SUMS < n ? SUMS : n) : n >= 8 ? 4 : n >= 4 ? 2 : 1;
    const int fits = 8 * K > BYTES_AHEAD / 2 ? 2 : BYTES_AHEAD / (8 * K);
    const int ahead = fits > 32 ? 32 : fits;
    const uint16_t *pairs = all->pairs;
    ptrdiff_t u = all->first_users[tile], i = all->first_items[tile];
    float *P = all->P + K * u, *Q = all->Q + K * i;
    float *users = all->users + COLUMNS * u, *items = all->items + COLUMNS * i;
    const float *next_P = P, *next_Q = Q;
    double squared = 0;
    ptrdiff_t t = all->starts[tile], end = all->starts[tile + 1], stop = end - ahead;
    for (int part = 0; part < 2; part++) {
        for (; t < stop; t++) {
            const float *next_p = next_P + K * (ptrdiff_t)pairs[2 * (t + ahead)];
            const float *next_q = next_Q + K * (ptrdiff_t)pairs[2 * (t + ahead) + 1];
            UNROLL for (int k = 0; k < K; k += 16)
            {
                __builtin_prefetch(next_p + k, 1, 3);
                __builtin_prefetch(next_q + k, 1, 3);
            }
            u = pairs[2 * t];
            i = pairs[2 * t + 1];
            float *p = P + K * u, *q = Q + K * i;
            float *a = users + COLUMNS * u, *b = items + COLUMNS * i;
            vector x[HELD], y[HELD], sums[8];
            UNROLL for (int k = 0; k < n; k++)
            {
                vector x_k = OF(load)(p + LANES * k), y_k = OF(load)(q + LANES * k);
                if (n <= HELD) x[k] = x_k, y[k] = y_k;
                sums[k % n_sums] = k < n_sums ? OF(mul)(x_k, y_k)
                                              : OF(fmadd)(x_k, y_k, sums[k % n_sums]);
            }
            UNROLL for (int k = 1; k < n_sums; k++) sums[0] = OF(add)(sums[0], sums[k]);
            float rating = CODED ? all->levels[all->codes[t]] : all->values[t];
            float e = rating - (a[BIAS] + b[BIAS]) - sum(sums[0]);
            float p_step = a[RATE] * e, q_step = b[RATE] * e;
            vector ps = OF(set1)(p_step), pd = OF(set1)(a[DECAY]);
            vector qs = OF(set1)(q_step), qd = OF(set1)(b[DECAY]);
            a[BIAS] = a[BIAS_DECAY] * a[BIAS] + p_step;
            b[BIAS] = b[BIAS_DECAY] * b[BIAS] + q_step;
            UNROLL for (int k = 0; k < n; k++)
            {
                vector x_k = n <= HELD ? x[k] : OF(load)(p + LANES * k);
                vector y_k = n <= HELD ? y[k] : OF(load)(q + LANES * k);
                OF(store)(p + LANES * k, OF(fmadd)(ps, y_k, OF(mul)(pd, x_k)));
                OF(store)(q + LANES * k, OF(fmadd)(qs, x_k, OF(mul)(qd, y_k)));
            }
            squared += (double)e * e;
        }
        next_P = all->P + K * (ptrdiff_t)all->first_users[tile + 1];
        next_Q = all->Q + K * (ptrdiff_t)all->first_items[tile + 1];
        stop = end;
    }
    return squared;
}

#define CASE(K)                                                        \
    case K:                                                            \
        for (; tile < end; tile++) squared += train_tile(all, tile, K); \
        return squared;

double train(const tiles *all, ptrdiff_t tile, ptrdiff_t end, ptrdiff_t n_factors)
{
    double squared = 0;
    switch (n_factors) {
        CASE(16)
        CASE(32)
        CASE(48)
        CASE(64)
        CASE(128)
        CASE(256)
    }
    return -1;
}
