"""A web server on this machine that hands out files, and misbehaves when told to."""

import contextlib
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIMIT = 10  # seconds that a slow answer waits at most for the end of its test


class FileServer:
    """Serves `files` (path to bytes) with ranges and ETags; `requests` and
    `headers` are the log.

    Each entry of `script` is a function of (handler, content, start) that answers
    one request in place of the orderly answer.
    """

    def __init__(self):
        self.files = {}
        self.script = []
        self.requests = []
        self.headers = []
        self.etags = True
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                # One answer a connection, so that a broken one ends at once.
                self.close_connection = True
                with contextlib.suppress(OSError):
                    outer.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}/"

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        self.headers.append(handler.headers)
        content = self.files.get(handler.path)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.script:
            self.script.pop(0)(handler, content, start)
        elif content is None:
            status(404)(handler, content, start)
        else:
            orderly(handler, content, start, etag=self.etags)


def etag_of(content):
    return f'"{hashlib.sha256(content).hexdigest()[:8]}"'


def head(handler, code, **headers):
    """Send the first line and headers; ``content_length`` means Content-Length."""
    handler.send_response(code)
    handler.send_header("Connection", "close")
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()


def orderly(handler, content, start, etag=True, amount=None):
    """Answer as a server should, but send only the first ``amount`` bytes."""
    tags = {"ETag": etag_of(content)} if etag else {}
    condition = handler.headers.get("If-Range")
    if condition is not None and condition != tags.get("ETag"):
        start = 0
    body = content[start:]
    if start:
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        head(handler, 206, content_length=len(body), content_range=span, **tags)
    else:
        head(handler, 200, content_length=len(body), **tags)
    handler.wfile.write(body[:amount])


def drop_after(amount):
    """Break the connection after some bytes of the body."""
    return lambda handler, content, start: orderly(
        handler, content, start, amount=amount
    )


def ignore_range(handler, content, start):
    orderly(handler, content, 0)


def wrong_part(handler, content, start):
    span = f"bytes 1-{len(content) - 1}/{len(content)}"
    head(handler, 206, content_length=len(content) - 1, content_range=span)
    handler.wfile.write(content[1:])


def status(code, **headers):
    return lambda handler, content, start: head(
        handler, code, content_length=0, **headers
    )


def redirect(url):
    return status(302, location=url)


def body(sent, **headers):
    """Send exactly these bytes with 200."""

    def answer(handler, content, start):
        head(handler, 200, **({"content_length": len(sent)} | headers))
        handler.wfile.write(sent)

    return answer


def chunked(sent):
    """Send these bytes without saying how many there are."""

    def answer(handler, content, start):
        head(handler, 200, transfer_encoding="chunked")
        for block in (sent[: len(sent) // 2], sent[len(sent) // 2 :]):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def stall_after(server, amount):
    """Send some bytes, then nothing until the test is over."""

    def answer(handler, content, start):
        orderly(handler, content, start, amount=amount)
        handler.wfile.flush()
        server.over.wait(LIMIT)

    return answer


def silent(server):
    return lambda handler, content, start: server.over.wait(LIMIT)


def slowly(handler, content, start):
    """Send everything, in ten pieces."""
    head(handler, 200, content_length=len(content), ETag=etag_of(content))
    step = -(-len(content) // 10)
    for offset in range(0, len(content), step):
        handler.wfile.write(content[offset : offset + step])
        handler.wfile.flush()
        time.sleep(0.02)
