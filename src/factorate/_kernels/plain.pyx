"""Kernel of the plain update: squared loss and L2.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t

from factorate._kernels.rows cimport LANE, LINE, prefetch_rows

cdef extern from "inner_loops.h" nogil:
    double dot "ft_dot"(const void *p, const void *q, Py_ssize_t n, double start)
    void update "ft_update"(void *p, void *q, Py_ssize_t n,
                            double p_decay, double q_decay, double p_step, double q_step)

cdef enum:
    BYTES_AHEAD = 8192  # bytes of rows between a prefetch and its use
    MAX_AHEAD = 32  # maximum number of updates between them

cdef enum:  # columns of user_columns and item_columns
    BIAS
    RATE  # learning rate of the factors
    DECAY  # 1 − ηλ of the factors
    BIAS_DECAY
    N_COLUMNS

LOOKAHEAD = MAX_AHEAD
PADDING = LANE


def train(const int32_t[::1] user_positions, const int32_t[::1] item_positions,
          const floating[::1] ratings, floating[:, ::1] P, floating[:, ::1] Q,
          floating[:, ::1] user_columns, floating[:, ::1] item_columns,
          double user_ratio, double item_ratio, bint fit_bias):
    """Update once for each rating, in order; return the sum of squared errors before each update.

    Rows of P and Q hold a multiple of PADDING factors. `user_columns` and `item_columns` hold the
    other numbers of a row side by side, because each cache line that an update touches costs time;
    the learning rate of a bias is the ratio times that of the factors. `user_positions` and
    `item_positions` go on for LOOKAHEAD entries after the last rating, with any valid positions,
    whose rows are prefetched but not updated.
    """
    # Shows the compiler that this is a multiple of LANE, so it emits no loop for a remainder.
    cdef Py_ssize_t n_factors = P.shape[1] // LANE * LANE
    cdef Py_ssize_t n_lines = n_factors * <Py_ssize_t>sizeof(floating) // LINE
    cdef Py_ssize_t ahead = min(<Py_ssize_t>MAX_AHEAD,
                                max(2, BYTES_AHEAD // (2 * LINE * max(1, n_lines))))
    cdef Py_ssize_t t, n = ratings.shape[0]
    cdef floating user_bias_ratio = <floating>user_ratio, item_bias_ratio = <floating>item_ratio
    cdef floating error, user_step, item_step, bias = 0
    cdef double squared = 0
    if n == 0:
        return 0.0
    # The compiler would read the fields of a memoryview again after each write to a row.
    cdef const int32_t *users = &user_positions[0]
    cdef const int32_t *items = &item_positions[0]
    cdef const floating *values = &ratings[0]
    cdef floating *user_rows = &P[0, 0] if n_factors else NULL
    cdef floating *item_rows = &Q[0, 0] if n_factors else NULL
    cdef floating *of_users = &user_columns[0, 0]
    cdef floating *of_items = &item_columns[0, 0]
    cdef floating *p
    cdef floating *q
    cdef floating *user
    cdef floating *item
    with nogil:
        for t in range(n):
            prefetch_rows(user_rows + n_factors * users[t + ahead],
                          item_rows + n_factors * items[t + ahead], n_lines)
            p = user_rows + n_factors * users[t]
            q = item_rows + n_factors * items[t]
            user = of_users + <Py_ssize_t>N_COLUMNS * users[t]
            item = of_items + <Py_ssize_t>N_COLUMNS * items[t]
            if fit_bias:
                bias = user[BIAS] + item[BIAS]
            error = values[t] - bias
            error -= <floating>dot(p, q, n_factors, 0)
            user_step = user[RATE] * error
            item_step = item[RATE] * error
            update(p, q, n_factors, user[DECAY], item[DECAY], user_step, item_step)
            squared += <double>error * error
            if fit_bias:
                user[BIAS] = user[BIAS_DECAY] * user[BIAS] + user_bias_ratio * user_step
                item[BIAS] = item[BIAS_DECAY] * item[BIAS] + item_bias_ratio * item_step
    return squared
