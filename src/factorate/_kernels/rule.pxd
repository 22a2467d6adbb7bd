"""The parameters of an update, as the kernels take them."""

cdef enum:  # kinds of parameters: indexes into the arrays of a general update
    USER_FACTORS
    ITEM_FACTORS
    USER_BIAS
    ITEM_BIAS

cdef enum:  # columns of the constants of each row
    RATE  # learning rate of the factors
    L2
    BIAS_RATE
    BIAS_L2


cdef struct Rule:  # Python passes a dict with these keys
    double[4] l1
    int loss  # a general.Loss
    double loss_parameter
    double minimum  # of factors and biases
    bint proximal  # whether to apply the proximal operator of L1 and the minimum
    bint adagrad
    bint fit_bias
