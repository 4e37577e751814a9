"""Hyper-parameters: named, known and in range, or refused by name."""

from collections.abc import Mapping
from typing import Any, Self

from model2_assets.errors import TrainingError


class ParameterError(TrainingError):
    """A hyper-parameter is unknown or impossible.

    Whoever knows where the parameter came from completes the key: the model registry
    turns ``params.alpha`` into ``models.ridge.params.alpha``.

    Parameters
    ----------
    key : str
        Name of the parameter.
    reason : str
        What is wrong with it, and the remedy.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"params.{key}: {reason}")
        self.key = key
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (self.key, self.reason)


def merge_params(defaults: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults with what differs put over them.

    Parameters
    ----------
    defaults : mapping
        Every known parameter and its default.
    params : mapping
        What differs.

    Returns
    -------
    dict
        All parameters, in the order of the defaults.

    Raises
    ------
    ParameterError
        If a parameter has no default, hence is unknown.
    """
    unknown = sorted(set(params) - set(defaults))
    if unknown:
        known = ", ".join(sorted(defaults))
        raise ParameterError(unknown[0], f"unknown parameter; known: {known}")
    return {**defaults, **params}


def require_number(
    params: Mapping[str, Any],
    key: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    integer: bool = False,
) -> None:
    """Refuse a parameter that is not a finite number within its limits.

    Parameters
    ----------
    params : mapping
        All parameters.
    key : str
        The one to look at.
    at_least, above, at_most : float, optional
        Limits; `above` excludes the limit itself.
    integer : bool, default False
        Refuse fractions.

    Raises
    ------
    ParameterError
        If the value is not a number (``1e3`` is text in YAML: write ``1000.0``), is not
        finite, or is out of range.
    """
    limits = [
        f"{words} {limit:g}"
        for words, limit in (("at least", at_least), ("above", above), ("at most", at_most))
        if limit is not None
    ]
    value = params[key]
    fits = (
        isinstance(value, int if integer else int | float)
        and not isinstance(value, bool)
        and abs(value) < float("inf")
        and (at_least is None or value >= at_least)
        and (above is None or value > above)
        and (at_most is None or value <= at_most)
    )
    if not fits:
        kind = "a whole number" if integer else "a number"
        wanted = " ".join([kind, " and ".join(limits)]).strip()
        raise ParameterError(key, f"must be {wanted}, got {value!r}")


def require_choice(params: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> None:
    """Refuse a parameter that is none of the choices.

    Raises
    ------
    ParameterError
        If it is none of them.
    """
    value = params[key]
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ParameterError(key, f"must be one of {listed}, got {value!r}")
