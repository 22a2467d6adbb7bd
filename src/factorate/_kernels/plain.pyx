"""Kernel of the plain update: squared loss and L2.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

from factorate._kernels.rows cimport LANE

cdef extern from "inner_loops.h" nogil:
    ctypedef struct Ratings "ft_ratings":
        const uint16_t *pairs
        const uint8_t *codes8
        const uint16_t *codes16
        const void *levels
        const void *values
        double centre
        double scale

    ctypedef struct TileRows "ft_tile_rows":
        void *P
        void *Q
        void *users
        void *items

    enum:
        FT_MAX_AHEAD
    double train_tile "ft_train_tile"(void *P, const Ratings *ratings, int64_t begin, int64_t end,
                                      const TileRows *tile, const TileRows *next,
                                      Py_ssize_t n_factors, double user_ratio, double item_ratio)

LOOKAHEAD = FT_MAX_AHEAD
PADDING = LANE


cdef inline void find_rows(TileRows *out, int32_t u, int32_t i, floating[:, ::1] P,
                           floating[:, ::1] Q, floating[:, ::1] users,
                           floating[:, ::1] items) noexcept nogil:
    out.P = &P[u, 0] if P.shape[1] else NULL
    out.Q = &Q[i, 0] if Q.shape[1] else NULL
    out.users = &users[u, 0]
    out.items = &items[i, 0]


def train(ratings, Py_ssize_t first_tile, Py_ssize_t end_tile, floating[:, ::1] P,
          floating[:, ::1] Q, floating[:, ::1] user_columns, floating[:, ::1] item_columns,
          double user_ratio, double item_ratio):
    """Update once for each rating of some tiles, in order; return the sum of the squared errors.

    Each error is that before its update. `ratings` has the attributes of `PackedRatings`. Rows of P
    and Q begin on a cache line and hold a multiple of PADDING factors. `user_columns` and
    `item_columns` hold the other numbers of a row side by side, because each cache line that an
    update touches costs time: its bias, the learning rate and the decay (1 − ηλ) of its factors,
    and the decay of its bias. The learning rate of a bias is the ratio times that of the factors.
    """
    cdef const uint16_t[:, ::1] pairs = ratings.pairs
    cdef const uint8_t[::1] codes8 = ratings.codes8
    cdef const uint16_t[::1] codes16 = ratings.codes16
    cdef const floating[::1] levels = ratings.levels
    cdef const floating[::1] values = ratings.values
    cdef const int64_t[::1] starts = ratings.tile_starts
    cdef const int32_t[::1] users = ratings.first_user_positions
    cdef const int32_t[::1] items = ratings.first_item_positions
    cdef Ratings packed
    cdef TileRows rows, next_rows
    cdef Py_ssize_t tile
    cdef double squared = 0
    packed.pairs = &pairs[0, 0]
    packed.codes8 = &codes8[0] if codes8.shape[0] else NULL
    packed.codes16 = &codes16[0] if codes16.shape[0] else NULL
    packed.levels = &levels[0] if levels.shape[0] else NULL
    packed.values = &values[0] if values.shape[0] else NULL
    packed.centre = ratings.centre
    packed.scale = ratings.scale
    with nogil:
        for tile in range(first_tile, end_tile):
            find_rows(&rows, users[tile], items[tile], P, Q, user_columns, item_columns)
            find_rows(&next_rows, users[tile + 1], items[tile + 1], P, Q, user_columns,
                      item_columns)
            squared += train_tile(<floating *>rows.users, &packed, starts[tile], starts[tile + 1],
                                  &rows, &next_rows, P.shape[1], user_ratio, item_ratio)
    return squared
