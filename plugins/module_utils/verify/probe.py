"""Runs inside of a probe pod: tries doors, asks stores, starts a round trip, prints what it saw as one line of JSON.

Needs nothing but Python's own library (3.10 or newer), so that nearly any image with Python can run it. What to do
comes in the environment variable PROBE as JSON:

doors      [{id, host, port, open}]  TCP connections; ``open`` is what is expected; port 0 resolves the name
stores     [postgres | nats | qdrant]  asked with the credentials in /run/secrets/platform
roundtrip  base URL of the gateway; left out for none
listen     port to accept connections on until the pod ends; left out for none

A door is tried until it is as expected or PATIENCE is over: rules for a pod that has just started may be on their way
to the other nodes. One that must be closed is tried twice, after SETTLE: not called closed before it can be judged.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CONNECT = 2.0
SETTLE = 2.0
PATIENCE = 40.0
EXCHANGE = 5.0
ROUND_TRIP = 20.0
CREDENTIALS = Path("/run/secrets/platform")


class Unexpected(Exception):
    """Somebody answered, but not what was asked for."""


# --- doors ------------------------------------------------------------------------------------------------------------


def connects(host: str, port: int) -> str:
    """'' where a connection is taken, else why not. Port 0 asks for the name alone."""
    try:
        if port == 0:
            socket.getaddrinfo(host, None)
            return ""
        with socket.create_connection((host, port), timeout=CONNECT):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def try_door(door: dict[str, Any]) -> dict[str, Any]:
    begin, closed, why = time.monotonic(), 0, ""
    if not door["open"]:
        time.sleep(SETTLE)
    while True:
        why = connects(door["host"], door["port"])
        closed = closed + 1 if why else 0
        if (not why and door["open"]) or (not door["open"] and closed >= 2):
            break
        if time.monotonic() - begin > PATIENCE:
            break
        time.sleep(0.3)
    return {"id": door["id"], "open": not why, "why": why, "seconds": round(time.monotonic() - begin, 2)}


# --- stores -----------------------------------------------------------------------------------------------------------


def credential(key: str) -> str:
    return (CREDENTIALS / key).read_text()


class Stream:
    """Exact reads from a socket."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=EXCHANGE)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def exactly(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) != count:
            raise Unexpected("the connection was closed")
        return data

    def line(self) -> str:
        data = self.file.readline()
        if not data:
            raise Unexpected("the connection was closed")
        return data.decode().strip()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def part_of(login: str) -> str:
    """The part that a login belongs to: each has two, which take turns when its password is rotated."""
    return login.removesuffix("_b")


def postgres() -> str:
    """Log in by SCRAM-SHA-256 and ask. https://www.postgresql.org/docs/17/protocol-message-formats.html"""
    user, password = credential("POSTGRES_USER"), credential("POSTGRES_PASSWORD")
    stream = Stream(os.environ["POSTGRES_HOST"], int(os.environ["POSTGRES_PORT"]))
    try:
        pairs = ("user", user, "database", os.environ["POSTGRES_DB"], "")
        body = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in pairs)
        stream.send(struct.pack("!i", len(body) + 4) + body)
        postgres_login(stream, password)
        query = b"SELECT current_user || ' in schema ' || coalesce(current_schema(), 'none')\0"
        stream.send(b"Q" + struct.pack("!i", len(query) + 4) + query)
        answer = ""
        while True:
            kind, body = postgres_message(stream)
            if kind == b"D":
                answer = body[6:].decode()
            if kind == b"Z":
                break
        part = part_of(user)
        if answer != f"{part} in schema {part}":
            raise Unexpected(f"SELECT answered {answer!r}")
        return "SQL as " + answer
    finally:
        stream.close()


def postgres_message(stream: Stream) -> tuple[bytes, bytes]:
    kind, length = stream.exactly(1), struct.unpack("!i", stream.exactly(4))[0]
    body = stream.exactly(length - 4)
    if kind == b"E":
        fields = {field[:1]: field[1:].decode() for field in body.split(b"\0") if field}
        raise Unexpected("{} ({})".format(fields.get(b"M"), fields.get(b"C")))
    return kind, body


