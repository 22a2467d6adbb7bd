"""MatrixFactorization: matrix factorization of ratings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate._fitted.fit import TrainingData, fit, read_data
from factorate._fitted.partial_fit import partial_fit
from factorate._input.wide import as_wide
from factorate._utils.writer_lock import writer_lock
from factorate.rating_model import RatingModel

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike

    from factorate._fitted.rating_state import RatingState
    from factorate._input.column_names import Names
    from factorate._training.epoch import Epoch

    Rates = float | Mapping[str, float]


class MatrixFactorization(RatingModel):
    """Matrix factorization of ratings by stochastic gradient descent.

    The rating of item i by user u is predicted as::

        r̂ = μ + b_u + b_i + p_u · q_i

    where μ is the mean rating, b_u and b_i are biases, and p_u and q_i are vectors of `n_factors`
    latent factors. Ratings are centred by μ and divided by their standard deviation; on that scale,
    training minimizes the regularized squared error of the observed ratings [1]_::

        ½ Σ (r − r̂)² + ½ Σ_u (λ n_u + c) (|p_u|² + b_u²) + ½ Σ_i (λ n_i + c) (|q_i|² + b_i²)

    where n_u and n_i are the numbers of ratings of a user and of an item. The regularization λ acts
    on each rating; the shrinkage c does not vanish for users and items with few ratings.

    Other losses, L1 regularization, nonnegative factors and SVD++ are options.

    Parameters
    ----------
    n_factors : int, default=64
        Number of latent factors, K. With 0, the model consists of the mean and the biases alone.
    n_epochs : int, default=10
        Number of passes over the training ratings.
    learning_rate : float, dict or None, default=None
        Learning rate η, on the scale of the standardized ratings. One number applies to all
        parameters. A dict sets some of "factors", "biases", "user_factors", "item_factors",
        "user_bias" and "item_bias"; the more specific key takes precedence. Keys left out, and
        None, take defaults that depend on `learning_rate_schedule`; for "linear" they are
        ``{"factors": 0.13, "biases": 0.065}``.
    regularization : float, dict or None, default=None
        L2 regularization λ of each rating, one number or a dict with the keys of `learning_rate`.
        Keys left out, and None, are ``{"factors": 0.025, "biases": 0.004}``.
    shrinkage : float, dict or None, default=None
        L2 regularization c of each user and item, whatever the number of ratings: one number or a
        dict with the keys of `learning_rate`. Keys left out, and None, are ``{"factors": 4.5,
        "user_bias": 3.3, "item_bias": 2.2}``; or 0 if the ratings are not centred at their mean or
        median: with ``fit_mean=False``, ``nonnegative=True`` or a loss for two values. It is the
        precision of a Gaussian prior [6]_, in units of the precision of one rating: a bias with n
        ratings is about n / (n + c) of their mean error.
    count_scale : float or None, default=150.0
        Number of ratings n₀ beyond which the learning rate of a user or item falls: with n ratings
        it is η / √(1 + n / n₀). None gives all the same rate. Not used with
        ``learning_rate_schedule="adagrad"``, which lowers the rates itself.
    l1_regularization : float or dict, default=0.0
        L1 regularization, one number or a dict with the keys of `learning_rate`. Keys left out are
        0. It sets small factors and biases to exactly 0, by proximal steps [2]_.
    learning_rate_schedule : str, default="linear"
        How the learning rate changes from epoch to epoch:

        - "linear" decreases linearly towards 0;
        - "cosine" decreases towards 0 along half a cosine wave;
        - "inverse" is proportional to 1/√epoch;
        - "constant" does not change;
        - "adagrad" divides the rate of each row of factors, and of each bias, by the root of its
          accumulated squared gradients [3]_ [4]_.
    loss : str, default="squared"
        The loss to minimize: "squared", "absolute" or "huber"; "logistic", "hinge" or
        "squared_hinge" for ratings of exactly two values; or "kullback_leibler", which needs
        ``nonnegative=True``. For two values, the lower is trained as −1 and the higher as 1: a
        prediction above their midpoint means the higher one.
    huber_delta : float, default=1.0
        Error above which the Huber loss is linear, in standard deviations of the ratings. Used
        only with ``loss="huber"``.
    nonnegative : bool, default=False
        Whether to keep factors and biases ≥ 0. Ratings are not centred then: μ is 0.
    svdpp : bool, default=False
        Whether to add the SVD++ terms, which use the set N(u) of items that a user has rated [5]_:
        p_u becomes ``p_u + |N(u)|^-½ Σ y_j``, summed over the items j in N(u). Training takes about
        twice as long. Predictions become more accurate where users have many ratings.
    early_stopping : bool, default=False
        Whether to stop when the validation loss has not improved for `patience` epochs, and to
        restore the best epoch. The validation ratings are the `eval_set` of `fit`, or else a random
        `validation_fraction` of the training ratings.
    validation_fraction : float, default=0.1
        Fraction of the training ratings to hold out for early stopping, above 0 and below 1.
    patience : int, default=3
        Number of epochs without improvement before training stops early.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit. Pass all ratings again: users and items that
        are not among them are dropped. The learning rates and the factors at the start depend on
        the fraction of new ratings; see Notes. AdaGrad accumulators continue.
    partial_learning_rate : float, dict or None, default=None
        Learning rate of new users and items in `partial_fit`, in the form of `learning_rate`. None
        is 0.05.
    clip : bool, default=False
        Whether to limit predictions to the range of the training ratings. Rankings are never
        clipped.
    fit_bias : bool, default=True
        Whether to fit biases of users and items.
    fit_mean : bool, default=True
        Whether to centre the ratings. The centre μ is their mean, and their median for the losses
        "absolute" and "huber". Otherwise μ is 0. Losses for two values always use their midpoint.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the initial factors, the order of updates and the validation split: an int ≥ 0 for
        reproducible results, a NumPy Generator or RandomState from which every `fit` draws a seed,
        or None for a new seed in every `fit`.
    n_threads : int or None, default=None
        Number of threads for training, prediction and recommendation. None is the number of CPU
        cores available to this process. It does not change the results.
    dtype : str, default="float32"
        Type of the factors and biases: "float32" or "float64".
    columns : tuple of str or int, or None, default=None
        Names of the user, item and rating columns of DataFrames and files, or their numbers from 0;
        numbers also apply to arrays. None recognizes common names, such as "userId", "movieId" and
        "rating".
    verbose : bool, default=False
        Whether to show a progress bar.
    keep_seen : bool, default=True
        Whether to store which items each user has rated, so that `recommend` can exclude them. It
        takes 4 bytes per rating.

    Attributes
    ----------
    user_factors_ : ndarray of shape (n_users, n_factors)
        Factors of the users, P; read-only. With ``svdpp=True`` they include the SVD++ terms.
    item_factors_ : ndarray of shape (n_items, n_factors)
        Factors of the items, Q; read-only.
    svdpp_factors_ : ndarray of shape (n_items, n_factors)
        Item factors y of the SVD++ terms; read-only. Only with ``svdpp=True``.
    user_bias_ : ndarray of shape (n_users,)
        Biases of the users, in units of the ratings; read-only.
    item_bias_ : ndarray of shape (n_items,)
        Biases of the items, in units of the ratings; read-only.
    global_mean_ : float
        The centre μ that was subtracted from the ratings.
    users_ : ndarray of shape (n_users,)
        Ids of the users, in the order of their rows: the ids of the training ratings, sorted,
        followed by those that each later call added, sorted.
    items_ : ndarray of shape (n_items,)
        Ids of the items, in the order of their rows.
    id_kinds_ : tuple of str
        Kinds of the user ids and of the item ids, such as "integer" or "str".
    n_features_in_ : int
        Number of columns of the pairs that `predict` takes: 2.
    feature_names_in_ : ndarray of shape (2,)
        Names of the columns of users and items. Only after a fit to a DataFrame or file.
    classes_ : ndarray of shape (2,)
        The two values of the ratings. Only with a loss for two values.
    n_epochs_ : int
        Number of epochs trained.
    best_epoch_ : int
        Epoch, counted from 1, that the factors come from: the last one unless training stopped
        early.
    history_ : dict of str to ndarray
        One entry per epoch in each array: "epoch"; "learning_rate" of the user factors;
        "train_rmse", from the error of each rating before its update; "valid_rmse" and "valid_loss"
        (the mean loss on the standardized scale), NaN without validation ratings; and "seconds"
        since training began. The arrays are read-only.

    See Also
    --------
    matrix_factorization : The textbook algorithm on a whole matrix.
    factorate.metrics : Metrics of predictions and recommendations.
    load : Read a model from a file.

    Notes
    -----
    Each update uses one rating. With e = r − r̂::

        p ← p + η_u (e q − (λ + c / n_u) p)
        q ← q + η_i (e p_old − (λ + c / n_i) q)
        b_u ← b_u + η_u (e − (λ + c / n_u) b_u)
        b_i ← b_i + η_i (e − (λ + c / n_i) b_i)

    where η_u is η / √(1 + n_u / n₀). If η_u (λ + c) exceeds 1, c is lowered until it is 1. With
    sample weights, n_u is the sum of the weights of the user's ratings.

    With ``warm_start=True``, the learning rates of a user with n ratings now and m in the last fit
    are multiplied by f + (1 − f) √x. Here x is the fraction of new ratings, 1 − m / n, or that of
    all users together if it is larger; f is the factor of the learning rate at which the training
    of the user ended: 1 / `n_epochs` after a first fit with ``learning_rate_schedule="linear"``. So
    repeated fits to the same ratings leave the model nearly as it is. The factors start from
    (1 − x)^E of the old ones plus 1 − (1 − x)^E of random ones, where E is `n_epochs`: from the old
    factors alone, a fit to more ratings would end with a higher error [7]_. The same holds for
    items.

    `factorate.reference` defines the updates for all options in plain NumPy.

    With the same `random_state`, the results are equal bit for bit for any number of threads, any
    form of input and any order of the ratings, on the same version and instruction set, provided
    that no pair of user and item occurs twice.

    References
    ----------
    .. [1] Y. Koren, R. Bell and C. Volinsky, "Matrix Factorization Techniques for Recommender
       Systems", IEEE Computer 42(8), 2009, eq. 5.
    .. [2] J. Duchi and Y. Singer, "Efficient Online and Batch Learning Using Forward Backward
       Splitting", JMLR 10, 2009, eq. 19.
    .. [3] J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning and
       Stochastic Optimization", JMLR 12, 2011.
    .. [4] W.-S. Chin, Y. Zhuang, Y.-C. Juan and C.-J. Lin, "A Learning-Rate Schedule for Stochastic
       Gradient Methods to Matrix Factorization", PAKDD 2015.
    .. [5] Y. Koren, "Factorization Meets the Neighborhood: A Multifaceted Collaborative Filtering
       Model", KDD 2008, eq. 15.
    .. [6] R. Salakhutdinov and A. Mnih, "Probabilistic Matrix Factorization", NIPS 2007, eq. 4.
    .. [7] J. Ash and R. Adams, "On Warm-Starting Neural Network Training", NeurIPS 2020, section 4.

    Examples
    --------
    >>> import factorate as ft
    >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "jam"]
    >>> ratings = [5, 2, 4, 1]
    >>> model = ft.MatrixFactorization(n_factors=2, random_state=0)
    >>> model.fit((users, items, ratings))
    MatrixFactorization(n_factors=2, random_state=0)
    >>> model.predict((["bob"], ["jam"])).shape
    (1,)
    >>> items, scores = model.recommend("bob", n=1)
    >>> items
    array(['jam'], dtype=object)
    """

    def __init__(
        self,
        n_factors: int = 64,
        n_epochs: int = 10,
        *,
        learning_rate: Rates | None = None,
        regularization: Rates | None = None,
        shrinkage: Rates | None = None,
        count_scale: float | None = 150.0,
        l1_regularization: Rates = 0.0,
        learning_rate_schedule: str = "linear",
        loss: str = "squared",
        huber_delta: float = 1.0,
        nonnegative: bool = False,
        svdpp: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 3,
        warm_start: bool = False,
        partial_learning_rate: Rates | None = None,
        clip: bool = False,
        fit_bias: bool = True,
        fit_mean: bool = True,
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        n_threads: int | None = None,
        dtype: str = "float32",
        columns: Names | None = None,
        verbose: bool = False,
        keep_seen: bool = True,
    ) -> None:
        super().__init__()
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.shrinkage = shrinkage
        self.count_scale = count_scale
        self.l1_regularization = l1_regularization
        self.learning_rate_schedule = learning_rate_schedule
        self.loss = loss
        self.huber_delta = huber_delta
        self.nonnegative = nonnegative
        self.svdpp = svdpp
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.partial_learning_rate = partial_learning_rate
        self.clip = clip
        self.fit_bias = fit_bias
        self.fit_mean = fit_mean
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype
        self.columns = columns
        self.verbose = verbose
        self.keep_seen = keep_seen

    # Training

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        wide: bool = False,
        eval_set: Any = None,
        callbacks: Sequence[Callable[[Epoch], object]] = (),
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Fit the model to ratings.

        A previous fit is replaced, or continued with ``warm_start=True``.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix, array-like or RatingStore
            The ratings, in one of these forms:

            - a DataFrame with columns for user, item and rating, a dict of such columns, or Arrow
              data of any library;
            - the path of a file or folder, or an open file, as for `read_ratings`;
            - a tuple (users, items, ratings) of arrays;
            - a list of tuples (user, item, rating), or with `columns` of numbers, such as
              ``columns=(0, 1, 2)``, any array with these columns;
            - a scipy.sparse matrix of shape (n_users, n_items), whose stored entries are ratings;
            - a dense array of shape (n_users, n_items), where 0 and NaN are missing ratings;
            - with ``wide=True``, a DataFrame of users × items, where NaN is a missing rating;
            - with `y`, pairs (user, item) of shape (n_ratings, 2);
            - a `RatingStore`, for ratings that do not fit in memory, with the same result; without
              `sample_weight` and SVD++ terms.

            Ids are bool, integers, str, bytes, UUID, datetime or date. Floats that are whole
            numbers are read as integers.
        y : array-like of shape (n_ratings,), optional
            Ratings of the pairs `X`.
        sample_weight : array-like of shape (n_ratings,), optional
            Weights ≥ 0 of the ratings. A weight multiplies all terms of a rating in the objective,
            including regularization. Weights are divided by their mean. A rating of weight 0 is not
            used, and its item is not excluded from recommendations, but its user and item become
            known.
        wide : bool, default=False
            Whether `X`, and `eval_set` unless it is a tuple, is a table of users × items, such as
            pandas' ``frame.pivot`` returns: the index holds the user ids, the names of the columns
            are the item ids, and NaN is a missing rating. In a DataFrame without an index, the
            first column holds the user ids. An array of two or three columns is a matrix with
            ``wide=True`` only.
        eval_set : ratings, optional
            Validation ratings in any form of `X`, or a tuple (X, y). They are evaluated after each
            epoch.
        callbacks : sequence of callable, default=()
            Functions to call after each epoch, with an object that has the attributes ``number``,
            ``learning_rate``, ``train_rmse``, ``valid_rmse``, ``valid_loss`` and ``seconds``.
            Training stops when one of them returns True.
        checkpoint : str or path-like, optional
            Path of a file to which the state of training is written after each epoch: the factors,
            twice with early stopping. If the file exists, training continues from it, with the
            result of a fit that was not stopped; the parameters and the ratings must be the same.
            The file is deleted when the fit is complete.

        Returns
        -------
        MatrixFactorization
            The fitted model itself. Threads that read it meanwhile use its previous state; those
            that change it wait.

        Raises
        ------
        TypeError
            If a parameter or the ratings have the wrong type.
        ValueError
            If a parameter or the ratings have an invalid value.
        FileNotFoundError
            If `X` is the path of a file that does not exist.
        DivergenceError
            If training diverges, even after halving the learning rate five times.
        KeyboardInterrupt
            If the user interrupts training. The model keeps the epochs finished so far. Before the
            first epoch is finished, and after any other error, the model is unchanged.

        Examples
        --------
        Fit to three columns, or to pairs and their ratings:

        >>> import factorate as ft
        >>> users, items, ratings = [1, 1, 2, 3], ["tea", "jam", "tea", "rye"], [5, 2, 4, 1]
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((users, items, ratings))
        >>> X = [[1, 10], [1, 20], [2, 10], [3, 30]]
        >>> model = ft.MatrixFactorization(2, random_state=0).fit(X, ratings)
        >>> model.users_, model.items_
        (array([1, 2, 3]), array([10, 20, 30]))

        Fit to rows of user, item and rating:

        >>> model = ft.MatrixFactorization(2, columns=(0, 1, 2), random_state=0)
        >>> model.fit([[1, 10, 5], [1, 20, 2], [2, 10, 4], [3, 30, 1]]).items_
        array([10, 20, 30])
        """

        def store(fitted: RatingState) -> None:
            self._fitted = fitted

        if not isinstance(eval_set, tuple | None):
            eval_set = as_wide(eval_set, wide)
        data = TrainingData(as_wide(X, wide), y, sample_weight, eval_set)
        with writer_lock(self):
            old = vars(self).get("_fitted")
            read = partial(read_data, self.get_params(), data)
            fit(self.get_params(), read, callbacks, old, store, checkpoint)
        return self

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        wide: bool = False,
    ) -> Self:
        """Update the model with more ratings, in a single pass.

        Only the users and items of these ratings are updated; new ones are appended. The centre and
        scale of the ratings do not change. A model without a fit is fitted as by `fit`.

        A user with m of these ratings and n together with all that it was trained with before has
        the learning rate η √(m / n) / √(1 + n / n₀), where η is `partial_learning_rate` and n₀
        `count_scale`, and the penalty λ + c / n. So a few ratings change a well-known user little.
        AdaGrad accumulators take the place of both square roots. The same holds for items.

        After the pass, the factors and biases of new users, and then those of new items, are
        computed again from their ratings as by `add_users` and `add_items`, with the others fixed:
        exactly for the squared loss with up to about 2**18 / (`n_factors` + 1) ratings of new users
        or items, without L1 regularization or ``nonnegative=True``; else approximately, by
        training. With a `sample_weight` other than 1, they remain those of the pass.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix, array-like or RatingStore
            Ratings in any form that `fit` accepts. The ratings of a store are used in its batches
            of about a million, one after the other: the result is that of a call with each of
            ``store.batches()``, which differs from that of one call with all of them.
        y : array-like of shape (n_ratings,), optional
            Ratings of the pairs `X`.
        sample_weight : array-like of shape (n_ratings,), optional
            Weights ≥ 0 of the ratings. Unlike in `fit`, they are not divided by their mean.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.

        Returns
        -------
        MatrixFactorization
            The model itself. Threads that read it meanwhile use its previous state; those that
            change it wait.

        Raises
        ------
        TypeError
            If a parameter or the ratings have the wrong type.
        ValueError
            If a parameter or the ratings have an invalid value.
        FileNotFoundError
            If `X` is the path of a file that does not exist.
        DivergenceError
            If the update diverges. After any error the model is unchanged.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8], [5, 3]))
        >>> model.partial_fit((["c"], [7], [4])).users_.tolist()
        ['a', 'b', 'c']
        """
        X = as_wide(X, wide)
        with writer_lock(self):
            old: RatingState | None = vars(self).get("_fitted")
            if old is None:
                return self.fit(X, y, sample_weight)
            self._fitted = partial_fit(self.get_params(), X, y, sample_weight, old)
        return self
