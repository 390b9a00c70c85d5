"""Exercises: written once in Markdown, checked in notebooks, published in the book.

``answers``    what a notebook calls: a reader's answer beside the true value, and what is wrong with it.
``source``     the format of ``book/exercises``, read into data.
``plain``      prose of the book as plain Markdown, which any notebook shows.
``notebooks``  the notebooks made from a source: for students, solved, and for an autograder.

Importing this package needs numpy alone; a notebook of exercises imports ``check`` from it.
"""

from .answers import WrongAnswer, check

__all__ = ["WrongAnswer", "check"]
