"""Kernel of the eigenvalues and eigenvectors of a symmetric matrix.

A BLAS has this, too, but its result depends on the processor and on its own threads. References are
to Golub and Van Loan, "Matrix Computations" (4th edition, 2013). Loops only, as in the others.
Compiled once for each instruction set.
"""

from libc.float cimport DBL_EPSILON, DBL_MIN
from libc.math cimport copysign, fabs, hypot, sqrt
from libc.string cimport memset

cdef enum:
    MAX_STEPS = 30  # per eigenvalue; two are usual


def tridiagonalize(double[:, ::1] A, double[::1] diagonal, double[::1] beside,
                   double[:, ::1] vectors, double[:, ::1] work):
    """Multiply `vectors` by reflections H such that H A Hᵀ is tridiagonal (algorithm 8.3.1).

    A is overwritten; its largest element is about 1. `diagonal` gets the n elements of the
    diagonal, `beside` the n - 1 beside it. The work is two rows.
    """
    cdef Py_ssize_t n = A.shape[0], k, i
    cdef double *v = &work[0, 0]
    cdef double *w = &work[1, 0]
    cdef double head, tail, norm, beta, projection
    with nogil:
        for k in range(n - 1):
            diagonal[k] = A[k, k]
            head, tail = A[k, k + 1], 0
            for i in range(k + 2, n):
                v[i] = A[k, i]
                tail += v[i] * v[i]
            norm = sqrt(head * head + tail)
            if tail < DBL_MIN / DBL_EPSILON:  # nothing to be reflected
                beside[k] = head
                continue
            beside[k] = -copysign(norm, head)
            v[k + 1] = head - beside[k]
            beta = 1 / (norm * (norm + fabs(head)))  # 2 / v·v
            multiply(&A[0, 0], v, w, k + 1, k + 1, n)
            projection = 0
            for i in range(k + 1, n):
                projection += v[i] * w[i]
            for i in range(k + 1, n):
                w[i] = beta * (w[i] - 0.5 * beta * projection * v[i])
            for i in range(k + 1, n):
                subtract(&A[i, 0], w, v[i], k + 1, n)
                subtract(&A[i, 0], v, w[i], k + 1, n)
            multiply(&vectors[0, 0], v, w, k + 1, 0, n)
            for i in range(k + 1, n):
                subtract(&vectors[i, 0], w, beta * v[i], 0, n)
        diagonal[n - 1] = A[n - 1, n - 1]


def diagonalize(double[::1] diagonal, double[::1] beside, double[:, ::1] vectors):
    """Multiply `vectors` by rotations that make a tridiagonal matrix diagonal (algorithm 8.3.3).

    `diagonal` gets the eigenvalues; `beside` is overwritten. Returns whether all have converged.
    """
    cdef Py_ssize_t n = diagonal.shape[0], low, high, k, steps = 0
    cdef double scale = 0
    with nogil:
        for k in range(n):
            scale = max(scale, fabs(diagonal[k]))
            if k < n - 1:
                scale = max(scale, fabs(beside[k]))
        high = n - 1
        while high > 0 and steps < MAX_STEPS * n:
            if fabs(beside[high - 1]) <= DBL_EPSILON * scale:
                high -= 1
                continue
            low = high - 1
            while low > 0 and fabs(beside[low - 1]) > DBL_EPSILON * scale:
                low -= 1
            take_step(&diagonal[0], &beside[0], &vectors[0, 0], low, high, n)
            steps += 1
    return high == 0


cdef void take_step(double *a, double *b, double *vectors, Py_ssize_t low, Py_ssize_t high,
                    Py_ssize_t n) noexcept nogil:
    """Take a QR step with Wilkinson's shift between two indices (algorithm 8.3.2)."""
    cdef double half = (a[high - 1] - a[high]) / 2, last = b[high - 1]
    cdef double shift = a[high] - last * last / (half + copysign(hypot(half, last), half))
    cdef double x = a[low] - shift, z = b[low], r, c, s, first, second, between, u
    cdef double *upper
    cdef double *lower
    cdef Py_ssize_t k, i
    for k in range(low, high):
        r = hypot(x, z)
        c, s = (x / r, z / r) if r > 0 else (1.0, 0.0)
        if k > low:
            b[k - 1] = r
        first, second, between = a[k], a[k + 1], b[k]
        a[k] = c * c * first + 2 * c * s * between + s * s * second
        a[k + 1] = s * s * first - 2 * c * s * between + c * c * second
        b[k] = c * s * (second - first) + (c * c - s * s) * between
        if k < high - 1:
            x, z = b[k], s * b[k + 1]
            b[k + 1] *= c
        upper, lower = vectors + k * n, vectors + (k + 1) * n
        for i in range(n):
            u = upper[i]
            upper[i] = c * u + s * lower[i]
            lower[i] = c * lower[i] - s * u


cdef void multiply(const double *A, const double *v, double *out, Py_ssize_t first_row,
                   Py_ssize_t first_column, Py_ssize_t n) noexcept nogil:
    """Set out to the sum of rows of A, each times its element of v, from some row and column on."""
    cdef Py_ssize_t j, i
    memset(out, 0, n * sizeof(double))
    for j in range(first_row, n):
        for i in range(first_column, n):
            out[i] += v[j] * A[j * n + i]


cdef void subtract(double *row, const double *v, double factor, Py_ssize_t first,
                   Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, n):
        row[i] -= factor * v[i]