def postgres_login(stream: Stream, password: str) -> None:
    """RFC 5802 and RFC 7677, without channel binding."""
    nonce = secrets.token_urlsafe(18)
    first = "n=,r=" + nonce
    keys: dict[str, str] = {}
    while True:
        kind, body = postgres_message(stream)
        if kind == b"Z":
            return
        if kind != b"R":
            continue
        method, data = struct.unpack("!i", body[:4])[0], body[4:]
        if method == 10:
            sasl = b"SCRAM-SHA-256\0" + struct.pack("!i", len(first) + 3) + b"n,," + first.encode()
        elif method == 11:
            keys = dict(part.split("=", 1) for part in data.decode().split(","))
            if not keys["r"].startswith(nonce):
                raise Unexpected("the server's nonce is not ours")
            salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(keys["s"]), int(keys["i"]))
            final = "c=biws,r=" + keys["r"]
            signed = ",".join((first, data.decode(), final)).encode()
            client = hmac.digest(salted, b"Client Key", "sha256")
            proof = bytes(
                a ^ b
                for a, b in zip(client, hmac.digest(hashlib.sha256(client).digest(), signed, "sha256"), strict=False)
            )
            keys["v"] = base64.b64encode(
                hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
            ).decode()
            sasl = (final + ",p=" + base64.b64encode(proof).decode()).encode()
        elif method == 12:
            if data.decode() != "v=" + keys["v"]:
                raise Unexpected("the server does not know the password itself")
            continue
        elif method == 0:
            continue
        else:
            raise Unexpected(f"the server asks for another login than SCRAM-SHA-256 ({method})")
        stream.send(b"p" + struct.pack("!i", len(sasl) + 4) + sasl)


def nats() -> str:
    """JetStream answers the part's own user, and nobody without one. https://docs.nats.io/reference/reference-protocols/nats-protocol"""
    if "Authorization" not in nats_exchange({}, ""):
        raise Unexpected("a client without a user is let in")
    user = {"user": credential("NATS_USER"), "pass": credential("NATS_PASSWORD")}
    answer = json.loads(nats_exchange(user, "_INBOX.{}.{}".format(part_of(user["user"]), secrets.token_hex(8))))
    if "error" in answer:
        raise Unexpected("JetStream: {}".format(answer["error"].get("description")))
    return "JetStream holds {} streams, refuses who gives no user".format(answer["streams"])


def nats_exchange(user: dict[str, str], inbox: str) -> str:
    """What $JS.API.INFO answers; the server's error where it comes first."""
    host, _, port = os.environ["NATS_URL"].rpartition("//")[2].rpartition(":")
    stream = Stream(host, int(port))
    try:
        options = dict(user, verbose=False, pedantic=False, lang="python", version="1", protocol=1)
        stream.send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        if inbox:
            stream.send((f"SUB {inbox} 1\r\nPUB $JS.API.INFO {inbox} 0\r\n\r\n").encode())
        while True:
            line = stream.line()
            if line.startswith("-ERR"):
                if user:
                    raise Unexpected(line)
                return line
            if line == "PONG" and not inbox:
                return line
            if line == "PING":
                stream.send(b"PONG\r\n")
            if line.startswith("MSG "):
                return stream.exactly(int(line.split()[-1])).decode()
    finally:
        stream.close()


def qdrant() -> str:
    """Answers under the part's key, and refuses without one."""
    status, _ = http("GET", os.environ["QDRANT_URL"] + "/collections", {})
    if status not in (401, 403):
        raise Unexpected(f"a request without a key is answered with HTTP {status}")
    status, body = http("GET", os.environ["QDRANT_URL"] + "/collections", {"api-key": credential("QDRANT_API_KEY")})
    if status != 200:
        raise Unexpected(f"a request with the key is answered with HTTP {status}")
    return "holds {} collections, refuses without a key".format(len(json.loads(body)["result"]["collections"]))


