"""The web API of the perception pipeline in Python: what the one in TypeScript answers, but for the
producer's statistics.

    python api.py [--name <name>] [--port <port>] [--attached]

It ends with Ctrl-C or SIGTERM, and with --attached also when its standard input ends: the program
that has started it is gone then. It needs the packages ringpost and flask.
"""

import argparse
import json
import logging
import os
import re
import signal
import sys
import threading
import time
import uuid

import flask
from werkzeug.serving import make_server

from contract import Detections, Timelines, Tracks
from ringpost import (
    Client,
    DeadlineError,
    FrameReader,
    RemoteError,
    RingpostError,
    as_dict,
)

COMMAND_TIMEOUT = 1.0
#: What a browser calls this machine. A page of another site that has its name lead here calls it
#: by that name.
OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
#: What a status of an acknowledgement is in HTTP.
STATUS = {"ok": 200, "invalid": 400, "failed": 500}


class Source:
    """One frame of the producer: the newest value, or the last good one and how old it is."""

    def __init__(self, name, record, max_age):
        self._reader = FrameReader(name, record)
        self._max_age = max_age

    def look(self):
        """What is served, or None while there is nothing to serve. Waits for nothing."""
        try:
            found = self._reader.read()
        except RingpostError as error:
            # There is something of this name, but nothing that could be read, now or before.
            print(f"api: {error}", flush=True)
            return None
        if found.value is None:
            return None
        is_gone, is_late = found.state == "stale", found.age > self._max_age
        why = "the producer is gone" if is_gone else "the producer is late" if is_late else None
        age = round(found.age * 1e3, 3)
        about = {"stale": why is not None, "why": why, "ageMs": age, "number": found.number}
        return {**about, "frame": as_dict(found.value)}


class Commander:
    """Commands to the producer, which comes and goes."""

    def __init__(self, name):
        self._name = name
        self._client = None

    def client(self):
        """A connection to the producer there is now."""
        if self._client is not None:
            self._client.loop.drive()
            if self._client.is_closed:
                self._client.close()
                self._client = None
        if self._client is None:
            self._client = Client(self._name, connect_timeout=COMMAND_TIMEOUT)
        return self._client

    def is_connected(self):
        try:
            return self.client() is not None
        except RingpostError:
            return False

    def send(self, method, data):
        """The answer of the producer, and its status in HTTP."""
        request_id = str(uuid.uuid4())
        command = {"requestId": request_id, "timestamp": time.time() * 1e3, "data": data}
        options = {"codec": "msgpack", "timeout": COMMAND_TIMEOUT}
        try:
            answer = self.client().request(method, command, **options)
        except RemoteError as error:
            return {"requestId": request_id, "status": "failed", "message": str(error)}, 500
        except DeadlineError:
            return refused("timeout", "the producer has not answered in time"), 504
        except RingpostError:
            return refused("unavailable", "there is no producer"), 503
        return answer, STATUS[answer["status"]]


def refused(error, message):
    return {"error": error, "message": message}


def answered(body, status=200):
    headers = {"cache-control": "no-store"}
    if status == 503:
        headers["retry-after"] = "1"
    content_type = "application/json; charset=utf-8"
    return flask.Response(json.dumps(body), status, headers, content_type=content_type)


def application(name):
    sources = {
        "detections": Source(f"{name}-detections", Detections, 1.0),
        "tracks": Source(f"{name}-tracks", Tracks, 1.0),
        "timelines": Source(f"{name}-timelines", Timelines, 3.0),
    }
    commander = Commander(name)
    app = flask.Flask(__name__)

    @app.before_request
    def check_host():
        if not OWN_HOST.fullmatch(flask.request.host):
            return answered(refused("refused", "this API is for programs of this machine"), 403)

    def serve(which):
        found = sources[which].look()
        if found is None:
            return answered(refused("unavailable", "there is no frame of the producer yet"), 503)
        return answered(found)

    @app.get("/api/perception/detections")
    def detections():
        return serve("detections")

    @app.get("/api/perception/tracks")
    def tracks():
        return serve("tracks")

    @app.get("/api/timeline/predictions")
    def predictions():
        return serve("timelines")

    @app.post("/api/timeline/refresh")
    def refresh():
        # Pages of other sites cannot send this type without being asked whether they may.
        if not flask.request.is_json:
            return answered(refused("refused", "the body must be application/json"), 415)
        data = flask.request.get_json(silent=True)
        if not isinstance(data, dict):
            return answered(refused("refused", "the body must be an object"), 400)
        return answered(*commander.send("REFRESH_TIMELINES", data))

    @app.get("/api/health")
    def health():
        found = {which: source.look() for which, source in sources.items()}
        checks = {which: seen is not None and not seen["stale"] for which, seen in found.items()}
        checks["commands"] = commander.is_connected()
        is_healthy = all(checks.values())
        return answered({"healthy": is_healthy, "checks": checks}, 200 if is_healthy else 503)

    return app


def end_when_detached():
    """Ends this program once nothing holds the other end of its standard input any more."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="perception")
    parser.add_argument("--port", type=int, default=8710)
    parser.add_argument("--attached", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, lambda *_: sys.exit())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if arguments.attached:
        threading.Thread(target=end_when_detached, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # One thread: each reader is used by one at a time.
    server = make_server("127.0.0.1", arguments.port, application(arguments.name))
    print(f"api: listens at http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
