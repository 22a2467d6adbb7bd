"""Kernel of the plain update: squared loss and L2.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

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


def train(ratings, Py_ssize_t first_tile, Py_ssize_t end_tile, floating[:, ::1] P,
          floating[:, ::1] Q, floating[:, ::1] user_columns, floating[:, ::1] item_columns,
          double user_ratio, double item_ratio, bint fit_bias):
    """Update once for each rating of some tiles, in order; return the sum of the squared errors.

    Each error is that before its update. `ratings` has the attributes of `PackedRatings`. Rows of P
    and Q hold a multiple of PADDING factors. `user_columns` and `item_columns` hold the other
    numbers of a row side by side, because each cache line that an update touches costs time; the
    learning rate of a bias is the ratio times that of the factors.
    """
    # Shows the compiler that this is a multiple of LANE, so it emits no loop for a remainder.
    cdef Py_ssize_t n_factors = P.shape[1] // LANE * LANE
    cdef Py_ssize_t n_lines = n_factors * <Py_ssize_t>sizeof(floating) // LINE
    cdef Py_ssize_t ahead = min(<Py_ssize_t>MAX_AHEAD,
                                max(2, BYTES_AHEAD // (2 * LINE * max(1, n_lines))))
    cdef const uint16_t[:, ::1] all_pairs = ratings.pairs
    cdef const uint8_t[::1] all_codes8 = ratings.codes8
    cdef const uint16_t[::1] all_codes16 = ratings.codes16
    cdef const floating[::1] all_levels = ratings.levels
    cdef const floating[::1] all_values = ratings.values
    cdef const int64_t[::1] tile_starts = ratings.tile_starts
    cdef const int32_t[::1] first_users = ratings.first_user_positions
    cdef const int32_t[::1] first_items = ratings.first_item_positions
    cdef double centre = ratings.centre, scale = ratings.scale
    cdef floating user_bias_ratio = <floating>user_ratio, item_bias_ratio = <floating>item_ratio
    cdef floating value, error, user_step, item_step, bias = 0
    cdef double squared = 0
    # The compiler would read the fields of a memoryview again after each write to a row.
    cdef const uint16_t *pairs = &all_pairs[0, 0]
    cdef const uint8_t *codes8 = &all_codes8[0] if all_codes8.shape[0] else NULL
    cdef const uint16_t *codes16 = &all_codes16[0] if all_codes16.shape[0] else NULL
    cdef const floating *levels = &all_levels[0] if all_levels.shape[0] else NULL
    cdef const floating *values = &all_values[0] if all_values.shape[0] else NULL
    cdef floating *user_rows = &P[0, 0] if n_factors else NULL
    cdef floating *item_rows = &Q[0, 0] if n_factors else NULL
    cdef floating *of_users
    cdef floating *of_items
    cdef floating *tile_users
    cdef floating *tile_items
    cdef floating *next_users
    cdef floating *next_items
    cdef floating *p
    cdef floating *q
    cdef floating *user
    cdef floating *item
    cdef Py_ssize_t tile, is_end, t, stop, u, i
    with nogil:
        for tile in range(first_tile, end_tile):
            tile_users = user_rows + n_factors * first_users[tile]
            tile_items = item_rows + n_factors * first_items[tile]
            of_users = &user_columns[first_users[tile], 0]
            of_items = &item_columns[first_items[tile], 0]
            t = tile_starts[tile]
            for is_end in range(2):  # the last ratings of a tile prefetch rows of the next
                stop = tile_starts[tile + 1] - (0 if is_end else ahead)
                next_users = user_rows + n_factors * first_users[tile + is_end]
                next_items = item_rows + n_factors * first_items[tile + is_end]
                while t < stop:
                    prefetch_rows(next_users + n_factors * pairs[2 * (t + ahead)],
                                  next_items + n_factors * pairs[2 * (t + ahead) + 1], n_lines)
                    u = pairs[2 * t]
                    i = pairs[2 * t + 1]
                    if codes8 != NULL:
                        value = levels[codes8[t]]
                    elif codes16 != NULL:
                        value = levels[codes16[t]]
                    else:
                        value = <floating>((values[t] - centre) / scale)
                    p = tile_users + n_factors * u
                    q = tile_items + n_factors * i
                    user = of_users + <Py_ssize_t>N_COLUMNS * u
                    item = of_items + <Py_ssize_t>N_COLUMNS * i
                    if fit_bias:
                        bias = user[BIAS] + item[BIAS]
                    error = value - bias
                    error -= <floating>dot(p, q, n_factors, 0)
                    user_step = user[RATE] * error
                    item_step = item[RATE] * error
                    update(p, q, n_factors, user[DECAY], item[DECAY], user_step, item_step)
                    squared += <double>error * error
                    if fit_bias:
                        user[BIAS] = user[BIAS_DECAY] * user[BIAS] + user_bias_ratio * user_step
                        item[BIAS] = item[BIAS_DECAY] * item[BIAS] + item_bias_ratio * item_step
                    t += 1
    return squared
