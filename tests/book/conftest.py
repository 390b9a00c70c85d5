"""What the tests of the book share."""

import pytest

# Helpers whose failed assertions are to explain themselves as those of tests do.
pytest.register_assert_rewrite("calculator_answers", "calculator_page", "explorable_page")


def pytest_collection_modifyitems(items):
    """Mark every test that drives a browser, so that none can lack the mark."""
    for item in items:
        if "driver" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
