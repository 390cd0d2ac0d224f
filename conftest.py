"""Let pytest run from a clone where pinnir is not installed."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parent

if importlib.util.find_spec("pinnir") is None:
    # The folders' names are those of pyproject.toml: compiler/ is pinnir itself, and with the root
    # on the package's path passes/ and backends/ are found as pinnir.passes and pinnir.backends.
    spec = importlib.util.spec_from_file_location(
        "pinnir",
        ROOT / "compiler" / "__init__.py",
        submodule_search_locations=[str(ROOT / "compiler"), str(ROOT)],
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["pinnir"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pinnir"])
