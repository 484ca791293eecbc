"""The only file that talks to Grafana: its folder, data source and boards, over grafana-client.

Written for Grafana 11 to 13, whose `/api` takes the classic schema, from its HTTP API documentation; not run against a
live Grafana.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import requests
from grafana_client import GrafanaApi
from grafana_client.client import GrafanaException
from requests.adapters import HTTPAdapter

from roadworthy_dashboards.push_errors import (
    BadAnswerError,
    BadUrlError,
    NotFoundError,
    TimedOutError,
    TlsError,
    UnreachableError,
    refusal,
)

MAJORS = range(11, 14)  # of Grafana, that this is written for
_TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, and between two pieces of an answer
_DEADLINE_SECONDS = 60.0  # for a request and the whole of its answer, which else may drip without end
# Of an answer: a board of a hundred panels is a tenth of a megabyte, the folders of a large Grafana less than one.
MOST_BYTES = 16 * 2**20
_LOCAL = "localhost"
_T = TypeVar("_T")


class Grafana:
    """One Grafana. Every method raises a PushError that says what, where and what to do; none shows the token."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_file: Path | None = None,
        timeout_seconds: tuple[float, float] = _TIMEOUT_SECONDS,
        deadline_seconds: float = _DEADLINE_SECONDS,
    ) -> None:
        """Prepare to talk to the Grafana at `url`; nothing is sent yet.

        `timeout_seconds`: to connect, and between two pieces of an answer; `deadline_seconds`: for a request in all.
        Certificates are checked against `ca_file` or, without one, those requests comes with. Raise BadUrlError.
        """
        parts = _checked(url)
        self.url = url.rstrip("/")
        self._token, self._deadline_seconds = token, deadline_seconds
        host = parts.hostname or ""
        path = parts.path.strip("/")
        self._api = GrafanaApi(
            token,
            protocol=parts.scheme,
            host=f"[{host}]" if ":" in host else host,
            port=parts.port,
            url_path_prefix=f"{path}/" if path else "",
            verify=_readable(ca_file) if ca_file else True,
            timeout=timeout_seconds,
        )
        self._api.client.s.mount(f"{parts.scheme}://", _Bounded())
        # A redirect would turn what is written into a question, and may lead where the token should not go.
        self._api.client.s.max_redirects = 0
        # To this machine in plain, never by way of a proxy that could read the token.
        self._api.client.s.trust_env = parts.scheme == "https"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.client.s.close()

    def version(self) -> str:
        """Return what version it says it is, "" if it keeps that to itself."""
        found = self._ask("ask how it is", self._api.health.check)
        if not isinstance(found, dict) or "database" not in found:
            raise BadAnswerError(
                f"{self.url}: this is not a Grafana; name its address, with its sub-path if it has one"
            )
        return str(found.get("version") or "")

    def folder(self, uid: str) -> dict[str, Any] | None:
        """Return the folder of this uid."""
        return self._find(f"read the folder {uid}", lambda: self._api.folder.get_folder(uid))

    def folder_called(self, title: str) -> dict[str, Any] | None:
        """Return the folder of this title among those the token may see."""
        found = self._ask("read the folders", self._api.folder.get_all_folders)
        return next((folder for folder in _list(self.url, found) if folder.get("title") == title), None)

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._ask(f"create the folder {title}", lambda: self._api.folder.create_folder(title, uid))

    def source(self, uid: str) -> dict[str, Any] | None:
        """Return the data source of this uid."""
        return self._find(
            f"read the data source {uid}", lambda: self._api.datasource.get_datasource_by_uid(uid)
        )

    def create_source(self, source: Mapping[str, Any]) -> None:
        """Make a data source."""
        self._ask(
            f"create the data source {source['name']}",
            lambda: self._api.datasource.create_datasource(dict(source)),
        )

    def update_source(self, source: Mapping[str, Any]) -> None:
        """Replace a data source by another of its uid."""
        self._ask(
            f"change the data source {source['name']}",
            lambda: self._api.datasource.update_datasource_by_uid(source["uid"], dict(source)),
        )

    def board(self, uid: str) -> dict[str, Any] | None:
        """Return {dashboard, meta} of the board of this uid."""
        found = self._find(f"read the board {uid}", lambda: self._api.dashboard.get_dashboard(uid))
        if found is not None and not isinstance(found.get("dashboard"), dict):
            raise BadAnswerError(
                f"{self.url}: the answer about the board {uid} holds no board; is this a Grafana?"
            )
        return found

    def write_board(self, board: Mapping[str, Any], folder: str, message: str) -> None:
        """Write a board into the folder of uid `folder`; the board's `version` says which one it replaces."""
        wanted = {"dashboard": dict(board), "folderUid": folder, "message": message, "overwrite": False}
        self._ask(f"write the board {board['uid']}", lambda: self._api.dashboard.update_dashboard(wanted))

    def _find(self, doing: str, call: Callable[[], Any]) -> dict[str, Any] | None:
        try:
            found = self._ask(doing, call)
        except NotFoundError:
            return None
        if not isinstance(found, dict):
            raise BadAnswerError(
                f"{self.url}: could not {doing}: the answer is no JSON object; is this a Grafana?"
            )
        return found

    def _ask(self, doing: str, call: Callable[[], Any]) -> Any:
        try:
            return _within(self._deadline_seconds, call)
        except GrafanaException as error:
            raise refusal(self.url, doing, error.status_code, self._words(error.response)) from None
        except requests.exceptions.SSLError as error:
            words, what = self._words(_reason(error)), "there is no TLS connection"
            advice = "does it speak https there, or is it http?"
            if "CERTIFICATE_VERIFY_FAILED" in words:
                what, advice = (
                    "its certificate is not trusted",
                    "name the certificate authority with --ca-file",
                )
            raise TlsError(f"{self.url}: could not {doing}: {what}: {words}; {advice}") from None
        except (requests.exceptions.Timeout, TimeoutError):
            raise TimedOutError(
                f"{self.url}: could not {doing}: no answer in time; try again later"
            ) from None
        except requests.exceptions.TooManyRedirects:
            raise BadAnswerError(
                f"{self.url}: it answers with a redirect; name the address it leads to"
            ) from None
        except (requests.exceptions.JSONDecodeError, requests.exceptions.InvalidJSONError):
            raise BadAnswerError(
                f"{self.url}: could not {doing}: the answer is not JSON; is this a Grafana?"
            ) from None
        except _TooLargeError as error:
            raise BadAnswerError(f"{self.url}: could not {doing}: {error}; is this a Grafana?") from None
        except requests.exceptions.RequestException as error:
            raise UnreachableError(
                f"{self.url}: could not {doing}: {self._words(_reason(error))}; "
                "is the address right, and does Grafana listen there?"
            ) from None

    def _words(self, response: Any) -> str:
        """Return what Grafana said, in one short line without control characters and without the token."""
        if isinstance(response, dict):
            parts = [str(response[key]) for key in ("message", "status") if response.get(key)]
            response = ", ".join(parts) or json.dumps(response)
        text = " ".join(str(response).replace(self._token, "(token)").split())
        return "".join(letter for letter in text if letter.isprintable())[:300]


