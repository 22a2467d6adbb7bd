"""Kernel of the plain update: squared loss and L2.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t

from factorate._kernels.rows cimport LANE, LINE, prefetch_rows
from factorate._kernels.rule cimport BIAS_L2, BIAS_RATE, L2, RATE

cdef extern from "inner_loops.h" nogil:
    double dot "ft_dot"(const void *p, const void *q, Py_ssize_t n, double start)
    void update "ft_update"(void *p, void *q, Py_ssize_t n,
                            double p_decay, double q_decay, double p_step, double q_step)

cdef enum:
    BYTES_AHEAD = 8192  # bytes of rows between a prefetch and its use
    MAX_AHEAD = 32  # maximum number of updates between them

LOOKAHEAD = MAX_AHEAD
PADDING = LANE


def train(const int32_t[::1] user_positions, const int32_t[::1] item_positions,
          const floating[::1] ratings, floating[:, ::1] P, floating[:, ::1] Q,
          floating[::1] user_bias, floating[::1] item_bias,
          const floating[:, ::1] user_constants, const floating[:, ::1] item_constants,
          bint fit_bias):
    """Update once for each rating, in order; return the sum of squared errors before each update.

    Rows of P and Q hold a multiple of PADDING factors. The constants of a row are its learning
    rates and penalties, in the columns that rule.pxd numbers. `user_positions` and `item_positions`
    go on for LOOKAHEAD entries after the last rating, with any valid positions, whose rows are
    prefetched but not updated.
    """
    # Shows the compiler that this is a multiple of LANE, so it emits no loop for a remainder.
    cdef Py_ssize_t n_factors = P.shape[1] // LANE * LANE
    cdef Py_ssize_t n_lines = n_factors * <Py_ssize_t>sizeof(floating) // LINE
    cdef Py_ssize_t ahead = min(<Py_ssize_t>MAX_AHEAD,
                                max(2, BYTES_AHEAD // (2 * LINE * max(1, n_lines))))
    cdef Py_ssize_t t, u, i
    cdef const floating *of_user
    cdef const floating *of_item
    cdef floating error, bias = 0
    cdef double squared = 0
    with nogil:
        for t in range(ratings.shape[0]):
            prefetch_rows(&P[user_positions[t + ahead], 0], &Q[item_positions[t + ahead], 0],
                          n_lines)
            u = user_positions[t]
            i = item_positions[t]
            of_user = &user_constants[u, 0]
            of_item = &item_constants[i, 0]
            if fit_bias:
                bias = user_bias[u] + item_bias[i]
            error = ratings[t] - bias
            error -= <floating>dot(&P[u, 0], &Q[i, 0], n_factors, 0)
            update(&P[u, 0], &Q[i, 0], n_factors,
                   1 - of_user[RATE] * of_user[L2], 1 - of_item[RATE] * of_item[L2],
                   of_user[RATE] * error, of_item[RATE] * error)
            squared += <double>error * error
            if fit_bias:
                user_bias[u] += of_user[BIAS_RATE] * (error - of_user[BIAS_L2] * user_bias[u])
                item_bias[i] += of_item[BIAS_RATE] * (error - of_item[BIAS_L2] * item_bias[i])
    return squared
