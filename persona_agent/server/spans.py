"""Turns as OpenTelemetry spans, where the standard ``OTEL_*`` variables ask for them."""

from __future__ import annotations

import os
from typing import Any

from persona_agent import __version__
from persona_agent.agent.traces import Trace
from persona_agent.errors import SettingsError

_ASKED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NANO = 1_000_000_000
STEPS = ("recall", "upstream", "remember")


class Spans:
    """Emits a finished turn as a span with one child a step."""

    def __init__(self, provider: Any) -> None:
        """Take an SDK's tracer provider."""
        self._provider = provider
        self._tracer = provider.get_tracer("persona_agent", __version__)

    def emit(self, trace: Trace) -> None:
        """Emit a turn. Attributes follow the GenAI conventions; none holds text or the user."""
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        start = int(trace.at.timestamp() * _NANO)
        total = trace.seconds.get("total", 0.0)
        turn = self._tracer.start_span(
            "chat",
            start_time=start,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": trace.model,
                "gen_ai.usage.input_tokens": trace.usage.prompt_tokens,
                "gen_ai.usage.output_tokens": trace.usage.completion_tokens,
                "persona_agent.turn": trace.id,
                "persona_agent.persona_version": trace.persona_version,
                "persona_agent.claims": len(trace.claims),
                "persona_agent.recalled": len(trace.recalled),
                "persona_agent.tools_called": list(trace.tools_called),
                "persona_agent.remembered": trace.remembered,
                "persona_agent.cost_usd": trace.usage.cost_usd,
            },
        )
        if trace.error:
            turn.set_status(Status(StatusCode.ERROR, trace.error))
        context, at = set_span_in_context(turn), start
        for step in STEPS:
            if step in trace.seconds:
                child = self._tracer.start_span(step, context=context, start_time=at)
                at += int(trace.seconds[step] * _NANO)
                child.end(end_time=at)
        turn.end(end_time=start + int(total * _NANO))

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def configured_spans() -> Spans | None:
    """Return what emits spans if the environment names a collector, else None.

    Raises:
        SettingsError: it names one, but the SDK is not installed.
    """
    if not any(os.environ.get(name) for name in _ASKED_BY):
        return None
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = _exporter()
    except ImportError as error:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for spans, which need packages of OpenTelemetry: "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http, or unset it"
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME", "persona-agent")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Spans(provider)


def _exporter() -> Any:
    """Return the exporter for the protocol that the environment names; HTTP by default."""
    import importlib

    asked = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    kind = "grpc" if asked == "grpc" else "http"
    module = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{kind}.trace_exporter")
    return module.OTLPSpanExporter()
