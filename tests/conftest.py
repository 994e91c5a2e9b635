"""The fixtures: ``engine``, one test body on every implementation, and the state of the heap.

``@pytest.mark.engines("fast", "reference")`` names the engines that a test is about. Without the
mark a test runs on all of them.
"""

import gc

import engines
import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "engines(*names): the implementations of Value to test")


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("engines")
        names = mark.args if mark else tuple(engines.MODULES)
        metafunc.parametrize("engine", names, indirect=True)


@pytest.fixture(scope="module", autouse=True)
def frozen_heap():
    """What is there before a module's tests, such as all the others, stays to the end.

    Frozen, it is not looked through again by each of the many collections that tests ask for: they
    took a third of the suite's time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def engine(request):
    return engines.load(request.param)


@pytest.fixture
def Value(engine):
    return engine.Value


@pytest.fixture(scope="module")
def sweeps_are_marked():
    """While a closure or an instance of a subclass is alive, sweeps take another way: none is."""
    from micrograd_fast import _core

    gc.collect()
    info = _core.arena_info()
    assert (info["closures"], info["foreign"]) == (0, 0)


@pytest.fixture
def nothing_stays():
    """A test with this fixture gives back all the native nodes that it made."""
    from micrograd_fast import _core

    gc.collect()
    before = _core.arena_info()
    yield
    gc.collect()
    after = _core.arena_info()
    for count in ("live_nodes", "closures", "foreign"):
        assert after[count] == before[count], count
