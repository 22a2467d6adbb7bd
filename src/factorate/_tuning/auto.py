"""Parameters that are searched: their value is "auto"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

AUTO = "auto"  # the value of a parameter that is searched


def is_auto(value: object) -> bool:
    """Return whether a parameter is to be searched."""
    return isinstance(value, str) and value == AUTO


def check_auto(parameters: Mapping[str, Any], searched: Collection[str], model: str) -> None:
    """Raise TypeError if a parameter that can be searched is text other than "auto".

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    searched : collection of str
        Names of those that can be searched.
    model : str
        Name of the model that does not search.
    """
    for name in searched:
        value = parameters[name]
        if isinstance(value, str) and not is_auto(value):
            raise TypeError(f"{name} is {value!r}; expected 'auto' or a value for {model}")


def replace_auto(
    parameters: Mapping[str, Any], defaults: Mapping[str, Any], searched: Collection[str]
) -> dict[str, Any]:
    """Return the parameters of a model with the default for each that is "auto".

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    defaults : mapping
        Parameters of a model that does not search, which are all in the result.
    searched : collection of str
        Names of the parameters that can be searched.
    """
    given = {
        name: value
        for name, value in parameters.items()
        if name in defaults and not (name in searched and is_auto(value))
    }
    return {**defaults, **given}
