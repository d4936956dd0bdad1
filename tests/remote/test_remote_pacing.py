"""How much a server gets and when: worked out by hand, on a clock that stands still."""

import math

import pytest

from a3t.models.remote.pacing import FAILURES_TO_OPEN, FIRST_REST_S, LONGEST_REST_S, Pace
from a3t.models.remote.pool import Pool
from a3t.models.remote.transport import retry_after_s


def test_the_limit_grows_by_one_for_a_whole_round_of_answers():
    pace = Pace("a", most=100, limit=4.0)
    for _ in range(5):
        pace.start(0)
        pace.answered()
    assert 5.0 < pace.limit < 5.2


def test_the_limit_never_passes_the_most():
    pace = Pace("a", most=5, limit=4.9)
    for _ in range(10):
        pace.start(0)
        pace.answered()
    assert pace.limit == 5.0


def test_overload_halves_the_limit_once_for_all_that_was_sent_before():
    pace = Pace("a", most=64, limit=16.0)
    for _ in range(4):
        pace.start(0.0)
    for _ in range(4):
        pace.failed(started=0.0, now=1.0, is_overload=True)
    assert pace.limit == 8.0
    pace.start(2.0)
    pace.failed(started=2.0, now=3.0, is_overload=True)
    assert pace.limit == 4.0


def test_the_limit_never_falls_below_one():
    pace = Pace("a", most=64, limit=1.0)
    pace.start(0.0)
    pace.failed(started=0.0, now=1.0, is_overload=True)
    assert pace.limit == 1.0


def test_a_spoilt_answer_is_not_overload():
    pace = Pace("a", most=64, limit=16.0)
    pace.start(0.0)
    pace.failed(started=0.0, now=1.0, is_overload=False)
    assert pace.limit == 16.0


def test_retry_after_closes_the_server_for_exactly_as_long():
    pace = Pace("a", most=64)
    pace.start(10.0)
    pace.failed(started=10.0, now=11.0, is_overload=True, retry_after_s=7.0)
    assert pace.closed_for(11.0) == 7.0
    assert pace.free(17.9) == 0
    assert pace.free(18.0) > 0


def broken(now: float = 0.0) -> Pace:
    pace = Pace("a", most=64)
    for _ in range(FAILURES_TO_OPEN):
        pace.start(now)
        pace.failed(started=now, now=now, is_overload=False)
    return pace


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_try():
    pace = broken()
    assert pace.free(0.0) == 0
    assert pace.free(FIRST_REST_S) == 1
    pace.start(FIRST_REST_S)
    assert pace.free(FIRST_REST_S) == 0, "one request is trying"


def test_an_answer_closes_the_breaker():
    pace = broken()
    pace.start(FIRST_REST_S)
    pace.answered()
    assert not pace.is_broken
    assert pace.free(FIRST_REST_S) > 1


def test_each_failed_try_doubles_the_rest_up_to_the_longest():
    pace, now, rests = broken(), 0.0, []
    for _ in range(8):
        rests.append(pace.closed_for(now))
        now += pace.closed_for(now)
        pace.start(now)
        pace.failed(started=now, now=now, is_overload=False)
    assert rests == [min(LONGEST_REST_S, FIRST_REST_S * 2**i) for i in range(8)]


def test_a_try_given_up_by_us_leaves_the_breaker_ready_for_another():
    pace = broken()
    pace.start(FIRST_REST_S)
    pace.left()
    assert pace.free(FIRST_REST_S) == 1


def pool(*urls: str) -> Pool:
    return Pool(urls, most=64, clock=lambda: 0.0)


def test_conversations_spread_over_servers_and_each_stays():
    servers = pool("a", "b", "c")
    homes = {}
    for i in range(9):
        homes[i] = servers.choose(f"s{i}")
        homes[i].start(0.0)
    assert sorted(p.url for p in homes.values()) == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    assert all(servers.choose(f"s{i}") is homes[i] for i in range(9))


def test_a_conversation_moves_when_its_server_is_closed():
    servers = pool("a", "b")
    home = servers.choose("s")
    home.paused_until = 5.0
    assert servers.choose("s") is not home


def test_a_released_conversation_is_forgotten():
    servers = pool("a", "b")
    first = servers.choose("s")
    first.start(0.0)
    servers.release(["s", "never heard of"])
    assert servers.choose("s") is not first


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-4"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_what_a_server_asks_for_is_read(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_a_date_to_come_back_at_is_read():
    seconds = retry_after_s({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"})
    assert seconds is not None and math.isfinite(seconds) and seconds > 1e8
