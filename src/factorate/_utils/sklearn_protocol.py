"""The protocol of scikit-learn's estimators: parameters, metadata routing and tags."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from factorate._utils.validation import show

if TYPE_CHECKING:
    from collections.abc import Mapping

METHODS_WITH_WEIGHTS = ("fit", "partial_fit", "score")


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the parameters of ``__init__`` by name, without self."""
    parameters = dict(inspect.signature(cls.__init__).parameters)  # type: ignore[misc]
    del parameters["self"]
    return parameters


def set_params(estimator: object, values: Mapping[str, Any]) -> None:
    """Set parameters by name; raise ValueError, and set none, if a name is not a parameter."""
    valid = list(constructor_parameters(type(estimator)))
    for name in values:
        if name not in valid:
            raise ValueError(
                f"Invalid parameter {show(name)} for estimator {type(estimator).__name__}. Valid "
                f"parameters are: {valid}."
            )
    for name, value in values.items():
        setattr(estimator, name, value)


def describe(estimator: object) -> str:
    """Return the repr of an estimator: its class and the parameters that are not the defaults."""
    changed = [
        f"{name}={getattr(estimator, name)!r}"
        for name, parameter in constructor_parameters(type(estimator)).items()
        if repr(getattr(estimator, name)) != repr(parameter.default)
    ]
    return f"{type(estimator).__name__}({', '.join(changed)})"


def metadata_request(estimator: object) -> Any:
    """Return the MetadataRequest of an estimator; by default it requests nothing."""
    from sklearn.utils.metadata_routing import MetadataRequest

    if "_metadata_request" in vars(estimator):
        return vars(estimator)["_metadata_request"]
    request = MetadataRequest(owner=estimator)
    for method in METHODS_WITH_WEIGHTS:
        getattr(request, method).add_request(param="sample_weight", alias=None)
    return request


def request_weights(estimator: Any, method: str, alias: bool | str | None) -> None:
    """Set whether, or under which name, scikit-learn passes ``sample_weight`` to a method."""
    request = metadata_request(estimator)
    getattr(request, method).add_request(param="sample_weight", alias=alias)
    estimator._metadata_request = request  # scikit-learn's clone copies this attribute


def regressor_tags(*, non_deterministic: bool) -> Any:
    """Return scikit-learn's tags of a regressor whose samples are pairs of ids."""
    from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

    return Tags(
        estimator_type="regressor",
        target_tags=TargetTags(required=False),
        regressor_tags=RegressorTags(),
        input_tags=InputTags(string=True, categorical=True, sparse=True),
        non_deterministic=non_deterministic,
    )
