"""Kernel of predictions.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t

cdef extern from "inner_loops.h" nogil:
    double dot "ft_dot"(const void *p, const void *q, Py_ssize_t n, double start)


def predict(const int32_t[::1] user_rows, const int32_t[::1] item_rows,
            const floating[:, ::1] P, const floating[:, ::1] Q,
            const floating[::1] user_bias, const floating[::1] item_bias,
            floating mean, floating[::1] out):
    """Write mean + user_bias[u] + item_bias[i] + P[u] · Q[i] to `out`, for each pair of rows."""
    cdef Py_ssize_t t, u, i, n_factors = P.shape[1]
    cdef floating product
    with nogil:
        for t in range(user_rows.shape[0]):
            u = user_rows[t]
            i = item_rows[t]
            product = <floating>dot(&P[u, 0], &Q[i, 0], n_factors, 0)
            out[t] = mean + user_bias[u] + item_bias[i] + product
