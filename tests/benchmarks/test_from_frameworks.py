"""The snippets of docs/from-your-framework.md run, and what they export compiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_cache_path

from benchmarks.from_frameworks import FRAMEWORKS, PAGE, Framework, measure, snippets

ENVIRONMENTS = user_cache_path("pinnir") / "frameworks"
OWN = [one for one in FRAMEWORKS.values() if not one.requirements]
OTHERS = [one for one in FRAMEWORKS.values() if one.requirements]


def check(framework: Framework, environments: Path) -> None:
    found = measure(framework, environments)
    assert set(found.versions) == set(framework.packages)
    assert found.tolerance == 1e-2
    assert found.source_error < 1e-5
    assert 1e-5 < found.error < 1.2 * found.tolerance


def test_every_snippet_of_the_page_is_run() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert list(snippets()) == list(FRAMEWORKS)
    assert text.count("```python") == text.count("<!-- framework: ") == len(FRAMEWORKS)
    compiled = [one for one in snippets().values() if one.command or "pinnir.compile(" in one.code]
    assert len(compiled) == len(FRAMEWORKS)


def test_the_table_is_of_all_snippets_and_none_failed() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("<!-- measured -->")[2]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip() for row in rows] == list(FRAMEWORKS)
    assert not any(row[-1].strip() for row in rows)


@pytest.mark.parametrize("framework", OWN, ids=lambda one: one.name)
def test_with_what_the_tests_need_anyway(framework: Framework, tmp_path: Path) -> None:
    check(framework, tmp_path)


# pytest -m long tests/benchmarks/test_from_frameworks.py
@pytest.mark.long
@pytest.mark.parametrize("framework", OTHERS, ids=lambda one: one.name)
def test_in_an_environment_of_its_own(framework: Framework) -> None:
    check(framework, ENVIRONMENTS)
