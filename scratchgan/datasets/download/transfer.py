"""One file over HTTP: from the first mirror that has it, resumed, and checked.

What is received is kept in a hidden file beside the target, ``.NAME.partial``. It
takes the target's name only when it is complete and its SHA-256 is right, and it stays
when the transfer is broken off, so that the next one goes on from there.

Attempts are counted here and not by urllib3's Retry, which requests could be given:
that one comes back after a refused connection or a status, but not after a body that
breaks off half-way, the usual failure of a large file. Here both are one patience,
which new bytes renew, and the user is told of each attempt.
"""

import contextlib
import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from scratchgan import __version__
from scratchgan.datasets.download.published import PublishedFile
from scratchgan.errors import DownloadError
from scratchgan.progress import Note
from scratchgan.storage.files import TEMPORARY_SUFFIX, move_into_place, output_error

# Bytes that are read and written at a time.
BLOCK = 64 * 1024

# Answers that may be another one a little later.
_PASSING = {408, 425, 429, 500, 502, 503, 504}

_MAX_REDIRECTS = 10


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to come back.

    Attributes
    ----------
    attempts : int
        Attempts at one address that bring nothing new, before the next address.
    connect_seconds, read_seconds : float
        The longest wait for a connection, and for the next bytes.
    first_wait, longest_wait : float
        Seconds before the second attempt, doubled before each further one, and the
        most that is waited, whatever a server asks for.
    """

    attempts: int = 5
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    first_wait: float = 1.0
    longest_wait: float = 60.0


class _TryAgainError(Exception):
    """An attempt failed in a way that may pass; `wait` is what the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _WrongMirrorError(Exception):
    """An address will not give the file, however often it is asked."""


