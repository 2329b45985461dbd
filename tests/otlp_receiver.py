"""Takes OTLP over HTTP on loopback, as a collector does, and tells what came."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as ProtoMetric

_SUFFIX = {"s": "_seconds", "ms": "_milliseconds", "By": "_bytes"}


class OtlpReceiver:
    """``series``: Prometheus's name of a time series -> the names of its labels. ``spans``: (service, span)."""

    def __init__(self) -> None:
        self.series: dict[str, set[str]] = {}
        self.senders: dict[str, set[tuple[str, str]]] = {}
        """Series -> (service, instance) of the processes that sent it."""
        self.spans: list[tuple[str, str]] = []
        self.requests: list[str] = []
        self._lock = threading.Lock()

    def take(self, path: str, body: bytes) -> bytes:
        with self._lock:
            self.requests.append(path)
            if path.endswith("/v1/metrics"):
                self._take_metrics(ExportMetricsServiceRequest.FromString(body))
            elif path.endswith("/v1/traces"):
                self._take_spans(ExportTraceServiceRequest.FromString(body))
        return b""

    def _take_metrics(self, request: ExportMetricsServiceRequest) -> None:
        for resource in request.resource_metrics:
            sender = _told(resource, "service.name"), _told(resource, "service.instance.id")
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = getattr(metric, metric.WhichOneof("data")).data_points
                    labels = {attribute.key for point in points for attribute in point.attributes}
                    for name in prometheus_names(metric):
                        self.series.setdefault(name, set()).update(labels)
                        self.senders.setdefault(name, set()).add(sender)

    def _take_spans(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [(_told(resource, "service.name"), span.name) for span in scope.spans]


def prometheus_names(metric: ProtoMetric) -> list[str]:
    """The names under which Prometheus's OTLP receiver keeps a metric (its default translation)."""
    name = metric.name.replace(".", "_").replace("-", "_")
    suffix = _SUFFIX.get(metric.unit, "")
    if suffix and not name.endswith(suffix):
        name += suffix
    kind = metric.WhichOneof("data")
    if kind == "sum" and metric.sum.is_monotonic and not name.endswith("_total"):
        name += "_total"
    return [f"{name}_{part}" for part in ("bucket", "sum", "count")] if kind == "histogram" else [name]


def _told(resource, key: str) -> str:
    return next((a.value.string_value for a in resource.resource.attributes if a.key == key), "")


@contextmanager
def otlp_receiver() -> Iterator[tuple[str, OtlpReceiver]]:
    """A receiver, and the endpoint to set."""
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.headers.get("transfer-encoding") == "chunked":
                body = b"".join(self._chunks())
            else:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            answer = receiver.take(self.path, body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