class _TooLargeError(requests.RequestException):
    """An answer of more than MOST_BYTES, unpacked."""


class _Bounded(HTTPAdapter):
    """Reads no more of an answer than MOST_BYTES; the request then ends with _TooLargeError."""

    def send(self, *args: Any, **settings: Any) -> requests.Response:
        """Send as HTTPAdapter does; reading the answer is what ends early."""
        response = super().send(*args, **settings)
        response.raw = _Counted(response.raw)
        return response


class _Counted:
    """urllib3's answer, of which so much may be read."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **settings: Any) -> Iterator[bytes]:
        held = 0
        for piece in self._raw.stream(*args, **settings):
            held += len(piece)
            if held > MOST_BYTES:
                self._raw.close()
                raise _TooLargeError(f"an answer of more than {MOST_BYTES >> 20} MB")
            yield piece


def _within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what `call` returns, raise what it raises, and TimeoutError after `seconds`.

    It then goes on by itself, in a thread that ends with the program at the latest.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - not dealt with here: whoever waits gets it
            outcome.set_exception(error)

    threading.Thread(target=run, name="grafana", daemon=True).start()
    return outcome.result(timeout=seconds)


def _checked(url: str) -> Any:
    """Return the parts of the address; raise BadUrlError if the token should not go there."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - asking for it is what checks it
    except ValueError as error:
        raise BadUrlError(f"--url: not an address: {error}; write https://grafana.example") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadUrlError(
            "--url: an address starts with https:// and has a host; write https://grafana.example"
        )
    if parts.username or parts.password:
        raise BadUrlError("--url: no name or password in the address; make a token and use --token-file")
    if parts.query or parts.fragment:
        raise BadUrlError("--url: nothing after ? or # in the address; write https://grafana.example")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise BadUrlError(
            "--url: over plain http the token can be read on the way; use https, or http to this machine only"
        )
    return parts


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == _LOCAL


def _readable(ca_file: Path) -> str:
    """Return the path of a file of certificates; raise BadUrlError if it holds none, which requests says badly."""
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise BadUrlError(f"--ca-file: {ca_file}: {error}; name a PEM file of certificates") from None
    return str(ca_file)


def _reason(error: requests.exceptions.RequestException) -> str:
    """Return what went wrong below, without the names of the classes it went wrong in."""
    inner = error.args[0] if error.args else error
    said = str(getattr(inner, "reason", inner))
    return said.partition("): ")[2] or said


def _list(url: str, found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise BadAnswerError(f"{url}: the answer about folders is no list; is this a Grafana?")
    return [folder for folder in found if isinstance(folder, dict)]