class _Session(requests.Session):
    """A session that follows redirects, but not from an encrypted to an open one."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None and resp.url.startswith("https:"):
            where = urljoin(resp.url, target)
            if urlsplit(where).scheme != "https":
                raise _WrongMirrorError(f"redirects from https to {where}")
        return target


def open_session() -> requests.Session:
    """Return an HTTP session that respects the proxy settings of the environment."""
    session = _Session()
    session.max_redirects = _MAX_REDIRECTS
    session.headers["User-Agent"] = f"scratchgan/{__version__}"
    # Compressed on the way, lengths and offsets would not be those of the file.
    session.headers["Accept-Encoding"] = "identity"
    return session


class Partial:
    """The beginning of a file that is being received, and where it came from.

    Parameters
    ----------
    target : Path
        The file it will become.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}{TEMPORARY_SUFFIX}")
        self._origin = target.with_name(f".{target.name}.origin")

    @property
    def size(self) -> int:
        """Bytes received so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def validator(self, url: str) -> str | None:
        """Return what tells whether the file behind an address is still the same."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
            if origin.get("url") == url:
                return origin.get("validator")
        return None

    def remember(self, url: str, validator: str | None) -> None:
        """Keep from where the bytes come, for `validator`."""
        origin = {"url": url, "validator": validator}
        self._origin.write_text(json.dumps(origin), encoding="utf-8")

    def become(self, target: Path) -> None:
        """Give the complete file its name."""
        move_into_place(self.path, target)
        self._origin.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget what was received."""
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class Transfer:
    """The transfer of one file into a folder.

    Parameters
    ----------
    file : PublishedFile
        What to fetch; its name is the only one that is ever used.
    folder : Path
        Where to put it; it exists.
    session : requests.Session
        See `open_session`.
    patience : Patience, optional
        Timeouts and attempts.
    progress : callable, optional
        Called with the bytes of the file that are there.
    note : callable, optional
        Called with a line whenever an attempt failed.
    """

    def __init__(
        self,
        file: PublishedFile,
        folder: Path,
        session: requests.Session,
        patience: Patience | None = None,
        progress: Callable[[int], None] | None = None,
        note: Note | None = None,
    ) -> None:
        self._file = file
        self._target = folder / file.name
        self._session = session
        self._patience = patience or Patience()
        self._progress = progress or (lambda received: None)
        self._note = note or (lambda line: None)
        self.partial = Partial(self._target)
        self._furthest = 0

    def run(self) -> str:
        """Fetch the file and return the address that it came from.

        Raises
        ------
        DownloadError
            No mirror has the file; the message has the reason of each.
        OutputError
            It cannot be written.
        """
        reasons = []
        try:
            for url in self._file.urls:
                try:
                    self._fetch(url)
                except _WrongMirrorError as error:
                    reasons.append(f"{urlsplit(url).netloc}: {error}")
                    self._note(f"{self._file.name}: {reasons[-1]}")
                else:
                    self.partial.become(self._target)
                    return url
        except OSError as error:
            raise output_error(self._target, error) from error
        raise DownloadError(
            f"{self._file.name} could not be downloaded; {'; '.join(reasons)}"
        )

    def _fetch(self, url: str) -> None:
        """Make the partial file complete and right, in as many requests as it takes."""
        failures = 0
        while True:
            start = self.partial.size
            try:
                if start < self._file.size:
                    self._request(url, start)
            except _TryAgainError as error:
                # New bytes are progress; without any, patience comes to its end.
                advanced = self.partial.size > self._furthest
                self._furthest = max(self._furthest, self.partial.size)
                failures = 1 if advanced else failures + 1
                if failures >= self._patience.attempts:
                    raise _WrongMirrorError(f"{error}, {failures} times") from None
                self._wait(url, failures, error)
                continue
            digest = sha256_of(self.partial.path)
            if digest == self._file.sha256:
                return
            self.partial.discard()
            if start == 0:
                raise _WrongMirrorError(
                    f"sends another file: its sha256 is {digest}, expected "
                    f"{self._file.sha256}"
                )
            # Part of it was from an earlier request, perhaps of an older file.
            self._note(f"{self._file.name}: the resumed file is damaged; starting anew")
            self._furthest = 0

    def _wait(self, url: str, failures: int, error: _TryAgainError) -> None:
        """Wait before the next attempt, longer each time, or as the server asks."""
        wait = self._patience.first_wait * 2 ** (failures - 1)
        if error.wait is not None:
            wait = max(wait, error.wait)
        # A little more or less, so that many clients do not come back all at once.
        wait = min(wait, self._patience.longest_wait) * random.uniform(0.8, 1.0)
        self._note(
            f"{self._file.name}: {urlsplit(url).netloc}: {error}; "
            f"trying again in {wait:.0f} s"
        )
        time.sleep(wait)

    def _request(self, url: str, start: int) -> None:
        """Receive the file from byte ``start`` on, or all of it, in one request."""
        headers = {}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator := self.partial.validator(url):
                headers["If-Range"] = validator
        timeout = (self._patience.connect_seconds, self._patience.read_seconds)
        try:
            with self._session.get(
                url, headers=headers, stream=True, timeout=timeout
            ) as response:
                start = self._accept(response, start)
                self._receive(url, response, start)
        except requests.TooManyRedirects:
            raise _WrongMirrorError(
                f"redirects more than {_MAX_REDIRECTS} times"
            ) from None
        except requests.exceptions.SSLError as error:
            raise _WrongMirrorError(f"no safe connection ({error})") from None
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL):
            raise _WrongMirrorError("redirects to what is no web address") from None
        except requests.Timeout:
            raise _TryAgainError("no answer in time") from None
        except requests.RequestException as error:
            raise _TryAgainError(_reason(error)) from None

    def _accept(self, response: requests.Response, start: int) -> int:
        """Return at which byte of the file an answer begins.

        Raises _WrongMirrorError or _TryAgainError if it is not the file.
        """
        status = response.status_code
        if status in _PASSING:
            raise _TryAgainError(_status(status), _retry_after(response))
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise _WrongMirrorError(_status(status))
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise _WrongMirrorError("sends a web page instead of the file")
        if status == HTTPStatus.OK:  # from the beginning, whatever was asked for
            start, length = 0, response.headers.get("Content-Length")
        else:
            content_range = response.headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
            if match is None or not start or int(match[1]) != start:
                self.partial.discard()
                raise _TryAgainError("sends another part of the file than asked for")
            length = match[2]
        if length and length.isdigit() and int(length) != self._file.size:
            raise _WrongMirrorError(
                f"has a file of {int(length):,} bytes, expected {self._file.size:,}"
            )
        return start

    def _receive(self, url: str, response: requests.Response, start: int) -> None:
        """Append the body of an answer to the partial file."""
        blocks = _body(response)
        first = next(blocks, b"")
        if start == 0 and re.match(rb"\s*<(!doctype\s+html|html)\b", first, re.I):
            raise _WrongMirrorError("sends a web page instead of the file")
        self.partial.remember(url, _validator(response))
        received = start
        with open(self.partial.path, "ab" if start else "wb") as file:
            block = first
            while block:
                received += len(block)
                if received > self._file.size:
                    raise _WrongMirrorError(
                        f"sends more than the expected {self._file.size:,} bytes"
                    )
                file.write(block)
                self._progress(received)
                block = next(blocks, b"")
        if received < self._file.size:
            raise _TryAgainError(
                f"sent {received:,} of {self._file.size:,} bytes and stopped"
            )


def _body(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it was sent; a broken connection is a _TryAgainError."""
    try:
        # Not iter_content: it would unpack a .gz that is declared as an encoding.
        yield from response.raw.stream(BLOCK, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError:
        raise _TryAgainError("sent nothing for too long") from None
    except urllib3.exceptions.HTTPError as error:
        raise _TryAgainError(f"the connection broke ({_reason(error)})") from None


def _validator(response: requests.Response) -> str | None:
    """Return what If-Range may carry: a strong ETag, or the date of the file."""
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of a Retry-After header, given as seconds or as a date."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return float(urllib3.Retry().parse_retry_after(value))
    except urllib3.exceptions.InvalidHeader:
        return None


def _status(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _reason(error: Exception) -> str:
    """Return the innermost words of an error of the network libraries."""
    seen: BaseException = error
    while True:
        inner = getattr(seen, "reason", None) or next(
            (arg for arg in reversed(seen.args) if isinstance(arg, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            break
        seen = inner
    text = getattr(seen, "strerror", None) or str(seen).rpartition(": ")[2]
    return text or type(seen).__name__
