"""TunedModel: what models that choose their own settings have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from factorate._tuning.auto import replace_auto
from factorate._tuning.tuned import Tuned
from factorate.base import FactorModel


class TunedModel(FactorModel):
    """Base class of the models that search, which hold a state with a `Tuned`."""

    _model: ClassVar[type[FactorModel]]  # the one that does not search
    _searched: ClassVar[tuple[str, ...]]  # its parameters that can be "auto"

    @property
    def best_params_(self) -> dict[str, Any]:
        """The parameters that were chosen.

        Returns
        -------
        dict
            Parameters, by name, of the model that does not search.
        """
        return self._tuned().best_params

    @property
    def cv_results_(self) -> dict[str, Any]:
        """The trials of the search.

        Returns
        -------
        dict of str to list or ndarray
            Columns by name, with one entry per trial in the order in which they began.
        """
        return self._tuned().columns()

    def _tuned(self) -> Tuned:
        tuned: Any = getattr(self._require(), "tuned")  # noqa: B009  (of each state of its own)
        assert isinstance(tuned, Tuned)  # noqa: S101  (for the type checker)
        return tuned

    def _default_parameters(self) -> dict[str, Any]:
        """Return the parameters of the model that does not search; its default for "auto"."""
        return replace_auto(self.get_params(), self._model().get_params(), self._searched)

    def _training_parameters(self) -> dict[str, Any]:
        return {**self._default_parameters(), **self.best_params_}
