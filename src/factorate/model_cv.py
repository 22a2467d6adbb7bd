"""MatrixFactorizationCV: matrix factorization that chooses its own settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from factorate._fitted.fit import TrainingData, read_training, train
from factorate._fitted.partial_fit import partial_fit
from factorate._fitted.rating_state import RatingState
from factorate._input.wide import as_wide
from factorate._training.settings import check_settings, draw_seed
from factorate._tuning.space import SEARCHED
from factorate._tuning.tune import check_search, tune
from factorate._utils.writer_lock import writer_lock
from factorate.model import MatrixFactorization
from factorate.rating_model import RatingModel
from factorate.tuned_model import TunedModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from factorate._input.column_names import Names
    from factorate._tuning.tuned import Tuned

    Rates = str | float | dict[str, float] | None


class MatrixFactorizationCV(TunedModel, RatingModel):
    """Matrix factorization that chooses its settings on held-out ratings.

    `fit` trains with many settings on a part of the ratings, chooses those with the lowest error
    for the other ratings, and trains with them on all ratings. Afterwards, the model is what
    `MatrixFactorization` would be with ``best_params_``, and has all of its methods.

    Parameters
    ----------
    n_trials : int, default=40
        Maximum number of settings to try. The defaults of `MatrixFactorization` are always the
        first. The work on the others is limited to that of ``1.75 * n_trials`` fits with the
        defaults, so fewer are tried if many factors or epochs turn out to be best.
    seconds : float or None, default=None
        Seconds after which the search ends. No training begins later, except with the defaults and
        with the best settings so far, on the folds that are left and on all ratings. Only with it,
        the result depends on the speed of the machine. None is no limit.
    cv : int or None, default=None
        Number of folds, at least 2, on each of which the better half of the settings is validated.
        None holds out a tenth of the ratings, and for fewer than 100,000 ratings other tenths as
        well, until 10,000 ratings have been held out.
    n_factors : int or "auto", default="auto"
        Number of latent factors. "auto" searches from 32 to 512.
    n_epochs : int or "auto", default="auto"
        Number of passes over the training ratings. "auto" searches from 5 to 40.
    learning_rate : float, dict, None or "auto", default="auto"
        Learning rates. Here and below, "auto" searches around the default of `MatrixFactorization`,
        and any other value is that of `MatrixFactorization`: None is its default.
    regularization : float, dict, None or "auto", default="auto"
        L2 regularization of each rating.
    shrinkage : float, dict, None or "auto", default="auto"
        L2 regularization of each user and item.
    count_scale : float, None or "auto", default="auto"
        Number of ratings beyond which the learning rate of a user or item falls.
    svdpp : bool or "auto", default=False
        Whether to add the SVD++ terms. "auto" tries both.
    l1_regularization : float or dict, default=0.0
        L1 regularization. This and the following parameters are not searched; they are those of
        `MatrixFactorization`.
    learning_rate_schedule : str, default="linear"
        How the learning rate changes from epoch to epoch.
    loss : str, default="squared"
        The loss to minimize, in training and in the choice of the settings.
    huber_delta : float, default=1.0
        Error above which the Huber loss is linear, in standard deviations of the ratings.
    nonnegative : bool, default=False
        Whether to keep factors and biases ≥ 0.
    partial_learning_rate : float, dict or None, default=None
        Learning rate of `partial_fit`.
    clip : bool, default=False
        Whether to limit predictions to the range of the training ratings, also when settings are
        compared.
    fit_bias : bool, default=True
        Whether to fit biases of users and items.
    fit_mean : bool, default=True
        Whether to centre the ratings.
    random_state : int, Generator, RandomState or None, default=None
        Seed of training, of the held-out ratings and of the settings that are tried.
    n_threads : int or None, default=None
        Number of threads. It does not change the results, unless `seconds` ends the search.
    dtype : str, default="float32"
        Type of the factors and biases: "float32" or "float64".
    columns : tuple of str or int, or None, default=None
        Names or numbers of the user, item and rating columns of DataFrames and files.
    verbose : bool, default=False
        Whether to show progress bars of the search and of training.
    keep_seen : bool, default=True
        Whether to store which items each user has rated.

    Attributes
    ----------
    best_params_ : dict
        The parameters that were chosen, with which ``MatrixFactorization(**best_params_)`` can be
        made. Parameters that were not "auto" have the value that was set.
    best_rmse_ : float
        RMSE of the held-out ratings with these parameters. It is too low as an estimate for new
        ratings, because the parameters were chosen by it.
    cv_results_ : dict of str to list or ndarray
        Columns with one entry per trial, such as pandas.DataFrame takes:

        - "params": the parameters, a list of dicts;
        - "iter": the round of the search, 0 for the defaults;
        - "n_folds": number of folds that the trial was validated on;
        - "split0_test_rmse", "split1_test_rmse", …: RMSE of each fold, NaN where not validated, and
          infinity where training diverged;
        - "mean_test_rmse", "mean_test_loss": means of the RMSE, and of the loss on the standardized
          scale;
        - "rank_test_loss": rank, 1 for the parameters that were chosen; among the others, trials
          on more folds come first;
        - "seconds": time of training and validation.

    See Also
    --------
    MatrixFactorization : The model, with its other attributes.
    TuningDisplay : Plot of the trials.

    Notes
    -----
    The held-out ratings are chosen by a hash of user and item, so that they do not depend on the
    order of the ratings, and all ratings of a pair are in the same fold. The trials are compared by
    successive halving [1]_: all settings of a round are validated on the first fold, the better
    half also on the second, the better half of these also on the third and fourth, and so on. There
    are two rounds, the second around the best of the first, in which all but the numbers of factors
    and epochs vary. Then these two are doubled or halved as long as the error decreases, with the
    product of learning rate and number of epochs held constant; doubled only if the mean loss
    decreases by at least 0.04 %, so that chance does not make models large. The remaining trials
    are close to the best. If the work or time ends within a round, its best trial so far is
    validated on the other folds, too.

    `save` writes a `MatrixFactorization` with the chosen parameters, which `load` returns.

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
       Optimization", AISTATS 2016.

    Examples
    --------
    >>> import factorate as ft
    >>> users, items, ratings = ft.datasets.synthetic(5000, 200, 100)
    >>> model = ft.MatrixFactorizationCV(n_trials=10, random_state=0)
    >>> model.fit((users, items, ratings)).predict((users, items)).shape
    (5000,)
    >>> sorted(model.best_params_)[:2]
    ['count_scale', 'learning_rate']
    >>> len(model.cv_results_["params"]) <= 10
    True
    """

    _model = MatrixFactorization
    _searched = SEARCHED

    def __init__(
        self,
        n_trials: int = 40,
        *,
        seconds: float | None = None,
        cv: int | None = None,
        n_factors: int | str = "auto",
        n_epochs: int | str = "auto",
        learning_rate: Rates = "auto",
        regularization: Rates = "auto",
        shrinkage: Rates = "auto",
        count_scale: float | str | None = "auto",
        svdpp: bool | str = False,
        l1_regularization: float | dict[str, float] = 0.0,
        learning_rate_schedule: str = "linear",
        loss: str = "squared",
        huber_delta: float = 1.0,
        nonnegative: bool = False,
        partial_learning_rate: float | dict[str, float] | None = None,
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
        self.n_trials = n_trials
        self.seconds = seconds
        self.cv = cv
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.shrinkage = shrinkage
        self.count_scale = count_scale
        self.svdpp = svdpp
        self.l1_regularization = l1_regularization
        self.learning_rate_schedule = learning_rate_schedule
        self.loss = loss
        self.huber_delta = huber_delta
        self.nonnegative = nonnegative
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

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        wide: bool = False,
        eval_set: Any = None,
    ) -> Self:
        """Choose the settings, and fit the model to all ratings.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            The ratings, in any form that `MatrixFactorization.fit` accepts.
        y : array-like of shape (n_ratings,), optional
            Ratings of the pairs `X`.
        sample_weight : array-like of shape (n_ratings,), optional
            Weights ≥ 0 of the ratings, in training and validation.
        wide : bool, default=False
            Whether `X`, and `eval_set` unless it is a tuple, is a table of users × items.
        eval_set : ratings, optional
            Ratings to choose the settings on, such as the most recent ones, in any form of `X`, or
            a tuple (X, y). None holds out some of the training ratings, as `cv` describes.

        Returns
        -------
        MatrixFactorizationCV
            The fitted model itself. Threads that read it meanwhile use its previous state; those
            that change it wait.

        Raises
        ------
        TypeError
            If a parameter or the ratings have the wrong type.
        ValueError
            If a parameter or the ratings have an invalid value, or there are too few ratings to
            hold some out.
        FileNotFoundError
            If `X` is the path of a file that does not exist.
        DivergenceError
            If training diverges with all settings.
        KeyboardInterrupt
            If the user interrupts the search or training. During the search, the model is unchanged
            and the best settings so far are logged; afterwards, it keeps the epochs finished so
            far. To end a search early and use its result, set `seconds`.

        Examples
        --------
        >>> import factorate as ft
        >>> ratings = ft.datasets.synthetic(2000, 100, 50)
        >>> model = ft.MatrixFactorizationCV(n_trials=4, n_factors=8, random_state=0).fit(ratings)
        >>> model.best_params_["n_factors"]
        8
        """
        if not isinstance(eval_set, tuple | None):
            eval_set = as_wide(eval_set, wide)
        data = TrainingData(as_wide(X, wide), y, sample_weight, eval_set)
        with writer_lock(self):
            self._tune_and_train(data)
        return self

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        wide: bool = False,
    ) -> Self:
        """Update the model with more ratings, in a single pass; the settings do not change.

        A model without a fit is fitted as by `fit`, which chooses the settings.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix, array-like or RatingStore
            Ratings in any form that `MatrixFactorization.partial_fit` accepts.
        y : array-like of shape (n_ratings,), optional
            Ratings of the pairs `X`.
        sample_weight : array-like of shape (n_ratings,), optional
            Weights ≥ 0 of the ratings. Unlike in `fit`, they are not divided by their mean.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.

        Returns
        -------
        MatrixFactorizationCV
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
        >>> ratings = ft.datasets.synthetic(2000, 100, 50)
        >>> model = ft.MatrixFactorizationCV(n_trials=4, random_state=0).fit(ratings)
        >>> len(model.partial_fit(([1000], [7], [4])).users_)
        101
        """
        X = as_wide(X, wide)
        with writer_lock(self):
            old: TunedState | None = vars(self).get("_fitted")
            if old is None:
                return self.fit(X, y, sample_weight)
            self._fitted = partial_fit(self._training_parameters(), X, y, sample_weight, old)
        return self

    @property
    def best_rmse_(self) -> float:
        """RMSE of the held-out ratings with the parameters that were chosen.

        Returns
        -------
        float
            The mean over the folds, in the unit of the ratings.
        """
        return self._tuned().best.metric

    def _tune_and_train(self, data: TrainingData) -> None:
        parameters, defaults = self.get_params(), self._default_parameters()
        rule = check_search(parameters, defaults).rule
        seed = draw_seed(self.random_state)
        training = read_training(defaults, data, rule)
        tuned = tune(training, parameters, defaults, seed)

        def store(fitted: RatingState) -> None:
            self._fitted = TunedState(**vars(fitted), tuned=tuned)

        chosen = {**defaults, **tuned.best_params}
        train(training, chosen, check_settings(chosen, seed), store=store)


@dataclass(frozen=True, kw_only=True)
class TunedState(RatingState):
    """The result of a fit and of the search for its settings.

    Attributes
    ----------
    tuned : Tuned
        The search.
    """

    tuned: Tuned
