"""The catalogue as a page of Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence

from model2_assets_tests.bad_inputs.case import Case, Handled, Refused

_TOP = """# Bad inputs

Each is refused by exactly one message, or handled by a stated rule and counted in the metadata.
Nothing is changed on disk, and nothing else is raised. This page is written by
`python -m model2_assets_tests.bad_inputs --write`.
"""


def page(cases: Sequence[Case], as_stated: Mapping[str, bool]) -> str:
    """Return the page.

    Parameters
    ----------
    cases : sequence of Case
        The catalogue.
    as_stated : mapping of str to bool
        By the id of a case, whether it came out as it states.

    Returns
    -------
    str
    """
    total = Counter(_key(case) for case in cases)
    passed = Counter(_key(case) for case in cases if as_stated[case.id])
    summary = [
        f"| {place} | {kind} | {passed[place, kind]} of {n} |" for (place, kind), n in total.items()
    ]
    summary.append(f"| all | | {passed.total()} of {total.total()} |")
    rows = [
        f"| {case.id} | {_escaped(case.planted)} | {_escaped(_outcome(case))} | "
        f"{'yes' if as_stated[case.id] else '**no**'} |"
        for case in cases
    ]
    return "\n".join(
        [
            _TOP,
            "| where it enters | outcome | as stated |",
            "| --- | --- | --- |",
            *summary,
            "",
            "| case | planted | refused with, or counted | as stated |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _key(case: Case) -> tuple[str, str]:
    return case.enters, type(case.outcome).__name__.lower()


def _outcome(case: Case) -> str:
    if isinstance(case.outcome, Refused):
        return case.outcome.message.replace("{folder}/", "")
    assert isinstance(case.outcome, Handled)
    return ", ".join(f"{name} {count}" for name, count in case.outcome.counts.items())


def _escaped(text: str) -> str:
    special = {"|": "\\|", "<": "&lt;", "*": "\\*", "\u200b": "", "_": "\\_", "`": "\\`"}
    return "".join(special.get(letter, letter) for letter in text)
