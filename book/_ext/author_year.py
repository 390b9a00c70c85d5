"""Label the entries of the bibliography as the text cites them: by author and year.

A citation reads [Men et al., 2024], and so does the label of its entry, in place of a number. Where two
entries would have one label, letters after the year tell them apart.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from string import ascii_lowercase

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle

NAME = "author_year"
MOST_NAMED = 2  # authors who are all named; of more, the first


def label(entry: Entry) -> str:
    """Author and year of an entry: "Su, 2023", "Wu and Du, 2026" or "Men et al., 2024"."""
    names = [
        " ".join(str(part) for part in (*person.rich_prelast_names, *person.rich_last_names))
        for person in entry.persons["author"]
    ]
    if "others" in names or len(names) > MOST_NAMED:
        return f"{names[0]} et al., {entry.fields['year']}"
    return f"{' and '.join(names)}, {entry.fields['year']}"


class Labels(BaseLabelStyle):
    """The labels of all entries, in their order."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        labels = [label(entry) for entry in sorted_entries]
        often, seen = Counter(labels), Counter()
        for each in labels:
            yield each + ascii_lowercase[seen[each]] if often[each] > 1 else each
            seen[each] += 1


class AuthorYear(Style):
    """pybtex's plain style with these labels."""

    default_label_style = Labels


def setup(app) -> dict[str, bool]:
    register_plugin("pybtex.style.formatting", NAME, AuthorYear, force=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
