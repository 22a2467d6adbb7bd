"""Kernel of alternating least squares: the normal equations of rows, and their solution.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from factorate._kernels.rows cimport LINE

cdef extern from "normal_equations.h" nogil:
    void prefetch "FT_PREFETCH_SHARED"(const void *address)
    void add_outer_products "ft_add_outer_products"(void *A, const void *X, Py_ssize_t n,
                                                    Py_ssize_t width)
    void take_row "ft_take_row"(void *x, const void *q, Py_ssize_t width, double weight, void *b)
    void solve_equations "ft_solve"(void *A, void *b, Py_ssize_t width, void *x, void *work)
    ctypedef struct Interactions "ft_interactions":
        const int32_t *others
        const void *weights
        const void *factors
        Py_ssize_t n
        Py_ssize_t n_ahead
    ctypedef struct RowWeights "ft_row_weights":
        double unobserved
        double observed
        double penalty
    void multiply_rows "ft_multiply_rows"(void *out, const void *X, const void *B, Py_ssize_t n,
                                          Py_ssize_t width)
    double improve_row "ft_improve"(void *x, const void *diagonal, const RowWeights *of_row,
                                    const Interactions *row, Py_ssize_t width, int n_steps,
                                    void *work)

cdef enum:
    ROWS = 64  # rows whose outer products are added at a time, few enough to stay in the cache
    AHEAD = 16  # rows between a prefetch and its use

N_ROWS = ROWS


def gram(const floating[:, ::1] factors, Py_ssize_t first, Py_ssize_t stop, floating[:, ::1] out):
    """Add the upper triangle of the sum of q qᵀ over some rows of factors to `out`."""
    cdef Py_ssize_t row
    with nogil:
        row = first
        while row < stop:
            add_outer_products(&out[0, 0], &factors[row, 0], min(ROWS, stop - row),
                               factors.shape[1])
            row += ROWS


def solve(rows, const floating[:, ::1] factors, const floating[:, ::1] base,
          const floating[::1] penalties, Py_ssize_t first, Py_ssize_t stop, scratch,
          floating[:, ::1] out):
    """Solve (base + penalty I + Σ w q qᵀ) p = Σ w q for some rows p.

    `rows` and `scratch` are objects with arrays. Rows: the indices of the factors q of each row,
    `others`, and their `weights`, empty if all are 1, from ``starts[row]`` to ``starts[row + 1]``.
    Scratch: `matrix`, of the shape of `base`; `packed` of N_ROWS rows of factors; and three rows
    `vectors`. All rows hold a multiple of plain.PADDING factors. A row without others becomes 0.
    """
    cdef const int64_t[::1] starts = rows.starts
    cdef const int32_t[::1] others = rows.others
    cdef const floating[::1] weights = rows.weights
    cdef floating[:, ::1] matrix = scratch.matrix, packed = scratch.packed
    cdef floating[:, ::1] vectors = scratch.vectors
    cdef Py_ssize_t width = factors.shape[1], n_bytes = width * <Py_ssize_t>sizeof(floating)
    cdef Py_ssize_t row, t, k, n, line
    cdef floating one = 1
    cdef bint weighted = weights.shape[0] > 0
    with nogil:
        for row in range(first, stop):
            if starts[row] == starts[row + 1]:
                memset(&out[row, 0], 0, n_bytes)
                continue
            memcpy(&matrix[0, 0], &base[0, 0], width * n_bytes)
            for k in range(width):
                matrix[k, k] += penalties[row]
            memset(&vectors[0, 0], 0, n_bytes)
            t = starts[row]
            while t < starts[row + 1]:
                n = min(ROWS, starts[row + 1] - t)
                for k in range(n):
                    if t + k + AHEAD < starts[row + 1]:
                        for line in range(n_bytes // LINE):
                            prefetch(<const char *>&factors[others[t + k + AHEAD], 0]
                                     + line * LINE)
                    take_row(&packed[k, 0], &factors[others[t + k], 0], width,
                             weights[t + k] if weighted else one, &vectors[0, 0])
                add_outer_products(&matrix[0, 0], &packed[0, 0], n, width)
                t += n
            solve_equations(&matrix[0, 0], &vectors[0, 0], width, &vectors[1, 0], &vectors[2, 0])
            memcpy(&out[row, 0], &vectors[1, 0], n_bytes)


cdef void multiply_some(const floating[:, ::1] rows, const floating[:, ::1] matrix,
                        Py_ssize_t first, Py_ssize_t n, floating[:, ::1] copies,
                        floating *out) noexcept nogil:
    """Multiply n rows, at most ROWS, by a matrix; `out` has ROWS rows."""
    cdef Py_ssize_t width = rows.shape[1]
    cdef const floating *source = &rows[first, 0]
    if n < ROWS:  # whole tiles are read
        memcpy(&copies[0, 0], source, n * width * sizeof(floating))
        source = &copies[0, 0]
    multiply_rows(out, source, &matrix[0, 0], ROWS, width)


def multiply(const floating[:, ::1] rows, const floating[:, ::1] matrix, Py_ssize_t first,
             Py_ssize_t stop, scratch, floating[:, ::1] out):
    """Multiply some rows by a matrix. Scratch: two arrays of N_ROWS rows, `rows` and `products`."""
    cdef floating[:, ::1] copies = scratch.rows, products = scratch.products
    cdef Py_ssize_t n
    with nogil:
        while first < stop:
            n = min(ROWS, stop - first)
            if n == ROWS:
                multiply_some(rows, matrix, first, n, copies, &out[first, 0])
            else:
                multiply_some(rows, matrix, first, n, copies, &products[0, 0])
                memcpy(&out[first, 0], &products[0, 0], n * rows.shape[1] * sizeof(floating))
            first += n


def improve(rows, problem, int n_steps, Py_ssize_t first, Py_ssize_t stop, scratch,
            const floating[:, ::1] initial, floating[:, ::1] out, double[::1] losses):
    """Take steps of the conjugate gradient method towards the rows that `solve` would return.

    The rows in `out` are in the basis of the eigenvectors of QᵀQ, those in `initial` are not yet.

    `rows`, `problem` and `scratch` are objects with arrays. Rows: as in `solve`. Problem: the
    eigenvectors as columns, `basis`; the eigenvalues, `values`; the factors Q in this basis,
    `factors`; the weight of all pairs, `unobserved`; and for each row the sum of its weights
    divided by the number of rows of Q, `observed`, and its penalty, `penalties`. Scratch: `vectors`
    of 4 rows of factors, and `rows` and `products` of N_ROWS. `losses` gets the part of the
    objective that is due to each row.
    """
    cdef const int64_t[::1] starts = rows.starts
    cdef const int32_t[::1] others = rows.others
    cdef const floating[::1] weights = rows.weights
    cdef const floating[:, ::1] factors = problem.factors, basis = problem.basis
    cdef const floating[::1] values = problem.values
    cdef const double[::1] observed = problem.observed, penalties = problem.penalties
    cdef floating[:, ::1] vectors = scratch.vectors
    cdef floating[:, ::1] copies = scratch.rows, products = scratch.products
    cdef Py_ssize_t width = factors.shape[1], n_bytes = width * <Py_ssize_t>sizeof(floating)
    cdef Py_ssize_t row, k, n
    cdef floating *x
    cdef Interactions interactions
    cdef RowWeights of_row
    of_row.unobserved = problem.unobserved
    with nogil:
        interactions.factors = &factors[0, 0]
        while first < stop:
            n = min(ROWS, stop - first)
            x = &out[first, 0] if n == ROWS else &products[0, 0]
            multiply_some(initial, basis, first, n, copies, x)
            for k in range(n):
                row = first + k
                interactions.n = starts[row + 1] - starts[row]
                if interactions.n == 0:
                    memset(x + k * width, 0, n_bytes)
                    losses[row] = 0
                    continue
                interactions.n_ahead = starts[stop] - starts[row]
                interactions.others = &others[starts[row]]
                interactions.weights = &weights[starts[row]] if weights.shape[0] else NULL
                of_row.observed = observed[row]
                of_row.penalty = penalties[row]
                losses[row] = improve_row(x + k * width, &values[0], &of_row, &interactions, width,
                                          n_steps, &vectors[0, 0])
            if n < ROWS:
                memcpy(&out[first, 0], x, n * n_bytes)
            first += n
