"""A Hub on 127.0.0.1, for the real clients: datasets, huggingface_hub and the `hf` command push to it and pull from it.

    with LoopbackHub(folder) as hub:
        HfApi(endpoint=hub.url, token="alice-write")

It speaks what the clients ask of the Hub for dataset repositories, tags, LFS uploads and collections. LFS objects lie
in `folder`, all else is in memory. `hub.requests` lists what was asked; `hub.faults` breaks single requests on purpose.
As a command it serves until it is killed: `python -m tests.store.loopback_hub FOLDER` prints its address.
"""

import json
import shutil
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.store.loopback_answers import REPO, Answers
from tests.store.loopback_repos import Blob, Refused, Repo, regular

# Kinds of faults: one of these, answered instead of acting; "500-after" acting; "cut-before" and "cut-after" acting, no
# answer; "cut-body", half an answer; "slow", one in pieces; "stall", one that comes after `stall_seconds`.
STATUS_FAULTS = (409, 412, 429, 500, 502, 503)


@dataclass(frozen=True)
class Asked:
    """One request: `kind` is its method and path without the names, `status` what was answered (0: cut off)."""

    method: str
    path: str
    kind: str
    status: int


def ask_hub_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it the environment's Hub, for `huggingface_hub` and `datasets`."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", url)


class LoopbackHub:
    """The server and its state. `faults`: from the number of a request (0: the next one) to the kind of its fault.

    A fault that is a status repeats the request's token in its body, as a careless proxy might.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.repos: dict[str, Repo] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.requests: list[Asked] = []
        self.faults: dict[int, int | str] = {}
        self.fault_on: Callable[[str, str], int | str | None] | None = None
        self.stall_seconds = 3.0
        self.asked = 0
        self.serving = 0
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget_requests(self) -> None:
        """Count requests, and faults, from here on; those that stall are waited for."""
        while self.serving:
            time.sleep(0.01)
        with self.lock:
            self.requests, self.faults, self.fault_on, self.asked = [], {}, None, 0

    def uploads(self) -> list[str]:
        """SHA-256 of the LFS objects whose upload was answered 200, in the order of the answers."""
        return [
            asked.path.rsplit("/", 1)[1] for asked in self.requests if asked.kind == "PUT lfs" and asked.status == 200
        ]

    def tags(self, repo: str) -> dict[str, str]:
        """Tags of a repository with their commits; none if there is no such repository."""
        return dict(self.repos[repo].tags) if repo in self.repos else {}

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """The content of all files at a revision."""
        commit = self.repos[repo].resolve(revision)
        return {path: self.content(blob) for path, blob in commit.files.items()}

    def content(self, blob: Blob) -> bytes:
        return blob.content if blob.content is not None else self.lfs_path(blob.lfs or "").read_bytes()

    def edit(self, repo: str, path: str, content: bytes, branch: str = "main") -> None:
        """Change one file, as a person does on the Hub's site."""
        with self.lock:
            held = self.repos[repo]
            files = dict(held.resolve(branch).files) | {path: regular(content)}
            held.add(branch, f"Update {path}", files)

    def lfs_path(self, oid: str) -> Path:
        return self.folder / oid

    def next_fault(self, method: str, path: str) -> int | str | None:
        with self.lock:
            number, self.asked = self.asked, self.asked + 1
            if self.fault_on is not None:
                return self.fault_on(method, path)
            return self.faults.get(number)


class _Handler(Answers, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def setup(self) -> None:
        super().setup()
        self.hub = self.server.hub

    def log_message(self, format: str, *args: Any) -> None:
        """The list of requests is the log."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        with self.hub.lock:
            self.hub.serving += 1
        try:
            self._serve_one()
        except (BrokenPipeError, ConnectionResetError):  # the client has given up
            self.close_connection = True
        except Exception as error:
            self._send(500, {}, json.dumps({"error": f"this Hub is broken: {error!r}"}).encode())
        finally:
            with self.hub.lock:
                self.hub.serving -= 1

    def _serve_one(self) -> None:
        split = urlsplit(self.path)
        self.route, self.query = unquote(split.path), parse_qs(split.query)
        fault = self.hub.next_fault(self.command, self.route)
        if fault == "cut-before":
            self._log(0)
            return self._cut()
        if fault == "stall":
            time.sleep(self.hub.stall_seconds)
        try:
            body = self._upload() if self.command == "PUT" else self._read()
            if isinstance(fault, int):
                raise Refused(fault, f"fault, {self.headers.get('authorization')}")
            with self.hub.lock:
                status, headers, answer = self.answer(body)
            if fault == "500-after":
                raise Refused(500, f"fault, {self.headers.get('authorization')}")
        except Refused as refused:
            status, answer = refused.status, json.dumps(refused.body).encode()
            headers = {"Content-Type": "application/json", "X-Error-Message": str(refused)}
            headers |= {"X-Error-Code": refused.code} if refused.code else {}
            headers |= {"Retry-After": "1"} if status == 429 else {}
        self._log(0 if fault in {"cut-after", "cut-body"} else status)
        if fault == "cut-after":
            return self._cut()
        return self._send(status, headers, answer, fault)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _log(self, status: int) -> None:
        with self.hub.lock:
            self.hub.requests.append(Asked(self.command, self.route, f"{self.command} {_kind(self.route)}", status))

    def _read(self) -> bytes:
        return (
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self._chunked()
            else b"".join(self._chunks())
        )

    def _chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "")

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _upload(self) -> bytes:
        """The path of the file that holds the body, in a constant amount of memory."""
        path = self.hub.folder / f"upload-{uuid.uuid4().hex}"
        left = int(self.headers.get("Content-Length") or 0)
        with path.open("wb") as file:
            if self._chunked():
                for chunk in self._chunks():
                    file.write(chunk)
            while left > 0 and (chunk := self.rfile.read(min(left, 1 << 20))):
                file.write(chunk)
                left -= len(chunk)
        return str(path).encode()

    def _send(
        self,
        status: int,
        headers: dict[str, str],
        answer: bytes | tuple[Path, int, int],
        fault: int | str | None = None,
    ) -> None:
        length = len(answer) if isinstance(answer, bytes) else answer[2]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = 0
        for piece in _pieces(answer, max(1, min(1 << 20, length // 4))):
            if fault == "cut-body" and sent >= length // 2:
                self._cut()
                return
            self.wfile.write(piece)
            self.wfile.flush()
            sent += len(piece)
            if fault == "slow":
                time.sleep(0.05)


def _pieces(answer: bytes | tuple[Path, int, int], size: int) -> Iterator[bytes]:
    """An answer in pieces: bytes, or so many of a file from an offset on."""
    if isinstance(answer, bytes):
        yield from (answer[start : start + size] for start in range(0, len(answer), size))
        return
    path, start, left = answer
    with path.open("rb") as file:
        file.seek(start)
        while left > 0:
            yield (piece := file.read(min(left, size)))
            left -= len(piece)


def _kind(route: str) -> str:
    if route.startswith("/lfs/"):
        return "lfs"
    if route.endswith("/info/lfs/objects/batch"):
        return "batch"
    if "/resolve/" in route:
        return f"resolve {route.rsplit('/', 1)[1]}"
    match = REPO.fullmatch(route)
    return (match[2] or "info").split("/")[0] if match else route.removeprefix("/api/").split("/")[0]


if __name__ == "__main__":
    root = Path(sys.argv[1])
    shutil.rmtree(root, ignore_errors=True)
    with LoopbackHub(root) as serving:
        print(serving.url, flush=True)
        threading.Event().wait()
