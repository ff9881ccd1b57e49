"""The marker `each` of conftest.py: no case is left out, and failures say which they are of."""

import itertools

import pytest

CASES = [(one, two, three) for one, (two, three) in itertools.product([1, 2], [(3, "a"), (4, "b")])]


@pytest.mark.xfail(raises=AssertionError, reason="the case is tried")
@pytest.mark.each("one", [1, 2])
@pytest.mark.each(("two", "three"), [(3, "a"), (4, "b")])
@pytest.mark.parametrize("wrong", CASES)
def test_a_case_that_fails_is_a_test_that_does(one, two, three, wrong):
    assert (one, two, three) != wrong


@pytest.mark.each("one", [1])
def test_cases_stand_beside_fixtures(one, tmp_path):
    assert one == 1
    assert tmp_path.exists()
