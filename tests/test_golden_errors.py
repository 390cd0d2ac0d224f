"""Messages that README and docs show are those that are printed."""

from __future__ import annotations

import pytest

from tests.golden_errors import CASES, GOLDEN, PAGE, Case, page, printed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message(case: Case) -> None:
    assert printed(case) == (GOLDEN / f"{case.name}.txt").read_text(encoding="utf-8")


def test_every_golden_file_is_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {case.name for case in CASES}


def test_page() -> None:
    texts = {case.title: (GOLDEN / f"{case.name}.txt").read_text("utf-8") for case in CASES}
    assert PAGE.read_text(encoding="utf-8") == page(texts)
