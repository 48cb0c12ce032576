"""Stand-ins for a DIASTEMA platform: its services, front end and analytics component, written from the protocol's page.

Nothing of Podium is in here. What is asked of them is kept in the order in which it came; objects are written where the
caller says, with a function that knows the store.
"""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FEATURES = [{"name": "id", "type": "int"}, {"name": "length", "type": "float"}]


@dataclass
class Platform:
    """
    Args:
        write: puts an object at `<bucket>/<key>`.
        seconds: how long each job takes.
        holds: by job id, what must be so before it ends.
        errors: by job id, the message with which it fails.
        refusals: by service, the statuses of its next answers to POST, 0: the connection is dropped.
        sayings: by service, what it answers to POST.
        results: what AutoML finds.
        answers: what the analytics component says, by job id.
    """

    write: Callable[[str, bytes], None]
    seconds: float = 0.05
    holds: dict[str, Callable[[], bool]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, list[int]] = field(default_factory=dict)
    sayings: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=lambda: {"algorithm": "naive bayes", "smoothing": 1.0})
    answers: dict[str, str] = field(default_factory=dict)
    trial: tuple[int, str] = (200, "line1\nline2")
    front_end_away: bool = False
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    analytics_url: str = ""
    host: str = "127.0.0.1"
    _jobs: dict[tuple[str, str], tuple[float, Any]] = field(default_factory=dict)
    _happened: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, until: Callable[[], Any]) -> None:
        """Until that is true, which is looked at whenever something was asked."""
        with self._happened:
            if not self._happened.wait_for(until, timeout=60):
                raise TimeoutError

    def together(self, *jobs: str, count: int) -> None:
        """None of these ends before so many of them have begun."""

        def enough() -> bool:
            return len({id_ for what, id_ in self.log if what == "begin" and id_ in jobs}) >= count

        self.holds |= dict.fromkeys(jobs, enough)

    def happened(self) -> None:
        with self._happened:
            self._happened.notify_all()

    def bodies(self, service: str) -> list[dict[str, Any]]:
        return [body for name, body in self.asked if name == service]

    def begun(self, job: str) -> int:
        """How often a job was begun."""
        return sum(body.get("job-id") == job for _, body in self.asked)

    # HTTP

    def post(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if self.refusals.get(name):
            return self.refusals[name].pop(0), {"message": "not now"}
        self.asked.append((name, body))
        if name == "data-ingesting/test":
            return self.trial
        if name != "data-sink":
            self._jobs[name, body["job-id"]] = (time.monotonic() + self.seconds, body)
            self.log.append(("begin", body["job-id"]))
        return 200, self.sayings.get(name, {})

    def get(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        self.looked.append(path)
        name, _, last = path.rpartition("/")
        if last != "progress":
            return 200, {"features": FEATURES}
        job = query["id"][0]
        if (name, job) not in self._jobs:
            return 404, {"message": "no such job"}
        ready, body = self._jobs[name, job]
        if time.monotonic() < ready or (job in self.holds and not self.holds[job]()):
            return 200, {"status": "progress"}
        if job in self.errors:
            return 200, {"status": "error", "message": self.errors[job]}
        output = body.get("output") or body.get("minio-output")
        if output:
            self.write(f"{output}/part-0.csv", b"id,length\n1,2.5\n")
            self.write(f"diastemaviz/{job}/plot.html", b"<html></html>")
        if self.log.count(("end", job)) < self.log.count(("begin", job)):
            self.log.append(("end", job))
        return 200, {"status": "complete", **({"results": self.results} if name == "automl" else {})}

    # The analytics component

    def analyse(self, message: dict[str, Any]) -> str:
        job = message["job-id"]
        self.asked.append(("analytics", message))
        self.log.append(("begin", job))
        self.happened()
        time.sleep(self.seconds)
        if job in self.holds:
            self.wait(self.holds[job])
        if job in self.answers:
            return self.answers[job]
        self.write(f"{message['minio-output']}/part-0.csv", b"id,prediction\n1,1\n")
        self.write(f"{message['minio-output']}/_SUCCESS", b"")
        self.write(f"diastemaviz/{job}/plot.html", b"<html></html>")
        self.log.append(("end", job))
        self.happened()
        return "Job done"


def into_s3(url: str, user: str, password: str) -> Callable[[str, bytes], None]:
    """Writes objects as a service would: only the platform's own bucket for plots is there beforehand."""
    from botocore.config import Config
    from botocore.session import get_session

    client = get_session().create_client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=user,
        aws_secret_access_key=password,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, connect_timeout=60, read_timeout=60),
    )
    client.create_bucket(Bucket="diastemaviz")

    def write(path: str, content: bytes) -> None:
        bucket, _, key = path.partition("/")
        client.put_object(Bucket=bucket, Key=key, Body=content)

    return write


@contextmanager
def running(write: Callable[[str, bytes], None], *, host: str = "127.0.0.1", **settings: Any) -> Iterator[Platform]:
    platform = Platform(write, host=host, **settings)
    with _Web((host, 0), _handler(platform)) as web, _Component((host, 0), _analytics(platform)) as component:
        platform.url = f"http://{host}:{web.server_address[1]}"
        platform.analytics_url = f"tcp://{host}:{component.server_address[1]}"
        threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in (web, component)]
        for thread in threads:
            thread.start()
        try:
            yield platform
        finally:
            web.shutdown()
            component.shutdown()
            for thread in threads:
                thread.join()


class _Web(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Component(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            path = urlsplit(self.path).path.strip("/")
            if path == "messages":
                if platform.front_end_away:
                    return self._answer(503, {})
                platform.told.append({key: value[0] for key, value in parse_qs(content.decode(), True).items()})
                platform.happened()
                return self._answer(200, {})
            answer = platform.post(path, json.loads(content))
            platform.happened()
            return self._answer(*answer)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = platform.get(parts.path.strip("/"), parse_qs(parts.query))
            platform.happened()
            self._answer(*answer)

        def _answer(self, status: int, body: Any) -> None:
            if not status:
                self.close_connection = True
                return
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _analytics(platform: Platform) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            header = self.rfile.read(64)
            if not header:
                return
            assert len(header) == 64
            message = json.loads(self.rfile.read(int(header.decode().rstrip(" "))))
            self.wfile.write(platform.analyse(message).encode())

    return Handler
