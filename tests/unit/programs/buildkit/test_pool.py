"""An image sticks to a BuildKit by its base, and goes to the next while that one is down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.buildkit import buildkit
from s3c_actions.programs.buildkit.buildkit import TlsFiles
from s3c_actions.programs.buildkit.pool import Pool, order

ADDRESSES = ("tcp://buildkit-0.buildkit:1234", "tcp://buildkit-1.buildkit:1234", "tcp://buildkit-2.buildkit:1234")
BASE = "sha256:" + "a" * 64

addresses = st.lists(st.integers(0, 999).map("tcp://b-{}:1234".format), min_size=2, max_size=12, unique=True)


class Warnings(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses at which nothing answers."""
    dead: set[str] = set()

    def check(address: str, _tls: TlsFiles, _runner: Runner) -> None:
        if address in dead:
            raise OutsideError(f"BuildKit at {address} did not answer.", original="Connection refused")

    monkeypatch.setattr(buildkit, "check", check)
    return dead


@pytest.fixture
def warnings() -> Warnings:
    return Warnings()


@pytest.fixture
def pool(down: set[str], warnings: Warnings) -> Pool:
    return Pool(ADDRESSES, TlsFiles(), Runner({}), warnings)


@given(addresses, st.text(min_size=1), st.data())
def test_the_order_is_that_of_the_base_however_the_addresses_are_given(
    given: list[str], base: str, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(given))
    assert order(shuffled, base) == order(given, base)
    assert sorted(order(given, base)) == sorted(given)


@given(addresses, st.text(min_size=1), st.data())
def test_one_that_is_lost_moves_no_image_of_the_others(given: list[str], base: str, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(given))
    assert order([address for address in given if address != lost], base) == [
        address for address in order(given, base) if address != lost
    ]


def test_bases_are_spread() -> None:
    first = [order(ADDRESSES, f"sha256:{number:064x}")[0] for number in range(300)]
    assert all(60 <= first.count(address) <= 140 for address in ADDRESSES)


def test_a_base_stays_where_it_is(pool: Pool, warnings: Warnings) -> None:
    assert {pool.build(BASE, str) for _ in range(5)} == {order(ADDRESSES, BASE)[0]}
    assert warnings.lines == []


def test_while_one_is_down_the_next_is_taken_with_a_warning(pool: Pool, down: set[str], warnings: Warnings) -> None:
    first, second, _ = order(ADDRESSES, BASE)
    down.add(first)
    assert [pool.build(BASE, str) for _ in range(3)] == [second] * 3
    assert warnings.lines == [f"BuildKit at {first} did not answer. The next address of `buildkit-addr` is taken."]
    down.clear()
    assert pool.build(BASE, str) == first
    down.add(first)
    pool.build(BASE, str)
    assert len(warnings.lines) == 2


def test_one_that_is_lost_during_a_build_hands_it_to_the_next(pool: Pool, down: set[str]) -> None:
    tried = []

    def action(address: str) -> str:
        tried.append(address)
        if len(tried) == 1:
            down.add(address)
            raise OutsideError("Copa lost its connection.")
        return address

    assert pool.build(BASE, action) == order(ADDRESSES, BASE)[1]
    assert tried == order(ADDRESSES, BASE)[:2]


def test_a_build_that_fails_is_not_tried_elsewhere(pool: Pool) -> None:
    tried = []

    def action(address: str) -> str:
        tried.append(address)
        raise OutsideError("The distribution's packages could not be read.")

    with pytest.raises(OutsideError, match="distribution"):
        pool.build(BASE, action)
    assert len(tried) == 1


def test_none_that_answers_is_an_error_with_all_of_them(pool: Pool, down: set[str]) -> None:
    down.update(ADDRESSES)
    with pytest.raises(OutsideError, match="None of the 3 BuildKits answered") as caught:
        pool.build(BASE, str)
    assert all(address in caught.value.original for address in ADDRESSES)
    assert "buildkit-addr" in caught.value.remedy
