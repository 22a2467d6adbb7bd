"""The protocol of scikit-learn's estimators, without scikit-learn."""

from __future__ import annotations

import inspect
from typing import Any, Self

WEIGHTED = ("fit", "partial_fit", "score")


class Estimator:
    """Parameters are the arguments of ``__init__``, stored untouched under their names."""

    _estimator_type = "regressor"

    @classmethod
    def _parameters(cls) -> dict[str, inspect.Parameter]:
        parameters = dict(inspect.signature(cls.__init__).parameters)
        del parameters["self"]
        return parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return the parameters by name.

        Parameters
        ----------
        deep
            Ignored: there are no nested estimators.
        """
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; what was fitted stays.

        Raises
        ------
        ValueError
            If there is no such parameter; then none is set.
        """
        names = self._parameters()
        for name in params:
            if name not in names:
                raise ValueError(f"there is no parameter {name!r}; there are {', '.join(names)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Show the parameters that differ from the defaults."""
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in self._parameters().items()
            if repr(getattr(self, name)) != repr(parameter.default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def get_metadata_routing(self) -> Any:
        """Say to scikit-learn which of `fit`, `partial_fit` and `score` take ``sample_weight``."""
        from sklearn.utils.metadata_routing import MetadataRequest

        if "_metadata_request" in vars(self):
            return self._metadata_request
        request = MetadataRequest(owner=self)
        for method in WEIGHTED:
            getattr(request, method).add_request(param="sample_weight", alias=None)
        return request

    def set_fit_request(self, *, sample_weight: bool | str | None) -> Self:
        """Choose whether scikit-learn's tools pass ``sample_weight`` on to `fit`.

        Parameters
        ----------
        sample_weight
            True, False, None for an error when there is one, or the name it is passed under. It
            counts where ``sklearn.set_config(enable_metadata_routing=True)`` was called.
        """
        return self._set_request("fit", sample_weight)

    def set_partial_fit_request(self, *, sample_weight: bool | str | None) -> Self:
        """Choose whether ``sample_weight`` is passed to `partial_fit`; see `set_fit_request`."""
        return self._set_request("partial_fit", sample_weight)

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """Choose whether ``sample_weight`` is passed to `score`; see `set_fit_request`."""
        return self._set_request("score", sample_weight)

    def _set_request(self, method: str, chosen: bool | str | None) -> Self:
        request = self.get_metadata_routing()
        getattr(request, method).add_request(param="sample_weight", alias=chosen)
        self._metadata_request: Any = request  # scikit-learn's clone copies what has this name
        return self

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=False),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(string=True, categorical=True, sparse=True),
            non_deterministic=getattr(self, "random_state", None) is None,
        )
