"""Kernel of the textbook's update rule.

Loops only: the caller has checked every length, range and dtype, and wrong arguments can crash.
Compiled once for each instruction set.
"""

from libc.stdint cimport int32_t


def train(const int32_t[::1] user_rows, const int32_t[::1] item_rows, const double[::1] ratings,
          double[:, ::1] P, double[:, ::1] Q, Py_ssize_t n_epochs, double alpha, double beta):
    """Update once for each rating, in order, n_epochs times over.

    The update of q_ki uses the new p_uk, and gradients have the factor 2 of the squared error.
    """
    cdef Py_ssize_t _epoch, t, k, n_factors = P.shape[1]
    cdef double *p
    cdef double *q
    cdef double step, decay = 1 - alpha * beta
    with nogil:
        for _epoch in range(n_epochs):
            for t in range(user_rows.shape[0]):
                p = &P[user_rows[t], 0]
                q = &Q[item_rows[t], 0]
                # Successive updates of a user depend on each other through p. Multiplying q by
                # 2 alpha, not the sum, removes one multiplication from that dependency chain.
                step = 2 * alpha * ratings[t]
                for k in range(n_factors):
                    step -= p[k] * (2 * alpha * q[k])
                for k in range(n_factors):
                    p[k] = decay * p[k] + step * q[k]
                    q[k] = decay * q[k] + step * p[k]
