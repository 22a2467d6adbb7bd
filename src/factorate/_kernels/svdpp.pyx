"""Kernel of the SVD++ terms: sums of item rows for each user, and their updates.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t

from factorate._kernels.rows cimport LANE, LINE, prefetch_rows

cdef extern from "inner_loops.h" nogil:
    void add "ft_add"(void *target, const void *source, Py_ssize_t n)

cdef enum:
    AHEAD = 8  # additions between a prefetch and its use


def add_rows(const int32_t[::1] targets, const int32_t[::1] sources, Py_ssize_t n,
             floating[:, ::1] T, const floating[:, ::1] S):
    """Add row sources[t] of S to row targets[t] of T, for the first n entries t.

    Rows hold a multiple of plain.PADDING factors. `targets` and `sources` go on for plain.LOOKAHEAD
    entries after the first n.
    """
    cdef Py_ssize_t n_factors = T.shape[1] // LANE * LANE
    cdef Py_ssize_t n_lines = n_factors * <Py_ssize_t>sizeof(floating) // LINE
    cdef Py_ssize_t t
    with nogil:
        for t in range(n):
            prefetch_rows(&T[targets[t + AHEAD], 0], &S[sources[t + AHEAD], 0], n_lines)
            add(&T[targets[t], 0], &S[sources[t], 0], n_factors)


def combine(floating[:, ::1] P, const floating[:, ::1] own, floating[:, ::1] work,
            const floating[::1] norm, Py_ssize_t start, Py_ssize_t stop):
    """Set the rows of P to own + norm · work, and copy them to `work`, which holds sums before."""
    cdef Py_ssize_t u, k
    with nogil:
        for u in range(start, stop):
            for k in range(P.shape[1]):
                P[u, k] = own[u, k] + norm[u] * work[u, k]
                work[u, k] = P[u, k]


def distribute(const floating[:, ::1] P, floating[:, ::1] own, floating[:, ::1] work,
               const floating[::1] norm, const floating[::1] decay, floating fraction,
               Py_ssize_t start, Py_ssize_t stop):
    """Distribute the change of the rows of P since `combine` between users and items.

    The given fraction of the change, times the norm, is written to `work`, from which `add_rows`
    adds it to the items; the rest is added to the users' own rows, which then decay.
    """
    cdef Py_ssize_t u, k
    cdef floating change
    with nogil:
        for u in range(start, stop):
            for k in range(P.shape[1]):
                change = P[u, k] - work[u, k]
                own[u, k] = decay[u] * (own[u, k] + (1 - fraction) * change)
                work[u, k] = fraction * norm[u] * change