def ask_store(name: str) -> dict[str, Any]:
    begin = time.monotonic()
    while True:
        try:
            why, detail = "", {"postgres": postgres, "nats": nats, "qdrant": qdrant}[name]()
        except (OSError, ValueError, KeyError, Unexpected) as error:
            why, detail = f"{type(error).__name__}: {error}", ""
        if not why or time.monotonic() - begin > PATIENCE:
            return {"store": name, "why": why, "detail": detail, "seconds": round(time.monotonic() - begin, 2)}
        time.sleep(0.5)


# --- round trip -------------------------------------------------------------------------------------------------------


def http(
    method: str, url: str, headers: dict[str, str], body: bytes | None = None, timeout: float = EXCHANGE
) -> tuple[int, bytes]:
    """(status, body), whatever the status."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - URLs are the catalogue's
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def roundtrip(url: str) -> dict[str, Any]:
    """POST /run until one succeeds, and DELETE until the traces of each are gone, or PATIENCE is over.

    Only where the reference service answers: another image's /run may do anything.
    """
    begin, tries = time.monotonic(), 0
    made: list[str] = []
    why, detail = "not tried", ""
    while True:
        try:
            if why:  # a success is not done again for the sake of its traces
                tries += 1
                status, body = http("GET", url + "/version", {})
                if status != 200 or not plays_a_part(body):
                    return {"skipped": "the gateway's image is not the reference service"}
                why, detail = run(url, made)
        except (OSError, ValueError) as error:
            why, detail = str(error), ""
        left = remove(url, made)
        seconds = time.monotonic() - begin
        if not (why or left) or seconds > PATIENCE:
            detail += f", try {tries}" if tries > 1 else ""
            return {"why": "; ".join(filter(None, (why, left))), "detail": detail, "seconds": round(seconds, 2)}
        time.sleep(1)


def run(url: str, made: list[str]) -> tuple[str, str]:
    """One round trip: what failed, and what it went through. Its id is in ``made`` before it begins."""
    made.append(str(uuid.uuid4()))
    order = json.dumps({"run_id": made[-1]}).encode()
    status, body = http("POST", url + "/run", {"content-type": "application/json"}, order, ROUND_TRIP)
    answer = json.loads(body)
    made[-1] = answer.get("run_id") or made[-1]  # a gateway may choose its own
    if status != 200:
        return f"HTTP {status}: {'; '.join(map(str, answer.get('errors') or [answer.get('error')]))}", ""
    hops, parts = len(answer["hops"]), ", ".join(answer["parts"])
    return "", f"{hops} hops through {parts} in {answer['duration_ms']:.0f} ms"


def remove(url: str, made: list[str]) -> str:
    """Remove the traces of the runs in ``made``, and from it those that left none; why others stay."""
    while made:
        try:
            status, body = http("DELETE", url + "/run/" + made[0], {})
            why = "; ".join(json.loads(body)["errors"]) if status == 200 else f"HTTP {status}"
        except (OSError, ValueError, KeyError) as error:
            why = str(error)
        if why:
            return f"the traces of run {', '.join(made)} could not be removed: {why}"
        del made[0]
    return ""


def plays_a_part(body: bytes) -> bool:
    """Whether this is what the reference service answers at /version."""
    try:
        return set(json.loads(body)) == {"part", "version", "pod"}
    except (TypeError, ValueError):
        return False


# --- the pod ----------------------------------------------------------------------------------------------------------


def listen(port: int) -> None:
    server = socket.create_server(("", port), backlog=64)
    while True:
        server.accept()[0].close()


def main() -> None:
    order = json.loads(os.environ["PROBE"])
    if "listen" in order:
        threading.Thread(target=listen, args=(order["listen"],), daemon=True).start()
    with ThreadPoolExecutor(64) as pool:
        doors = pool.map(try_door, order.get("doors", ()))
        stores = pool.map(ask_store, order.get("stores", ()))
        seen: dict[str, Any] = {"doors": list(doors), "stores": list(stores), "roundtrip": None}
    if "roundtrip" in order:
        seen["roundtrip"] = roundtrip(order["roundtrip"])
    print(json.dumps(seen), flush=True)
    if "listen" in order:
        time.sleep(3600)  # until the pod is deleted, or its Job's deadline


if __name__ == "__main__":
    main()
