"""What several test modules share."""

import signal
from pathlib import Path

import pytest

# Fixtures that load a real model: the tests that use one are marked `model`.
LOADS_A_MODEL = {"packaged"}


def pytest_configure() -> None:
    """Heed interrupts, which a shell makes its background processes ignore: tests send some."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what their fixtures cost."""
    for item in items:
        if LOADS_A_MODEL.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.model)


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
