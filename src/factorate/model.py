"""MatrixFactorization: parameters, and calls to the other rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate._fitted import model_file as storage
from factorate._fitted.fit import TrainingData, fit
from factorate._fitted.partial_fit import partial_fit
from factorate._utils.validation import check_flag
from factorate.base import FactorModel
from factorate.exceptions import ModelFileError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.frames import Names
    from factorate._training.epoch import Epoch

    Rates = float | Mapping[str, float]


class MatrixFactorization(FactorModel):
    """Matrix factorization of ratings with biases, by stochastic gradient descent.

    A rating is predicted as μ + b_u + b_i + p_u·q_i. Training minimizes, over the observed ratings
    r, centred by their mean and divided by their standard deviation::

        ½ Σ [ (r − r̂)² + λ (|p_u|² + |q_i|² + b_u² + b_i²) ]

    (Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE
    Computer 42(8), 2009, eq. 5). The same seed gives the same bits for any number of threads, any
    form of the input and any order of its rows, as long as no pair of user and item is there twice.

    Parameters
    ----------
    n_factors
        K, the length of a user's and an item's row of factors.
    n_epochs
        Passes over the ratings.
    learning_rate
        η, on the scale of the standardized ratings: one number for all, or a mapping with some of
        the keys "factors", "biases", "user_factors", "item_factors", "user_bias" and "item_bias".
        None is what suits the schedule, ``{"factors": 0.07, "biases": 0.015}`` for "linear"; it
        also fills what a mapping leaves out.
    regularization
        λ, likewise one number or a mapping; 0.036 fills what a mapping leaves out.
    l1_regularization
        Likewise, of the absolute values of factors and biases, which become exactly 0; what a
        mapping leaves out is 0. By proximal steps (Duchi and Singer, "Efficient Online and Batch
        Learning Using Forward Backward Splitting", JMLR 10, 2009, eq. 19).
    learning_rate_schedule
        How η goes on: "linear" and "cosine" fall towards 0 over the epochs, "inverse" falls as
        1/√epoch, "constant" stays, and "adagrad" divides the rate of each row by the root of its
        summed squared gradients (Duchi, Hazan and Singer, JMLR 12, 2011; one sum a row, as in Chin
        et al., "A Learning-Rate Schedule for Stochastic Gradient Methods to Matrix Factorization",
        PAKDD 2015).
    loss
        "squared", "absolute" or "huber"; for ratings of two values "logistic", "hinge" or
        "squared_hinge"; with ``nonnegative=True`` also "kullback_leibler" (generalized). The two
        robust losses centre ratings by their median; ratings of two values become −1 and 1, so
        that a prediction above their middle means the higher one.
    huber_delta
        Error beyond which Huber's loss is linear, in standard deviations of the ratings.
    nonnegative
        Whether factors and biases stay ≥ 0; μ is 0 then.
    svdpp
        Whether what a user has rated counts, whatever the ratings (SVD++; Koren, "Factorization
        Meets the Neighborhood", KDD 2008, eq. 15): p_u becomes
        ``p_u + |N(u)|^-½ Σ y_j`` over the items N(u) that u rated in training. Predictions become
        more accurate; training takes about twice as long.
    early_stopping
        Whether to hold out ratings (or use the `eval_set` of `fit`), to stop when their loss has
        not fallen for `patience` epochs, and to go back to the best epoch.
    validation_fraction
        Share of the ratings that is held out, above 0 and below 1.
    patience
        Epochs.
    warm_start
        Whether `fit` goes on from what was learnt before: users and items of the new ratings keep
        their factors and biases, and the sums of AdaGrad go on; those not in the new ratings are
        dropped.
    partial_learning_rate
        η of `partial_fit`; None is ``{"factors": 0.03, "biases": 0.03}``.
    clip
        Whether predictions are kept within the least and largest rating in training. Rankings
        never are.
    fit_bias
        Whether users and items have biases.
    fit_mean
        Whether μ, the centre, is subtracted: the mean of the ratings for the squared loss, their
        median for "absolute" and "huber". Else it is 0, as with `nonnegative` it always is; for the
        losses of two values it always is their middle.
    random_state
        Seed: an int ≥ 0, a NumPy Generator or RandomState that each `fit` and each grouping draws
        one from, or None for a new one each time. `partial_fit`, `add_users` and the like take
        that of the fit.
    n_threads
        Threads to train, predict and recommend with; None for all the cores this process may use.
    dtype
        "float32" or "float64".
    columns
        Names of the columns (user, item, rating) of DataFrames and files; None to find them.
    verbose
        Whether to show a progress bar.
    keep_seen
        Whether to keep which items each user has rated, 4 bytes a rating, for recommendations of
        others.

    Attributes
    ----------
    user_factors_, item_factors_
        Shapes (n_users, K) and (n_items, K), read-only. With ``svdpp=True`` those of a user
        contain the SVD++ terms.
    svdpp_factors_
        y, with ``svdpp=True``: shape (n_items, K), read-only.
    user_bias_, item_bias_
        Shapes (n_users,) and (n_items,), read-only.
    global_mean_
        μ, the centre: the mean of the training ratings, or what `fit_mean` says.
    users_, items_
        The ids of the rows: those of the training ratings, sorted; after them those that each later
        call added, sorted likewise.
    n_epochs_
        Number of epochs trained.
    best_epoch_
        The epoch whose factors these are: the last one, unless training stopped early.
    history_
        Columns "epoch", "learning_rate" (of the users' factors), "train_rmse" (of the errors before
        each visit), "valid_rmse" and "valid_loss" (the mean loss on the scale of training; both NaN
        without a validation set) and "seconds" since training began; read-only arrays.

    Examples
    --------
    >>> import factorate as ft
    >>> model = ft.MatrixFactorization(n_factors=2, random_state=0)
    >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "jam"]
    >>> _ = model.fit((users, items, [5, 2, 4, 1]))
    >>> model.predict((["bob"], ["jam"])).shape
    (1,)
    """

    def __init__(
        self,
        n_factors: int = 64,
        n_epochs: int = 10,
        learning_rate: Rates | None = None,
        regularization: Rates = 0.036,
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
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.regularization = regularization
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
        eval_set: Any = None,
        callbacks: Sequence[Callable[[Epoch], object]] = (),
    ) -> Self:
        """Learn from ratings; what was learnt before is replaced.

        Parameters
        ----------
        X
            Ratings: a DataFrame, the path of a CSV or Parquet file, a tuple (users, items,
            ratings), a scipy.sparse matrix or a dense 2-d array (0 and NaN are not observed); or
            pairs of shape (n, 2) with `y`.
        y
            Ratings of the pairs, shape (n,).
        sample_weight
            Weight of each rating, ≥ 0, shape (n,). It multiplies the rating's part of the
            objective, regularization included. One of 0 is not a rating, and its item is not left
            out of recommendations; yet its user and item become known. Weights are divided by
            their mean, so only their proportions count (`partial_fit` takes them as given).
        eval_set
            Ratings to validate on after each epoch, in any form `X` takes, or (X, y).
        callbacks
            Functions called after each epoch with an object that has the attributes ``number``,
            ``learning_rate``, ``train_rmse``, ``valid_rmse``, ``valid_loss`` and ``seconds``;
            training ends when one returns True.

        Returns
        -------
        MatrixFactorization
            This model.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            If the parameters or ratings are not what they should be.
        DivergenceError
            If the error explodes, also after halving the learning rate five times.
        KeyboardInterrupt
            The epochs finished so far are kept; before the first, and after any other error, the
            model is as it was.

        Examples
        --------
        Three columns, or pairs and their ratings:

        >>> import factorate as ft
        >>> users, items, ratings = [1, 1, 2, 3], ["tea", "jam", "tea", "rye"], [5, 2, 4, 1]
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((users, items, ratings))
        >>> X = [[1, 10], [1, 20], [2, 10], [3, 30]]
        >>> model = ft.MatrixFactorization(2, random_state=0).fit(X, ratings)
        >>> model.users_, model.items_
        (array([1, 2, 3]), array([10, 20, 30]))
        """

        def store(fitted: FittedState) -> None:
            self._fitted = fitted

        data = TrainingData(X, y, sample_weight, eval_set)
        fit(self.get_params(), data, callbacks, vars(self).get("_fitted"), store)
        return self

    def partial_fit(
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn from more ratings in one pass; on a model without a fit, it is `fit`.

        Only the users and items that are rated move; unknown ones are appended. Centre and scale
        stay what they were.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        MatrixFactorization
            This model; other threads go on with what it was until all is done.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError, DivergenceError
            As `fit`; the model is as it was.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8], [5, 3]))
        >>> model.partial_fit((["c"], [7], [4])).users_.tolist()
        ['a', 'b', 'c']
        """
        old: FittedState | None = vars(self).get("_fitted")
        if old is None:
            return self.fit(X, y, sample_weight)
        self._fitted = partial_fit(self.get_params(), X, y, sample_weight, old)
        return self

    # Files

    def save(self, path: str | os.PathLike[str], dtype: str | None = None) -> None:
        """Write the model to one ``.npz`` file that holds no pickle.

        Parameters
        ----------
        path
            Where to; an existing file is replaced only when the new one is whole. A process that
            is killed while saving leaves a file ``.NAME.…`` beside it, which may be deleted.
        dtype
            Of the factors and biases in the file: None for that of the model, "float32" or
            "float16". Half the size of float32, float16 keeps three decimal digits of each, an
            error of up to 0.05 %; they are loaded as float32, and all that is computed is.

        Raises
        ------
        OSError
            If it cannot be written; an old file stays. On Windows that is so, too, while a model
            is mapped from it.
        TypeError
            If a parameter was set to what a file cannot hold.
        ValueError
            If `columns` was set to what names no columns; if `dtype` is none of these, or its range
            is too narrow for the factors.

        See Also
        --------
        factorate.load
        """
        fitted = self._require()
        self._checked_columns()  # `load` would call the file damaged
        parameters = self.get_params()
        if not isinstance(parameters["random_state"], int | np.integer | None):
            parameters["random_state"] = None  # the state of a generator is not a parameter
        storage.save(path, parameters, fitted, dtype)


def load(path: str | os.PathLike[str], mmap: bool = False) -> MatrixFactorization:
    """Read a model that :meth:`MatrixFactorization.save` wrote.

    Parameters
    ----------
    path
        The ``.npz`` file.
    mmap
        Whether to map the large arrays into memory, where processes share them, rather than copy
        them. It takes no time, and checks all but the content of these arrays. The file may be
        replaced meanwhile (not on Windows), but not changed in place. Factors saved as float16
        are copied nevertheless.

    Raises
    ------
    FileNotFoundError
        If no file is there.
    ModelFileError
        If it is not a model, is damaged, or was written by a later version.

    Examples
    --------
    >>> import factorate as ft, tempfile, pathlib
    >>> model = ft.MatrixFactorization(2, random_state=0).fit(ft.datasets.textbook()[0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder, "model.npz"))
    ...     again = ft.load(pathlib.Path(folder, "model.npz"))
    >>> bool((again.complete() == model.complete()).all())
    True
    """
    parameters, fitted = storage.load(path, check_flag("mmap", mmap))
    later = sorted(parameters.keys() - MatrixFactorization._parameters().keys())
    if later:
        raise ModelFileError(
            f"{path} has parameters that this version does not know ({', '.join(later)}): upgrade "
            f"factorate"
        )
    model = MatrixFactorization(**parameters)
    model._fitted = fitted
    return model
