import importlib
import sys
from collections.abc import Iterator

import pytest

from weighbridge.entrypoints.postponed_modules import postponed_module

#: Of the standard library, below another one, and used by nothing here.
NAME = "wsgiref.headers"


@pytest.fixture(autouse=True)
def not_imported() -> Iterator[None]:
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("wsgiref")}
    yield
    for name in [name for name in sys.modules if name.startswith("wsgiref")]:
        del sys.modules[name]
    sys.modules.update(before)


def test_a_postponed_module_is_imported_once_something_taken_from_it_is_used() -> None:
    with postponed_module(NAME, ("Headers", "tspecials")):
        from wsgiref.headers import Headers, tspecials
    assert NAME not in sys.modules
    headers = Headers([("a", "b")])
    assert headers.items() == [("a", "b")]
    assert type(headers) is sys.modules[NAME].Headers
    assert tspecials.pattern == sys.modules[NAME].tspecials.pattern


def test_a_postponed_module_is_imported_once_anything_is_looked_up_in_it() -> None:
    with postponed_module(NAME, ()):
        taken = importlib.import_module(NAME)
        with pytest.raises(AttributeError):
            _ = taken.Headers
    assert NAME not in sys.modules
    assert taken.Headers is sys.modules[NAME].Headers
    assert taken is not importlib.import_module(NAME)


def test_what_is_not_foreseen_cannot_be_taken_while_it_is_postponed() -> None:
    with pytest.raises(ImportError), postponed_module(NAME, ("tspecials",)):
        from wsgiref.headers import Headers
    with pytest.raises(ImportError), postponed_module(NAME, ()):
        importlib.import_module(f"{NAME}.below")
    from wsgiref.headers import Headers

    assert Headers([]).items() == []


def test_a_module_that_is_there_already_stays() -> None:
    real = importlib.import_module(NAME)
    with postponed_module(NAME, ("Headers",)):
        assert importlib.import_module(NAME) is real
    assert importlib.import_module(NAME) is real
