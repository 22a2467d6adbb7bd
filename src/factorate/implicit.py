"""ImplicitMatrixFactorization: matrix factorization of implicit feedback."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from factorate._fitted.implicit_fit import InteractionData, fit_implicit, read_in_this_process
from factorate._input.wide import as_wide
from factorate._utils.writer_lock import writer_lock
from factorate.implicit_model import ImplicitModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike

    from factorate._fitted.implicit_state import ImplicitState
    from factorate._input.column_names import Names
    from factorate._training.implicit_epoch import ImplicitEpoch


class ImplicitMatrixFactorization(ImplicitModel):
    """Matrix factorization of implicit feedback by alternating least squares.

    It learns from interactions, such as clicks and purchases: which users interacted with which
    items, and how often. There are no ratings. The score of item i for user u is the dot product of
    two vectors of `n_factors` latent factors, p_u · q_i. Training minimizes [1]_ [2]_::

        Σ w (1 − p_u · q_i)² + α₀ Σ_all (p_u · q_i)²
            + λ Σ_u √(w̄ (n_u + α₀ n_items)) |p_u|² + λ Σ_i √(w̄ (n_i + α₀ n_users)) |q_i|²

    where the first sum is over the interactions, each with a weight w, and the second over all
    pairs of user and item; n_u and n_i are the sums of the weights of a user and of an item, and w̄
    is the mean weight. So observed pairs are to score 1, and all others 0, with the weight α₀.

    Parameters
    ----------
    n_factors : int, default=64
        Number of latent factors, K.
    n_epochs : int, default=16
        Number of epochs. In each, all users are computed given the items, then all items given the
        users.
    regularization : float, default=0.25
        L2 regularization λ.
    unobserved_weight : float or None, default=None
        Weight α₀ of each pair of user and item, observed or not. With None, all pairs together
        weigh 8 times as much as the interactions.
    alpha : float or None, default=None
        How counts become weights: a pair with the count c has the weight 1 + `alpha` c, as in [1]_.
        None takes the counts as the weights.
    early_stopping : bool, default=False
        Whether to stop when the validation NDCG has not improved for `patience` epochs, and to
        restore the best epoch. The validation interactions are the `eval_set` of `fit`, or else a
        random `validation_fraction` of the training interactions.
    validation_fraction : float, default=0.1
        Fraction of the training interactions to hold out for early stopping, above 0 and below 1.
    patience : int, default=3
        Number of epochs without improvement before training stops early.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the initial factors and the validation split: an int ≥ 0 for reproducible results, a
        NumPy Generator or RandomState from which every `fit` draws a seed, or None for a new seed
        in every `fit`.
    n_threads : int or None, default=None
        Number of threads. None is the number of CPU cores available to this process. It does not
        change the results.
    dtype : str, default="float32"
        Type of the factors: "float32" or "float64".
    columns : tuple of str or int, or None, default=None
        Names of the user and item columns of DataFrames and files, or their numbers from 0; numbers
        also apply to arrays. A third name is that of the counts or weights. None recognizes common
        names, such as "userId", "movieId" and "count"; a column of ratings is not used then.
    verbose : bool, default=False
        Whether to show a progress bar.
    keep_seen : bool, default=True
        Whether to store the interactions, so that `recommend` can exclude their items, and
        `partial_fit` can update the model. It takes 4 bytes for each pair of user and item, and
        with counts the size of `dtype` in addition.

    Attributes
    ----------
    user_factors_ : ndarray of shape (n_users, n_factors)
        Factors of the users, P; read-only.
    item_factors_ : ndarray of shape (n_items, n_factors)
        Factors of the items, Q; read-only.
    unobserved_weight_ : float
        Weight α₀ of each pair of user and item in training.
    mean_weight_ : float
        Mean weight w̄ of the interactions in training; 1 without counts.
    users_ : ndarray of shape (n_users,)
        Ids of the users, in the order of their rows: the ids of the training interactions, sorted,
        followed by those that each later call added, sorted.
    items_ : ndarray of shape (n_items,)
        Ids of the items, in the order of their rows.
    id_kinds_ : tuple of str
        Kinds of the user ids and of the item ids, such as "integer" or "str".
    n_features_in_ : int
        Number of columns of the pairs that `predict` takes: 2.
    feature_names_in_ : ndarray of shape (2,)
        Names of the columns of users and items. Only after a fit to a DataFrame or file.
    n_epochs_ : int
        Number of epochs trained.
    best_epoch_ : int
        Epoch, counted from 1, that the factors come from: the last one unless training stopped
        early.
    history_ : dict of str to ndarray
        One entry per epoch in each array: "epoch"; "loss", the objective after the epoch;
        "valid_ndcg", the NDCG at 10 on the validation interactions, NaN without any; and "seconds"
        since training began. The arrays are read-only.

    See Also
    --------
    ImplicitMatrixFactorizationCV : The same model with settings that it chooses itself.
    MatrixFactorization : The model for ratings.
    factorate.metrics : Metrics of recommendations.
    load : Read a model from a file.

    Notes
    -----
    Given the items, the objective is quadratic in the factors of each user. Its minimizer solves::

        (Σ_i w q_i q_iᵀ + α₀ QᵀQ + λ √(w̄ (n_u + α₀ n_items)) I) p_u = Σ_i w q_i

    where the sums are over the items of the user. QᵀQ is the same for all users, so an epoch takes
    time linear in the number of interactions. An epoch takes two steps of the preconditioned
    conjugate gradient method towards the solution for each row. After the last one, the users are
    solved exactly, as are users and items that are added later.

    With the same `random_state`, the results are equal bit for bit for any number of threads, any
    form of input, in memory or on disk, and any order of the interactions, on the same version and
    instruction set.

    References
    ----------
    .. [1] Y. Hu, Y. Koren and C. Volinsky, "Collaborative Filtering for Implicit Feedback
       Datasets", ICDM 2008.
    .. [2] S. Rendle, W. Krichene, L. Zhang and Y. Koren, "Revisiting the Performance of iALS on
       Item Recommendation Benchmarks", RecSys 2022, section 3.

    Examples
    --------
    >>> import factorate as ft
    >>> users = ["ann", "ann", "bob", "cy", "cy"]
    >>> items = ["tea", "jam", "tea", "jam", "rye"]
    >>> model = ft.ImplicitMatrixFactorization(n_factors=2, random_state=0)
    >>> model.fit((users, items))
    ImplicitMatrixFactorization(n_factors=2, random_state=0)
    >>> items, scores = model.recommend("bob", n=1)
    >>> items
    array(['jam'], dtype=object)
    """

    def __init__(
        self,
        n_factors: int = 64,
        n_epochs: int = 16,
        *,
        regularization: float = 0.25,
        unobserved_weight: float | None = None,
        alpha: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 3,
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
        self.regularization = regularization
        self.unobserved_weight = unobserved_weight
        self.alpha = alpha
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
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
        *,
        wide: bool = False,
        eval_set: Any = None,
        callbacks: Sequence[Callable[[ImplicitEpoch], object]] = (),
    ) -> Self:
        """Fit the model to interactions. A previous fit is replaced.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix, array-like or RatingStore
            The interactions, in one of these forms:

            - a DataFrame with columns for user and item, a dict of such columns, or Arrow data of
              any library;
            - the path of a file or folder, or an open file, as for `read_ratings`;
            - a tuple (users, items) or (users, items, counts) of arrays;
            - an array of shape (n, 2), or a list of tuples (user, item);
            - a list of tuples (user, item, count), or with `columns` of numbers, such as
              ``columns=(0, 1, 2)``, any array with these columns;
            - a scipy.sparse matrix of shape (n_users, n_items), whose stored entries are counts;
            - a dense array of shape (n_users, n_items), where 0 and NaN are pairs without
              interactions, if it has more than three columns and more than two rows;
            - with ``wide=True``, a DataFrame or array of users × items of any size, where 0 and NaN
              are pairs without interactions, such as pandas' ``crosstab`` returns;
            - a `RatingStore`, for interactions that do not fit in memory, with the same result; its
              ratings are the counts. Early stopping then needs an `eval_set`.

            Without counts, every row is one interaction. Counts can be any weights above 0, but not
            times, which are to be left out. A column of counts is recognized by its name, such as
            "count", "weight" or "plays", or named with `columns`; a column of ratings is used only
            if it is named. Divide weights by their mean if it is far from 1, which the default
            regularization suits. The counts of pairs that occur repeatedly add up. Ids are those
            that `MatrixFactorization` takes.
        y : array-like of shape (n,), optional
            Counts or weights of the pairs `X`.
        wide : bool, default=False
            Whether `X`, and `eval_set` unless it is a tuple, is a table of users × items.
        eval_set : interactions, optional
            Validation interactions in any form of `X`, or a tuple (X, y); their counts are not
            used. They are evaluated after each epoch, by the NDCG at 10 of the items without those
            of the training interactions, averaged over their users. Users without training
            interactions are left out.
        callbacks : sequence of callable, default=()
            Functions to call after each epoch, with an object that has the attributes ``number``,
            ``loss``, ``valid_ndcg`` and ``seconds``. Training stops when one of them returns True.

        Returns
        -------
        ImplicitMatrixFactorization
            The fitted model itself. Threads that read it meanwhile use its previous state; those
            that change it wait.

        Raises
        ------
        TypeError
            If a parameter or the interactions have the wrong type.
        ValueError
            If a parameter or the interactions have an invalid value, such as a count of 0 or below.
        FileNotFoundError
            If `X` is the path of a file that does not exist.
        RatingStoreError
            If a `RatingStore` is damaged.
        OSError
            If the temporary files of a fit to a `RatingStore` cannot be written.
        DivergenceError
            If factors become infinite or NaN.
        KeyboardInterrupt
            If the user interrupts training. The model keeps the epochs finished so far. Before the
            first epoch is finished, and after any other error, the model is unchanged.

        Examples
        --------
        Fit to two columns, or to three:

        >>> import factorate as ft
        >>> users, items, plays = [1, 1, 2, 3], ["tea", "jam", "tea", "rye"], [12, 1, 3, 40]
        >>> model = ft.ImplicitMatrixFactorization(2, random_state=0).fit((users, items))
        >>> model.users_, model.items_.tolist()
        (array([1, 2, 3]), ['jam', 'rye', 'tea'])
        >>> model = ft.ImplicitMatrixFactorization(2, alpha=0.5, random_state=0)
        >>> model.fit((users, items, plays)).n_epochs_
        16
        """

        def store(fitted: ImplicitState) -> None:
            self._fitted = fitted

        if not isinstance(eval_set, tuple | None):
            eval_set = as_wide(eval_set, wide)
        data = InteractionData(as_wide(X, wide), y, eval_set)
        with writer_lock(self):
            parameters = self.get_params()
            read = partial(read_in_this_process, parameters, data)
            fit_implicit(parameters, read, callbacks, self._make_validator, store)
        return self

    def partial_fit(self, X: Any, y: ArrayLike | None = None, *, wide: bool = False) -> Self:
        """Update the model with more interactions.

        Only the users and items of these interactions are updated; new ones are appended. The
        factors of these users are computed again given the items, then those of these items given
        the users, then those of the users again, each exactly and from all of its interactions, old
        and new. The counts of pairs that were known already add up. A model without a fit is fitted
        as by `fit`.

        New users and items that have interactions only with each other have factors of 0 until the
        next `fit`.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Interactions in any form that `fit` accepts.
        y : array-like of shape (n,), optional
            Counts or weights of the pairs `X`.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.

        Returns
        -------
        ImplicitMatrixFactorization
            The model itself. Threads that read it meanwhile use its previous state; those that
            change it wait.

        Raises
        ------
        TypeError
            If a parameter or the interactions have the wrong type.
        ValueError
            If a parameter or the interactions have an invalid value, or the model was fitted with
            ``keep_seen=False``.
        FileNotFoundError
            If `X` is the path of a file that does not exist.
        DivergenceError
            If factors become infinite or NaN. After any error the model is unchanged.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.ImplicitMatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8]))
        >>> model.partial_fit((["c"], [7])).users_.tolist()
        ['a', 'b', 'c']
        """
        X = as_wide(X, wide)
        with writer_lock(self):
            if "_fitted" not in vars(self):
                return self.fit(X, y)
            self._update(X, y)
        return self
