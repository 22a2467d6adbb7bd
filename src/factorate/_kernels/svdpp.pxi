"""The kernel of implicit terms: their sums per user, and the steps of items they hand down.

Included by sgd.pyx.
"""

cdef inline void add(row target, row source, Py_ssize_t n_factors) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n_factors):
        target[k] += source[k]


def add_rows(const int32_t[::1] targets, const int32_t[::1] sources,
             Py_ssize_t start, Py_ssize_t stop, floating[:, ::1] T, floating[:, ::1] S):
    """Add row sources[t] of S to row targets[t] of T, for t from start to stop.

    Rows and columns of indexes are padded as those of train.
    """
    cdef Py_ssize_t n_factors = T.shape[1] // LANE * LANE
    cdef Py_ssize_t n_lines = n_factors * <Py_ssize_t>sizeof(floating) // LINE
    cdef Py_ssize_t t, k
    cdef floating *target
    cdef floating *source
    with nogil:
        for t in range(start, stop):
            target = &T[targets[t + ADDS_AHEAD], 0]
            source = &S[sources[t + ADDS_AHEAD], 0]
            for k in range(n_lines):
                prefetch(<const char *>target + k * LINE)
                prefetch(<const char *>source + k * LINE)
            if floating is float:
                add[float_row](&T[targets[t], 0], &S[sources[t], 0], n_factors)
            else:
                add[double_row](&T[targets[t], 0], &S[sources[t], 0], n_factors)


def lift(floating[:, ::1] P, const floating[:, ::1] own, floating[:, ::1] sums,
         const floating[::1] norm, Py_ssize_t start, Py_ssize_t stop):
    """Set rows of P to own + norm sums, and keep these in sums, to tell later how far P went."""
    cdef Py_ssize_t u, k
    with nogil:
        for u in range(start, stop):
            for k in range(P.shape[1]):
                P[u, k] = own[u, k] + norm[u] * sums[u, k]
                sums[u, k] = P[u, k]


def settle(const floating[:, ::1] P, floating[:, ::1] own, floating[:, ::1] sums,
           const floating[::1] norm, const floating[::1] keep, floating share,
           Py_ssize_t start, Py_ssize_t stop):
    """Part the way P went since lift between own, which then shrinks, and the step of items."""
    cdef Py_ssize_t u, k
    cdef floating way
    with nogil:
        for u in range(start, stop):
            for k in range(P.shape[1]):
                way = P[u, k] - sums[u, k]
                own[u, k] = keep[u] * (own[u, k] + (1 - share) * way)
                sums[u, k] = share * norm[u] * way
