"""Kernel of the general update: any loss, weights, AdaGrad, L1 and nonnegative factors.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set. The update for squared loss with only L2 is in plain.pyx; it
is twice as fast.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

from factorate._kernels.rows cimport LANE
from factorate._kernels.rule cimport (
    BIAS_L2, BIAS_RATE, ITEM_BIAS, ITEM_FACTORS, L2, RATE, USER_BIAS, USER_FACTORS, Rule)

cdef extern from "inner_loops.h" nogil:
    double dot "ft_dot"(const void *p, const void *q, Py_ssize_t n, double start)
    void update "ft_update_general"(void *p, void *q, Py_ssize_t n, double error,
                                    const void *rate, const void *l2, const void *cut,
                                    double minimum, bint proximal, void *squares)
    double shrink "ft_shrink"(double x, double cut, double minimum)
    double exp "ft_exp"(double x)
    double sqrt "ft_sqrt"(double x)


cpdef enum Loss:
    SQUARED
    ABSOLUTE
    HUBER
    LOGISTIC
    HINGE
    SQUARED_HINGE
    KULLBACK_LEIBLER


# NaN fails every comparison below, so the gradient of a NaN prediction can be finite. NaN shows in
# the sum of squared errors.
cdef inline floating negative_gradient(int loss, floating rating, floating predicted,
                                       floating parameter) noexcept nogil:
    cdef floating residual = rating - predicted, margin = rating * predicted
    if loss == ABSOLUTE:
        return <floating>((residual > 0) - (residual < 0))
    if loss == HUBER:
        # NaN fails both comparisons and stays NaN.
        return parameter if residual > parameter else (
            -parameter if residual < -parameter else residual)
    if loss == LOGISTIC:
        return rating / (1 + <floating>exp(margin))
    if loss == HINGE:
        return 0 if margin >= 1 else rating
    if loss == SQUARED_HINGE:
        return 0 if margin >= 1 else residual
    if loss == KULLBACK_LEIBLER:
        return rating / (parameter if predicted < parameter else predicted) - 1
    return residual


def train(ratings, Py_ssize_t first_tile, Py_ssize_t end_tile,
          floating[:, ::1] P, floating[:, ::1] Q, floating[::1] user_bias, floating[::1] item_bias,
          const floating[:, ::1] user_constants, const floating[:, ::1] item_constants,
          floating[:, ::1] user_accumulators, floating[:, ::1] item_accumulators, Rule rule):
    """Update once for each rating of some tiles, in order; return the sum of the squared errors.

    Each error is that before its update. `ratings` has the attributes of `PackedRatings`. Rows of P
    and Q hold a multiple of plain.PADDING factors. The constants of a row are its learning rates
    and penalties, in the columns that rule.pxd numbers. The accumulators of a row are the sums of
    the squared gradients of its factors and of its bias; AdaGrad divides the learning rates by
    their square roots.
    """
    cdef Py_ssize_t n_factors = P.shape[1] // LANE * LANE
    cdef const uint16_t[:, ::1] pairs = ratings.pairs
    cdef const uint8_t[::1] codes8 = ratings.codes8
    cdef const uint16_t[::1] codes16 = ratings.codes16
    cdef const floating[::1] levels = ratings.levels
    cdef const floating[::1] values = ratings.values
    cdef const floating[::1] weights = ratings.weights
    cdef const int64_t[::1] tile_starts = ratings.tile_starts
    cdef const int32_t[::1] first_users = ratings.first_user_positions
    cdef const int32_t[::1] first_items = ratings.first_item_positions
    cdef double centre = ratings.centre, scale = ratings.scale
    cdef Py_ssize_t tile, t, k, u, i
    cdef floating value, predicted, error, gradient, bias = 0, weight = 1
    cdef floating minimum = <floating>rule.minimum, parameter = <floating>rule.loss_parameter
    cdef floating[4] l1, rate, l2, cut, squares
    cdef double squared = 0
    for k in range(4):
        l1[k] = <floating>rule.l1[k]
    with nogil:
        for tile in range(first_tile, end_tile):
            for t in range(tile_starts[tile], tile_starts[tile + 1]):
                u = first_users[tile] + pairs[t, 0]
                i = first_items[tile] + pairs[t, 1]
                if codes8.shape[0]:
                    value = levels[codes8[t]]
                elif codes16.shape[0]:
                    value = levels[codes16[t]]
                else:
                    value = <floating>((values[t] - centre) / scale)
                if rule.fit_bias:
                    bias = user_bias[u] + item_bias[i]
                predicted = <floating>dot(&P[u, 0], &Q[i, 0], n_factors, bias)
                error = value - predicted
                squared += <double>error * error
                error = negative_gradient(rule.loss, value, predicted, parameter)
                rate[USER_FACTORS] = user_constants[u, RATE]
                rate[ITEM_FACTORS] = item_constants[i, RATE]
                rate[USER_BIAS] = user_constants[u, BIAS_RATE]
                rate[ITEM_BIAS] = item_constants[i, BIAS_RATE]
                l2[USER_FACTORS] = user_constants[u, L2]
                l2[ITEM_FACTORS] = item_constants[i, L2]
                l2[USER_BIAS] = user_constants[u, BIAS_L2]
                l2[ITEM_BIAS] = item_constants[i, BIAS_L2]
                if weights.shape[0]:
                    weight = weights[t]
                    error *= weight
                    for k in range(4):
                        l2[k] *= weight
                if rule.adagrad:
                    rate[USER_FACTORS] /= <floating>sqrt(user_accumulators[u, 0])
                    rate[ITEM_FACTORS] /= <floating>sqrt(item_accumulators[i, 0])
                    rate[USER_BIAS] /= <floating>sqrt(user_accumulators[u, 1])
                    rate[ITEM_BIAS] /= <floating>sqrt(item_accumulators[i, 1])
                for k in range(4):
                    cut[k] = weight * rate[k] * l1[k]
                update(&P[u, 0], &Q[i, 0], n_factors, error, rate, l2, cut, minimum, rule.proximal,
                       squares)
                user_accumulators[u, 0] += squares[USER_FACTORS]
                item_accumulators[i, 0] += squares[ITEM_FACTORS]
                if rule.fit_bias:
                    gradient = error - l2[USER_BIAS] * user_bias[u]
                    user_bias[u] += rate[USER_BIAS] * gradient
                    user_bias[u] = <floating>shrink(user_bias[u], cut[USER_BIAS], minimum)
                    user_accumulators[u, 1] += gradient * gradient
                    gradient = error - l2[ITEM_BIAS] * item_bias[i]
                    item_bias[i] += rate[ITEM_BIAS] * gradient
                    item_bias[i] = <floating>shrink(item_bias[i], cut[ITEM_BIAS], minimum)
                    item_accumulators[i, 1] += gradient * gradient
    return squared
