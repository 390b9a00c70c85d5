"""Errors as one line each."""

LONGEST_LINE = 2_000  # characters: paths have up to 4,096 bytes, and a message may quote a whole file


def printable(text: str) -> str:
    """Text of a file or a path as printable characters: control characters and the like are escaped.

    >>> print(printable("red\\x1b[31m"), printable("not UTF-8: \\udcff"))
    red\\x1b[31m not UTF-8: \\udcff
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def one_line(error: BaseException) -> str:
    """The message of an error as one line of printable characters; an OSError names its file.

    >>> one_line(ValueError("two\\nlines"))
    'two lines'
    """
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    line = printable(" ".join(message.split()))
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 3] + "..."
