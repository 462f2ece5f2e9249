"""The OpenAPI description against the server: generated requests find no server error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.conftest import Running, Start

EXAMPLES = 25
PUBLIC = {"/health", "/ready"}
# The one answers 503 on purpose, the other takes JSON Lines, which schemathesis cannot make.
LEFT_OUT = {"/ready", "/v1/memory/import"}


def test_the_description_names_every_endpoint_and_who_may_call_it(offline: Running) -> None:
    with offline.client() as api:
        described = api.get("/openapi.json").json()
        assert api.get("/docs").status_code == 200
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path}"
            assert bool(operation.get("security")) is (path not in PUBLIC), f"{method} {path}"
            assert {"4XX", "5XX"} <= operation["responses"].keys()


@pytest.fixture
def url(start: Start) -> Iterator[str]:
    running = start()
    running.agent.record_sync("ana", "Dinner?", "lentils", id="e1", options=["lentils", "soup"])
    running.agent.state_claim_sync("ana", "likes soup")
    yield running.url


@pytest.mark.slow
def test_generated_requests_find_no_server_error(url: str) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.checks.CHECKS.get_one("response_schema_conformance"),
        schemathesis.checks.CHECKS.get_one("content_type_conformance"),
    ]
    seen: Counter[str] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in LEFT_OUT:
            continue
        _check(operation, checks, seen)
    assert len(seen) >= 20 and seen.total() > 200, seen


def _check(operation: Any, checks: list[Any], seen: Counter[str]) -> None:
    from hypothesis import HealthCheck, Phase, given, settings

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        case.call_and_validate(checks=checks)
        seen[operation.label] += 1

    check()
