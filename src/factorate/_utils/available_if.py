"""available_if: methods that only some objects of a class have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    Method = TypeVar("Method", bound=Callable[..., Any])


def available_if(check: Callable[[Any], None]) -> Callable[[Method], Method]:
    """Decorate a method that an object has only if a check does not raise AttributeError.

    ``hasattr`` is False for the other objects, which is how the tools of scikit-learn decide what
    an estimator can do. The class itself always has the method.

    Parameters
    ----------
    check : callable
        Called with the object; it raises AttributeError if the object lacks the method.

    Examples
    --------
    >>> def check_sign(number):
    ...     if number < 0:
    ...         raise AttributeError("negative numbers have no root")
    >>> class Number(int):
    ...     @available_if(check_sign)
    ...     def root(self):
    ...         return self**0.5
    >>> Number(4).root(), hasattr(Number(-4), "root")
    (2.0, False)
    """

    def decorate(method: Method) -> Method:
        return cast("Method", _Conditional(method, check))

    return decorate


class _Conditional:
    """Descriptor of a method with a check."""

    def __init__(self, method: Callable[..., Any], check: Callable[[Any], None]) -> None:
        self.method = method
        self.check = check
        self.__doc__, self.__module__ = method.__doc__, method.__module__

    def __get__(self, instance: object | None, owner: type) -> Callable[..., Any]:
        if instance is None:
            return self.method
        self.check(instance)
        bound: Callable[..., Any] = self.method.__get__(instance, owner)
        return bound
