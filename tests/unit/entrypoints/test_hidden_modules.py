import importlib
import sys

import pytest

from weighbridge.entrypoints.hidden_modules import hidden_modules

#: Of the standard library, with a submodule, and used by nothing here.
NAME = "wsgiref"


@pytest.mark.parametrize("imported", [True, False])
def test_a_hidden_module_is_not_found_and_is_as_it_was_afterwards(imported: bool) -> None:
    if imported:
        importlib.import_module(NAME)
    else:
        for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
            del sys.modules[name]
    before = dict(sys.modules)
    with pytest.raises(ModuleNotFoundError), hidden_modules(NAME, "no_such_module"):
        importlib.import_module(f"{NAME}.util") if not imported else importlib.import_module(NAME)
    assert dict(sys.modules) == before
    importlib.import_module(NAME)
