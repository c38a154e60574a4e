"""Tests against a gateway: test/clients/python.test.ts starts it, and sets SLUICE_ADDRESS."""

import os
import uuid
from collections.abc import Iterator

import pytest

from sluice_eventstore import Client, connect


@pytest.fixture(scope="session")
def address() -> str:
    return os.environ["SLUICE_ADDRESS"]


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with connect(address) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A prefix of streams that no other test has."""
    return f"py{uuid.uuid4().hex}"
