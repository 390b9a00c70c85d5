"""Errors as one line each."""


def one_line(error: BaseException) -> str:
    """The message of an error as one line of printable characters; an OSError names its file.

    >>> one_line(ValueError("two\\nlines"))
    'two lines'
    """
    message = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
    return " ".join("".join(c if c.isprintable() else " " for c in message).split())
