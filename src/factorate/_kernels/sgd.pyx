"""The kernel: stochastic gradient descent over ratings, and the predictions of pairs.

Loops and nothing else: callers have proved every length, range and dtype. The same source is
compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t

cdef extern from "portable.h" nogil:
    void prefetch "FT_PREFETCH"(const void *address)
    ctypedef float *float_row "ft_float_row"
    ctypedef double *double_row "ft_double_row"

ctypedef fused row:
    float_row
    double_row

cdef enum:
    LANE = 16  # factors a row is padded to a multiple of
    LINE = 64  # bytes of a cache line
    FARTHEST = 32  # ratings between a prefetch and the visit: as many as bring
    FETCHED = 8192  # bytes of rows, but not more
    ADDS_AHEAD = 8

cdef enum:  # columns of steps
    RATE
    L2
    L1

LOOKAHEAD = FARTHEST
PADDING = LANE


cdef inline floating visit(row p, row q, floating residual, Py_ssize_t n_factors,
                           floating user_rate, floating item_rate,
                           floating user_keep, floating item_keep) noexcept nogil:
    cdef floating dot = 0, user_step, item_step, p_k, q_k
    cdef Py_ssize_t k
    for k in range(n_factors):
        dot += p[k] * q[k]
    residual -= dot
    user_step = user_rate * residual
    item_step = item_rate * residual
    for k in range(n_factors):
        p_k = p[k]
        q_k = q[k]
        p[k] = user_keep * p_k + user_step * q_k
        q[k] = item_keep * q_k + item_step * p_k
    return residual


def train(const int32_t[::1] users, const int32_t[::1] items, const floating[::1] ratings,
          Py_ssize_t start, Py_ssize_t stop,
          floating[:, ::1] P, floating[:, ::1] Q, floating[::1] user_bias, floating[::1] item_bias,
          const floating[:, ::1] steps, bint fit_bias):
    """Visit ratings[start:stop] in their order; return the sum of squared errors before each visit.

    Rows of P and Q hold a multiple of PADDING factors. The arrays of ratings go on for LOOKAHEAD
    entries after stop, any valid rows, which are prefetched and not visited. Steps have a row for
    user factors, item factors, user biases and item biases, and the columns rate, L2 and L1, the
    last of which train_generally heeds.
    """
    # The whole multiple is known to the compiler, so it emits no loop for a remainder.
    cdef Py_ssize_t n_factors = P.shape[1] // LANE * LANE
    cdef Py_ssize_t n_lines = n_factors * <Py_ssize_t>sizeof(floating) // LINE
    cdef Py_ssize_t ahead = min(<Py_ssize_t>FARTHEST, max(2, FETCHED // (2 * LINE * n_lines)))
    cdef Py_ssize_t t, k, u, i
    cdef floating *p
    cdef floating *q
    cdef floating user_rate = steps[0, RATE], item_rate = steps[1, RATE]
    cdef floating user_bias_rate = steps[2, RATE], item_bias_rate = steps[3, RATE]
    cdef floating user_keep = 1 - user_rate * steps[0, L2]
    cdef floating item_keep = 1 - item_rate * steps[1, L2]
    cdef floating user_bias_keep = 1 - user_bias_rate * steps[2, L2]
    cdef floating item_bias_keep = 1 - item_bias_rate * steps[3, L2]
    cdef floating error, bias = 0
    cdef double squared = 0
    with nogil:
        for t in range(start, stop):
            p = &P[users[t + ahead], 0]
            q = &Q[items[t + ahead], 0]
            for k in range(n_lines):
                prefetch(<const char *>p + k * LINE)
                prefetch(<const char *>q + k * LINE)
            u = users[t]
            i = items[t]
            if fit_bias:
                bias = user_bias[u] + item_bias[i]
            if floating is float:
                error = visit[float_row, float](
                    &P[u, 0], &Q[i, 0], ratings[t] - bias, n_factors,
                    user_rate, item_rate, user_keep, item_keep)
            else:
                error = visit[double_row, double](
                    &P[u, 0], &Q[i, 0], ratings[t] - bias, n_factors,
                    user_rate, item_rate, user_keep, item_keep)
            squared += <double>error * error
            if fit_bias:
                user_bias[u] = user_bias_keep * user_bias[u] + user_bias_rate * error
                item_bias[i] = item_bias_keep * item_bias[i] + item_bias_rate * error
    return squared


include "general.pxi"
include "svdpp.pxi"


def predict(const int32_t[::1] users, const int32_t[::1] items,
            const floating[:, ::1] P, const floating[:, ::1] Q,
            const floating[::1] user_bias, const floating[::1] item_bias,
            floating mean, floating[::1] out):
    """Write mean + biases + P[users] · Q[items], pair by pair, into out."""
    cdef Py_ssize_t t, k, u, i
    cdef floating dot
    with nogil:
        for t in range(users.shape[0]):
            u = users[t]
            i = items[t]
            dot = 0
            for k in range(P.shape[1]):
                dot += P[u, k] * Q[i, k]
            out[t] = mean + user_bias[u] + item_bias[i] + dot


def train_textbook(const int32_t[::1] users, const int32_t[::1] items, const double[::1] ratings,
                   double[:, ::1] P, double[:, ::1] Q,
                   Py_ssize_t n_epochs, double alpha, double beta):
    """Run the reference rule: the new p_uk moves q_ki, and gradients keep their factor of two."""
    cdef Py_ssize_t _epoch, t, k, n_factors = P.shape[1]
    cdef double *p
    cdef double *q
    cdef double step, keep = 1 - alpha * beta
    with nogil:
        for _epoch in range(n_epochs):
            for t in range(users.shape[0]):
                p = &P[users[t], 0]
                q = &Q[items[t], 0]
                # Visits of one user wait for each other's p: 2 alpha multiplies q instead.
                step = 2 * alpha * ratings[t]
                for k in range(n_factors):
                    step -= p[k] * (2 * alpha * q[k])
                for k in range(n_factors):
                    p[k] = keep * p[k] + step * q[k]
                    q[k] = keep * q[k] + step * p[k]
