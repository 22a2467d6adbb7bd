"""A loss enters the kernel as one number a rating: minus its derivative by the prediction."""

from cython cimport floating
from libc.math cimport exp, expf

cdef enum Loss:  # in the order of losses.py
    SQUARED
    ABSOLUTE
    HUBER
    LOGISTIC
    HINGE
    SQUARED_HINGE
    KULLBACK_LEIBLER


cdef inline floating descent(int loss, floating rating, floating predicted,
                             floating width) noexcept nogil:
    cdef floating residual = rating - predicted, margin = rating * predicted
    if loss == ABSOLUTE:
        return <floating>((residual > 0) - (residual < 0))
    if loss == HUBER:
        return width if residual > width else -width if residual < -width else residual
    if loss == LOGISTIC:
        return rating / (1 + (expf(margin) if floating is float else exp(margin)))
    if loss == HINGE:
        return 0 if margin >= 1 else rating
    if loss == SQUARED_HINGE:
        return 0 if margin >= 1 else residual
    if loss == KULLBACK_LEIBLER:
        return rating / (width if predicted < width else predicted) - 1
    return residual
