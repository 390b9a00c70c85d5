"""What the tests of the book share."""

import pytest

# Helpers whose failed assertions are to explain themselves as those of tests do.
pytest.register_assert_rewrite("calculator_answers", "calculator_page")
