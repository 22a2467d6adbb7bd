"""The protocol of scikit-learn's estimators: base class, parameters, metadata routing and tags."""

from __future__ import annotations

import functools
import inspect
import sys
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from factorate._utils.validation import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class _Replaceable:
    """The base of `Estimator` until it is replaced: Python cannot replace ``object`` itself."""


class Estimator(_Replaceable):
    """Base class of the models, which becomes a subclass of scikit-learn's ``BaseEstimator``.

    Importing scikit-learn takes a second, so factorate does not import it. Once ``sklearn.base``
    was imported, the next estimator that is made, or whose tags are read, changes the base of this
    class: tools that expect a ``BaseEstimator`` find one. Without scikit-learn nothing changes.
    """

    def __init__(self) -> None:
        inherit_from_sklearn()


def inherit_from_sklearn() -> None:
    """Make `Estimator` a subclass of ``BaseEstimator`` if ``sklearn.base`` was imported."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    if base is not None and Estimator.__bases__ != (base,):
        with suppress(TypeError):  # a class of the user has both as bases in another order
            Estimator.__bases__ = (base,)


def constructor_parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of ``__init__`` by name, without self."""
    return _parameters_without_self(cls.__init__)  # type: ignore[misc]


@functools.lru_cache  # reading a signature takes 100 µs, more than a prediction
def _parameters_without_self(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    parameters = dict(inspect.signature(function).parameters)
    del parameters["self"]
    return MappingProxyType(parameters)


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
    changed = [f"{name}={value!r}" for name, value in changed_parameters(estimator).items()]
    return f"{type(estimator).__name__}({', '.join(changed)})"


def changed_parameters(estimator: object) -> dict[str, Any]:
    """Return the parameters of an estimator that are not the defaults."""
    return {
        name: getattr(estimator, name)
        for name, parameter in constructor_parameters(type(estimator)).items()
        if repr(getattr(estimator, name)) != repr(parameter.default)
    }


def shows_html() -> bool:
    """Return whether notebooks show HTML, which ``sklearn.set_config(display="text")`` disables."""
    config = getattr(sys.modules.get("sklearn"), "get_config", None)
    return config is None or config()["display"] == "diagram"


def metadata_request(estimator: object, weighted_methods: Sequence[str]) -> Any:
    """Return the MetadataRequest of an estimator; by default it requests no ``sample_weight``."""
    from sklearn.utils.metadata_routing import MetadataRequest

    if "_metadata_request" in vars(estimator):
        return vars(estimator)["_metadata_request"]
    request = MetadataRequest(owner=estimator)
    for method in weighted_methods:
        getattr(request, method).add_request(param="sample_weight", alias=None)
    return request


def request_weights(estimator: Any, method: str, alias: bool | str | None) -> None:
    """Set whether, or under which name, scikit-learn passes ``sample_weight`` to a method."""
    request = estimator.get_metadata_routing()
    getattr(request, method).add_request(param="sample_weight", alias=alias)
    estimator._metadata_request = request  # scikit-learn's clone copies this attribute


def regressor_tags(*, non_deterministic: bool) -> Any:
    """Return scikit-learn's tags of a regressor whose samples are pairs of ids."""
    from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

    inherit_from_sklearn()  # for estimators made before scikit-learn was imported
    return Tags(
        estimator_type="regressor",
        target_tags=TargetTags(required=False),
        regressor_tags=RegressorTags(poor_score=True),  # on the features of ordinary regression
        input_tags=InputTags(string=True, categorical=True),  # "sparse" is sparse X beside y
        non_deterministic=non_deterministic,
    )


def recommender_tags(*, non_deterministic: bool) -> Any:
    """Return scikit-learn's tags of an estimator of interactions, whose y are counts above 0."""
    from sklearn.utils import InputTags, Tags, TargetTags

    inherit_from_sklearn()  # for estimators made before scikit-learn was imported
    return Tags(
        estimator_type=None,
        target_tags=TargetTags(required=False, positive_only=True),
        input_tags=InputTags(string=True, categorical=True),
        non_deterministic=non_deterministic,
    )
