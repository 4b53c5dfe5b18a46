"""Counters of a server, in Prometheus' text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one server, in a registry that it shares with no other."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.clients = Gauge("asr_clients", "Live streams that are open.", registry=registry)
        self.sessions = Counter("asr_sessions", "Live streams opened.", registry=registry)
        self.utterances = Counter("asr_utterances", "Utterances that became final.", registry=registry)
        self.audio = Counter("asr_audio_seconds", "Audio received.", ["source"], registry=registry)
        self.refusals = Counter("asr_refusals", "Refused requests and streams.", ["reason"], registry=registry)
        self.errors = Counter("asr_errors", "Failures of the server itself.", registry=registry)
        help_text = "Time from a block of audio to its reply."
        self.latency = Histogram("asr_reply_seconds", help_text, buckets=_LATENCIES, registry=registry)
        self.busy = Counter("asr_network_busy_seconds", "Time that the network computed.", registry=registry)
        help_text = "Streams that went through the network together."
        self.batch = Histogram("asr_network_batch_streams", help_text, buckets=_BATCHES, registry=registry)

    def count_batch(self, num_streams: int, seconds: float) -> None:
        """Count a batch of streams and the seconds that it took."""
        self.batch.observe(num_streams)
        self.busy.inc(seconds)

    def expose(self) -> bytes:
        """Return all counters as text."""
        return generate_latest(self.registry)
