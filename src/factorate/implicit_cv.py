"""ImplicitMatrixFactorizationCV: implicit feedback with settings that the model chooses itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from factorate._fitted.implicit_fit import (
    InteractionData,
    read_training_interactions,
    train_implicit,
)
from factorate._fitted.implicit_state import ImplicitState
from factorate._input.wide import as_wide
from factorate._training.implicit_settings import check_implicit_settings
from factorate._training.settings import draw_seed
from factorate._tuning.implicit_space import IMPLICIT_SEARCHED
from factorate._tuning.implicit_tune import check_implicit_search, tune_implicit
from factorate._utils.writer_lock import writer_lock
from factorate.implicit import ImplicitMatrixFactorization
from factorate.implicit_model import ImplicitModel
from factorate.tuned_model import TunedModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from factorate._input.column_names import Names
    from factorate._tuning.tuned import Tuned


class ImplicitMatrixFactorizationCV(TunedModel, ImplicitModel):
    """Matrix factorization of implicit feedback that chooses its settings.

    `fit` trains with many settings on a part of the interactions, chooses those with the highest
    NDCG on the other interactions, and trains with them on all. Afterwards, the model is what
    `ImplicitMatrixFactorization` would be with ``best_params_``, and has all of its methods.

    Parameters
    ----------
    n_trials : int, default=30
        Maximum number of settings to try. The defaults of `ImplicitMatrixFactorization` are always
        the first. The work on the others is limited to that of ``4 * n_trials`` fits with the
        defaults, so fewer are tried if many factors or epochs turn out to be best.
    seconds : float or None, default=None
        Seconds after which the search ends. No training begins later, except with the defaults and
        with the best settings so far, on the folds that are left and on all interactions. Only with
        it, the result depends on the speed of the machine. None is no limit.
    cv : int or None, default=None
        Number of folds, at least 2, on each of which the better half of the settings is validated.
        None holds out a tenth of the interactions, and for fewer than 300,000 interactions other
        tenths as well, until 30,000 interactions have been held out.
    n_factors : int or "auto", default="auto"
        Number of latent factors. "auto" searches from 32 to 512.
    n_epochs : int or "auto", default="auto"
        Number of epochs. "auto" searches from 4 to 64.
    regularization : float or "auto", default="auto"
        L2 regularization. Here and below, "auto" searches around the default of
        `ImplicitMatrixFactorization`, and any other value is that of `ImplicitMatrixFactorization`.
    unobserved_weight : float, None or "auto", default="auto"
        Weight of each pair of user and item, observed or not.
    alpha : float, None or "auto", default="auto"
        How counts become weights. "auto" searches from counts that are the weights, the default, to
        weights that hardly depend on the counts. It is not searched if all counts are 1.
    random_state : int, Generator, RandomState or None, default=None
        Seed of training, of the held-out interactions and of the settings that are tried.
    n_threads : int or None, default=None
        Number of threads. It does not change the results, unless `seconds` ends the search.
    dtype : str, default="float32"
        Type of the factors: "float32" or "float64".
    columns : tuple of str or int, or None, default=None
        Names or numbers of the user and item columns, and of that of the counts, in DataFrames and
        files.
    verbose : bool, default=False
        Whether to show progress bars of the search and of training.
    keep_seen : bool, default=True
        Whether to store the interactions.

    Attributes
    ----------
    best_params_ : dict
        The parameters that were chosen, with which ``ImplicitMatrixFactorization(**best_params_)``
        can be made. Parameters that were not "auto" have the value that was set.
    best_ndcg_ : float
        NDCG at 10 on the held-out interactions with these parameters. It is too high as an estimate
        for new interactions, because the parameters were chosen by it.
    cv_results_ : dict of str to list or ndarray
        Columns with one entry per trial, such as pandas.DataFrame takes:

        - "params": the parameters, a list of dicts;
        - "iter": the round of the search, 0 for the defaults;
        - "n_folds": number of folds that the trial was validated on;
        - "split0_test_ndcg", "split1_test_ndcg", …: NDCG of each fold, NaN where not validated, and
          −infinity where training diverged;
        - "mean_test_ndcg": mean of these;
        - "rank_test_ndcg": rank, 1 for the parameters that were chosen; among the others, trials
          on more folds come first;
        - "seconds": time of training and validation.

    See Also
    --------
    ImplicitMatrixFactorization : The model, with its other attributes.
    TuningDisplay : Plot of the trials.

    Notes
    -----
    The held-out interactions are chosen by a hash of user and item, so that they do not depend on
    the order of the interactions. For each user, all items but those of the training interactions
    are ranked; the NDCG at 10 is the mean over the users, or over 10,000 random ones if there are
    more. The weight of unobserved pairs is multiplied by the fraction of the interactions that is
    trained on, which leaves its ratio to the default.

    The search is that of `MatrixFactorizationCV`: two rounds of successive halving in which
    regularization, weight of unobserved pairs and `alpha` vary, then doubling or halving of the
    numbers of factors and epochs as long as 1 − NDCG decreases by at least 0.2 %, which is more
    than chance, and trials close to the best. More factors are tried with less regularization.

    `save` writes an `ImplicitMatrixFactorization` with the chosen parameters, which `load` returns.

    Examples
    --------
    >>> import factorate as ft
    >>> users, items, _ = ft.datasets.synthetic(2000, 100, 50)
    >>> model = ft.ImplicitMatrixFactorizationCV(n_trials=5, n_factors=8, random_state=0)
    >>> model.fit((users, items)).recommend(7, n=3)[0].shape
    (3,)
    >>> sorted(model.best_params_)
    ['alpha', 'n_epochs', 'n_factors', 'regularization', 'unobserved_weight']
    >>> len(model.cv_results_["params"]) <= 5
    True
    """

    _model = ImplicitMatrixFactorization
    _searched = IMPLICIT_SEARCHED

    def __init__(
        self,
        n_trials: int = 30,
        *,
        seconds: float | None = None,
        cv: int | None = None,
        n_factors: int | str = "auto",
        n_epochs: int | str = "auto",
        regularization: float | str = "auto",
        unobserved_weight: float | str | None = "auto",
        alpha: float | str | None = "auto",
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
        self.regularization = regularization
        self.unobserved_weight = unobserved_weight
        self.alpha = alpha
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype
        self.columns = columns
        self.verbose = verbose
        self.keep_seen = keep_seen

    def fit(
        self, X: Any, y: ArrayLike | None = None, *, wide: bool = False, eval_set: Any = None
    ) -> Self:
        """Choose the settings, and fit the model to all interactions.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            The interactions, in any form that `ImplicitMatrixFactorization.fit` accepts.
        y : array-like of shape (n,), optional
            Counts or weights of the pairs `X`.
        wide : bool, default=False
            Whether `X`, and `eval_set` unless it is a tuple, is a table of users × items.
        eval_set : interactions, optional
            Interactions to choose the settings on, such as the most recent ones, in any form of
            `X`; their counts are not used. None holds out some of the training interactions, as
            `cv` describes.

        Returns
        -------
        ImplicitMatrixFactorizationCV
            The fitted model itself. Threads that read it meanwhile use its previous state; those
            that change it wait.

        Raises
        ------
        TypeError
            If a parameter or the interactions have the wrong type.
        ValueError
            If a parameter or the interactions have an invalid value, or there are too few
            interactions to hold some out.
        FileNotFoundError
            If `X` is the path of a file that does not exist.
        DivergenceError
            If factors become infinite or NaN with all settings.
        KeyboardInterrupt
            If the user interrupts the search or training. During the search, the model is unchanged
            and the best settings so far are logged; afterwards, it keeps the epochs finished so
            far. To end a search early and use its result, set `seconds`.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items, _ = ft.datasets.synthetic(2000, 100, 50)
        >>> model = ft.ImplicitMatrixFactorizationCV(n_trials=4, n_factors=8, random_state=0)
        >>> model.fit((users, items)).best_params_["n_factors"]
        8
        """
        if not isinstance(eval_set, tuple | None):
            eval_set = as_wide(eval_set, wide)
        data = InteractionData(as_wide(X, wide), y, eval_set)
        with writer_lock(self):
            self._tune_and_train(data)
        return self

    def partial_fit(self, X: Any, y: ArrayLike | None = None, *, wide: bool = False) -> Self:
        """Update the model with more interactions; the settings do not change.

        The users and items of these interactions are updated as by
        `ImplicitMatrixFactorization.partial_fit`. A model without a fit is fitted as by `fit`,
        which chooses the settings.

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
        ImplicitMatrixFactorizationCV
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
        >>> users, items, _ = ft.datasets.synthetic(2000, 100, 50)
        >>> model = ft.ImplicitMatrixFactorizationCV(n_trials=4, n_factors=8, random_state=0)
        >>> len(model.fit((users, items)).partial_fit(([1000], [7])).users_)
        101
        """
        X = as_wide(X, wide)
        with writer_lock(self):
            if "_fitted" not in vars(self):
                return self.fit(X, y)
            self._update(X, y)
        return self

    @property
    def best_ndcg_(self) -> float:
        """NDCG at 10 on the held-out interactions with the parameters that were chosen.

        Returns
        -------
        float
            The mean over the folds.
        """
        return self._tuned().best.metric

    def _tune_and_train(self, data: InteractionData) -> None:
        parameters, defaults = self.get_params(), self._default_parameters()
        check_implicit_search(parameters, defaults)
        seed = draw_seed(self.random_state)
        training = read_training_interactions(defaults, data)
        tuned = tune_implicit(training, parameters, defaults, seed, self._make_validator)

        def store(fitted: ImplicitState) -> None:
            self._fitted = TunedImplicitState(**vars(fitted), tuned=tuned)

        chosen = {**defaults, **tuned.best_params}
        settings = check_implicit_settings(chosen, seed)
        train_implicit(training, chosen, settings, self._make_validator, store=store)


@dataclass(frozen=True, kw_only=True)
class TunedImplicitState(ImplicitState):
    """The result of a fit and of the search for its settings.

    Attributes
    ----------
    tuned : Tuned
        The search.
    """

    tuned: Tuned
