/* Vectors of `real`, and the operations on them.

   inner_loops.h includes this file twice, with `real` defined as float and as double. On x86-64 all
   compilers get the same intrinsics. For other processors gcc and clang have vector types, and any
   other compiler gets vectors of one number. Addresses need not be aligned. */

#if FT_X86_64

typedef FT_X86_TYPE FT(vector);

static FT_INLINE FT(vector) FT(load)(const real *p) { return FT_X86(loadu)(p); }
static FT_INLINE void FT(store)(real *p, FT(vector) x) { FT_X86(storeu)(p, x); }
static FT_INLINE FT(vector) FT(fill)(real x) { return FT_X86(set1)(x); }
static FT_INLINE FT(vector) FT(add)(FT(vector) x, FT(vector) y) { return FT_X86(add)(x, y); }
static FT_INLINE FT(vector) FT(subtract)(FT(vector) x, FT(vector) y) { return FT_X86(sub)(x, y); }
static FT_INLINE FT(vector) FT(multiply)(FT(vector) x, FT(vector) y) { return FT_X86(mul)(x, y); }
static FT_INLINE FT(vector) FT(multiply_add)(FT(vector) x, FT(vector) y, FT(vector) z)
{
#if FT_VECTOR_BYTES > 16
    return FT_X86(fmadd)(x, y, z);
#else
    return FT_X86(add)(FT_X86(mul)(x, y), z);
#endif
}

/* The larger, or smaller, of x and y, or x where it is NaN: then the instruction returns its second
   operand. */
static FT_INLINE FT(vector) FT(maximum)(FT(vector) x, FT(vector) y) { return FT_X86(max)(y, x); }
static FT_INLINE FT(vector) FT(minimum)(FT(vector) x, FT(vector) y) { return FT_X86(min)(y, x); }

/* Load n numbers, fewer than a vector has, and zeros. */
#if FT_VECTOR_BYTES == 64
static FT_INLINE FT(vector) FT(load_first)(const real *p, ptrdiff_t n)
{
    return FT_X86(maskz_loadu)((1u << n) - 1, p);
}
#elif FT_VECTOR_BYTES == 32
static FT_INLINE FT(vector) FT(load_first)(const real *p, ptrdiff_t n)
{
    static const int32_t ones_and_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t *mask = ones_and_zeros + 8 - n * (ptrdiff_t)(sizeof(real) / sizeof(int32_t));
    return FT_X86(maskload)(p, _mm256_loadu_si256((const __m256i *)mask));
}
#endif

static FT_INLINE real FT(sum)(FT(vector) x)
{
#if FT_VECTOR_BYTES == 64
    return FT(sum_64)(x);
#elif FT_VECTOR_BYTES == 32
    return FT(sum_32)(x);
#else
    return FT(sum_16)(x);
#endif
}

#elif defined(__GNUC__)

typedef real FT(vector) __attribute__((vector_size(FT_VECTOR_BYTES)));
typedef real FT(vector_in_memory)
    __attribute__((vector_size(FT_VECTOR_BYTES), aligned(sizeof(real)), may_alias));

static FT_INLINE FT(vector) FT(load)(const real *p) { return *(const FT(vector_in_memory) *)p; }
static FT_INLINE void FT(store)(real *p, FT(vector) x) { *(FT(vector_in_memory) *)p = x; }
static FT_INLINE FT(vector) FT(fill)(real x) { return x - (FT(vector)){0}; }
static FT_INLINE FT(vector) FT(add)(FT(vector) x, FT(vector) y) { return x + y; }
static FT_INLINE FT(vector) FT(subtract)(FT(vector) x, FT(vector) y) { return x - y; }
static FT_INLINE FT(vector) FT(multiply)(FT(vector) x, FT(vector) y) { return x * y; }
static FT_INLINE FT(vector) FT(multiply_add)(FT(vector) x, FT(vector) y, FT(vector) z)
{
    return x * y + z;
}

/* A comparison gives integers with all bits or none. */
#define FT_CHOOSE(mask, x, y) \
    (FT(vector))(((mask) & (__typeof__(mask))(x)) | (~(mask) & (__typeof__(mask))(y)))
static FT_INLINE FT(vector) FT(maximum)(FT(vector) x, FT(vector) y)
{
    return FT_CHOOSE(y > x, y, x);
}
static FT_INLINE FT(vector) FT(minimum)(FT(vector) x, FT(vector) y)
{
    return FT_CHOOSE(y < x, y, x);
}
#undef FT_CHOOSE

static FT_INLINE real FT(sum)(FT(vector) x)
{
    real total = 0;
    for (size_t k = 0; k < sizeof x / sizeof(real) / 2; k++)
        total += x[k] + x[k + sizeof x / sizeof(real) / 2];
    return total;
}

#else

typedef real FT(vector);

static FT_INLINE real FT(load)(const real *p) { return *p; }
static FT_INLINE void FT(store)(real *p, real x) { *p = x; }
static FT_INLINE real FT(fill)(real x) { return x; }
static FT_INLINE real FT(add)(real x, real y) { return x + y; }
static FT_INLINE real FT(subtract)(real x, real y) { return x - y; }
static FT_INLINE real FT(multiply)(real x, real y) { return x * y; }
static FT_INLINE real FT(multiply_add)(real x, real y, real z) { return x * y + z; }
static FT_INLINE real FT(maximum)(real x, real y) { return y > x ? y : x; }
static FT_INLINE real FT(minimum)(real x, real y) { return y < x ? y : x; }
static FT_INLINE real FT(sum)(real x) { return x; }

#endif
