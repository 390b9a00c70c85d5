"""The labels of the bibliography, as the text cites: author and year, and a letter where two share both."""

from collections import Counter
from collections.abc import Iterable, Iterator
from string import ascii_lowercase

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle

NAME = "author_year"


def label(entry) -> str:
    """One author, two, or the first of several, and the year; the key of an entry without author."""
    people = [" ".join(person.last_names) for person in entry.persons.get("author", [])]
    if not people:
        return entry.key
    if len(people) == 2 and "others" not in people:
        names = f"{people[0]} and {people[1]}"
    else:
        names = people[0] if len(people) == 1 else f"{people[0]} et al."
    return f"{names} {entry.fields.get('year', '')}".strip()


class AuthorYearLabels(BaseLabelStyle):
    def format_labels(self, sorted_entries: Iterable) -> Iterator[str]:
        labels = [label(entry) for entry in sorted_entries]
        shared, seen = Counter(labels), Counter()
        for text in labels:
            yield text + ascii_lowercase[seen[text]] * (shared[text] > 1)
            seen[text] += 1


class AuthorYearStyle(PlainStyle):
    default_label_style = AuthorYearLabels


def setup(app) -> dict:
    register_plugin("pybtex.style.formatting", NAME, AuthorYearStyle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
