"""A `yinyom` for each file of tests, started as a person starts it and stopped as a service manager
does. Whether it stops well is a test in itself, of every file."""

import os
from pathlib import Path

import pytest

from program import Yinyom
from shop import House, Shop
from wire import Service


def pytest_sessionstart():
    if not _binary().is_file():
        pytest.exit(
            "YINYOM_BIN must name the program `yinyom`: run `make test-python`, which builds it.", 4
        )


def _binary():
    return Path(os.environ.get("YINYOM_BIN", "")).absolute()


@pytest.fixture(scope="module")
def yinyom(tmp_path_factory):
    """The program, serving."""
    program = Yinyom(_binary(), tmp_path_factory.mktemp("yinyom")).start()
    yield program
    program.stop()


@pytest.fixture(scope="module")
def house(yinyom):
    """Its three services."""
    services = {name: Service(address) for name, address in yinyom.facts["addresses"].items()}
    yield House(yinyom, services)
    for service in services.values():
        service.close()


@pytest.fixture(scope="module")
def shop(house):
    """A business with enforcement on."""
    shop = Shop(house)
    shop.switch(True)
    return shop
