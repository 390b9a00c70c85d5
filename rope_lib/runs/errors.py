"""How an error is told in one line."""


def one_line(error):
    """The message of an error as one line, whatever a file made it hold.

    >>> one_line(ValueError("two\\nlines"))
    'two lines'
    """
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        error = f"{error.filename}: {error.strerror}"
    return " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
