"""The kernel for every other rule: losses, weights, AdaGrad, L1 and a least value of factors.

Included by sgd.pyx. A visit that needs none of these is in train, which is twice as fast.
"""

from libc.math cimport sqrt, sqrtf

from factorate._kernels.losses cimport descent


cdef inline floating dot_product(row p, row q, Py_ssize_t n_factors, floating dot) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n_factors):
        dot += p[k] * q[k]
    return dot


cdef inline floating shrink(floating x, floating cut, floating least) noexcept nogil:
    # NaN fails every comparison, and stays.
    x -= cut if x > cut else -cut if x < -cut else x
    return least if x < least else x


cdef inline void move(row p, row q, Py_ssize_t n_factors, floating error, bint proximal,
                      const floating *rate, const floating *l2, const floating *cut,
                      floating least, floating *squares) noexcept nogil:
    cdef floating p_k, q_k, down_p, down_q, user_square = 0, item_square = 0
    cdef Py_ssize_t k
    for k in range(n_factors):
        p_k = p[k]
        q_k = q[k]
        down_p = error * q_k - l2[0] * p_k
        down_q = error * p_k - l2[1] * q_k
        user_square += down_p * down_p
        item_square += down_q * down_q
        p_k += rate[0] * down_p
        q_k += rate[1] * down_q
        if proximal:
            p_k = shrink(p_k, cut[0], least)
            q_k = shrink(q_k, cut[1], least)
        p[k] = p_k
        q[k] = q_k
    squares[0] = user_square
    squares[1] = item_square


def train_generally(
        const int32_t[::1] users, const int32_t[::1] items, const floating[::1] ratings,
        const floating[::1] weights, Py_ssize_t start, Py_ssize_t stop,
        floating[:, ::1] P, floating[:, ::1] Q, floating[::1] user_bias, floating[::1] item_bias,
        floating[:, ::1] user_accumulators, floating[:, ::1] item_accumulators, const floating[:, ::1] steps,
        int loss, floating width, floating least, bint proximal, bint adagrad, bint fit_bias):
    """Visit ratings as train does, by the rule that the last arguments make.

    Weights may be empty. The sums of squared gradients of each row are those of its factors and of
    its bias; AdaGrad divides the rates by their square roots. Proximal steps heed L1 and the least
    value.
    """
    cdef Py_ssize_t n_factors = P.shape[1] // LANE * LANE
    cdef Py_ssize_t t, k, u, i
    cdef floating predicted, error, bias = 0, weight = 1
    cdef floating[4] rate, l2, cut, sums, squares
    cdef double squared = 0
    with nogil:
        for k in range(4):
            rate[k] = steps[k, RATE]
            l2[k] = steps[k, L2]
            cut[k] = rate[k] * steps[k, L1]
        for t in range(start, stop):
            u = users[t]
            i = items[t]
            if fit_bias:
                bias = user_bias[u] + item_bias[i]
            if floating is float:
                predicted = dot_product[float_row, float](&P[u, 0], &Q[i, 0], n_factors, bias)
            else:
                predicted = dot_product[double_row, double](&P[u, 0], &Q[i, 0], n_factors, bias)
            error = ratings[t] - predicted
            squared += <double>error * error
            error = descent(loss, ratings[t], predicted, width)
            if weights.shape[0]:
                weight = weights[t]
                error *= weight
                for k in range(4):
                    l2[k] = weight * steps[k, L2]
            if adagrad:
                sums[0] = user_accumulators[u, 0]
                sums[1] = item_accumulators[i, 0]
                sums[2] = user_accumulators[u, 1]
                sums[3] = item_accumulators[i, 1]
                for k in range(4):
                    rate[k] = steps[k, RATE] / (sqrtf(sums[k]) if floating is float
                                                else sqrt(sums[k]))
            for k in range(4):
                cut[k] = weight * rate[k] * steps[k, L1]
            if floating is float:
                move[float_row, float](&P[u, 0], &Q[i, 0], n_factors, error, proximal,
                                       rate, l2, cut, least, squares)
            else:
                move[double_row, double](&P[u, 0], &Q[i, 0], n_factors, error, proximal,
                                         rate, l2, cut, least, squares)
            user_accumulators[u, 0] += squares[0]
            item_accumulators[i, 0] += squares[1]
            if fit_bias:
                squares[2] = error - l2[2] * user_bias[u]
                squares[3] = error - l2[3] * item_bias[i]
                user_bias[u] = shrink(user_bias[u] + rate[2] * squares[2], cut[2], least)
                item_bias[i] = shrink(item_bias[i] + rate[3] * squares[3], cut[3], least)
                user_accumulators[u, 1] += squares[2] * squares[2]
                item_accumulators[i, 1] += squares[3] * squares[3]
    return squared
