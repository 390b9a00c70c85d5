"""What several test modules share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def refuses():
    """Assert that a call raises ValueError with exactly the given line."""

    def check(call, message):
        with pytest.raises(ValueError, match="must") as caught:
            call()
        assert str(caught.value) == message

    return check
