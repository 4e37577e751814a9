"""Whether an error came from memory or a thread that the system refused."""

_REFUSALS = (
    "can't start new thread",
    "std::bad_alloc",
    "ZSTD_CCtx create failed",
    "ZSTD_DCtx create failed",
)
"""What libraries say that report a lack of memory by errors of another kind."""


def lack_of_memory(error: BaseException | None) -> str | None:
    """Return what was refused, where memory or a thread was.

    A library, or code of ours that names the file or the step, may have raised an error of its
    own for it; the errors that it came from are looked at as well.

    Parameters
    ----------
    error : exception, optional
        What came out.

    Returns
    -------
    str or None
        Its text, which may be empty; None where there was another cause.
    """
    found = None
    while error is not None:
        text = str(error)
        if isinstance(error, MemoryError) or any(refusal in text for refusal in _REFUSALS):
            found = text  # the innermost, which others only quote
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found
