"""The bibliography is labeled as the text cites it."""

import pytest
from extensions import extension
from pybtex.database import parse_file, parse_string


@pytest.fixture
def author_year(root):
    return extension(root, "author_year")


def labels(author_year, *authors):
    entries = (
        f"@misc{{k{n}, author={{{who}}}, title={{T}}, year={{2024}}}}" for n, who in enumerate(authors)
    )
    return [
        each.label
        for each in author_year.AuthorYear().format_bibliography(parse_string("".join(entries), "bibtex"))
    ]


def test_labels_name_up_to_two_authors(author_year):
    assert labels(author_year, r"Su, Jianlin", r"Rozi{\`e}re, B and Xu, M", "Ben Allal, L and others") == [
        "Ben Allal et al., 2024",
        "Rozière and Xu, 2024",
        "Su, 2024",
    ]


def test_letters_tell_equal_labels_apart(author_year):
    assert labels(author_year, "Wang, A and others", "Wang, B and others") == [
        "Wang et al., 2024a",
        "Wang et al., 2024b",
    ]


def test_no_two_entries_of_the_book_are_one_paper(author_year, root):
    entries = parse_file(root / "book" / "references.bib").entries.values()
    places = [entry.fields["url"] for entry in entries]
    assert len(set(places)) == len(places)
    assert all("author" in entry.persons for entry in entries)
