"""Kernel of the plain update: squared loss and L2.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

from factorate._kernels.packed cimport CHUNK, decode, unpack_positions
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
    cdef Py_ssize_t n_tiles = tile_starts.shape[0] - 1
    cdef Py_ssize_t begin = tile_starts[first_tile], end = tile_starts[end_tile]
    cdef Py_ssize_t t, n, u, i, tile = first_tile
    cdef floating user_bias_ratio = <floating>user_ratio, item_bias_ratio = <floating>item_ratio
    cdef floating error, user_step, item_step, bias = 0
    cdef double squared = 0
    cdef int32_t[2 * (CHUNK + MAX_AHEAD)] positions
    cdef floating[CHUNK] values
    # The compiler would read the fields of a memoryview again after each write to a row.
    cdef const uint8_t *codes8 = &all_codes8[0] if all_codes8.shape[0] else NULL
    cdef const uint16_t *codes16 = &all_codes16[0] if all_codes16.shape[0] else NULL
    cdef const floating *levels = &all_levels[0] if all_levels.shape[0] else NULL
    cdef const floating *raw = &all_values[0] if all_values.shape[0] else NULL
    cdef floating *user_rows = &P[0, 0] if n_factors else NULL
    cdef floating *item_rows = &Q[0, 0] if n_factors else NULL
    cdef floating *of_users = &user_columns[0, 0]
    cdef floating *of_items = &item_columns[0, 0]
    cdef floating *p
    cdef floating *q
    cdef floating *user
    cdef floating *item
    with nogil:
        while begin < end:
            n = min(<Py_ssize_t>CHUNK, end - begin)
            tile = unpack_positions(&all_pairs[0, 0], &tile_starts[0], n_tiles, &first_users[0],
                                    &first_items[0], tile, begin, begin + n + ahead, positions)
            decode(codes8, codes16, levels, raw, centre, scale, begin, begin + n, values)
            for t in range(n):
                prefetch_rows(user_rows + n_factors * positions[2 * (t + ahead)],
                              item_rows + n_factors * positions[2 * (t + ahead) + 1], n_lines)
                u = positions[2 * t]
                i = positions[2 * t + 1]
                p = user_rows + n_factors * u
                q = item_rows + n_factors * i
                user = of_users + <Py_ssize_t>N_COLUMNS * u
                item = of_items + <Py_ssize_t>N_COLUMNS * i
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
            begin += n
    return squared
