"""Streams a model service's inference log to Driftline, in the background.

`log` only appends to a queue in memory: a request does not wait for the network, nor for the event's JSON. A thread
takes what has come, writes it as lines of JSON and posts it, a batch at a time. The queue is bounded: while Driftline
is away for long, new events are dropped, counted and told in the log; requests are answered all the same.
"""

import json
import logging
import threading
import time
import uuid
from collections import deque

import requests

logger = logging.getLogger("driftline_log")


class DriftlineLog:
    """A sender of prediction events. Call `start` once, `log` from any thread, and `close` at shutdown.

    `url` is Driftline's address; `token` is needed where it has tokens (scope `ingest`). At most `capacity` events wait,
    some 1 KB each. A batch goes when it has `batch_events`, and at the latest after `interval` seconds.
    """

    def __init__(self, url, token=None, capacity=50_000, batch_events=500, interval=0.5, timeout=10.0):
        self.sent = 0
        self.rejected = 0
        self.dropped = 0
        self.retries = 0
        self._url = f"{url.rstrip('/')}/v1/predictions"
        self._capacity = capacity
        self._batch_events = batch_events
        self._interval = interval
        self._timeout = timeout
        self._events = deque()
        self._sending = 0  # Events of the batch that is being sent.
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._give_up_at = 0.0
        self._told_dropped = 0
        self._told_at = 0.0
        self._session = requests.Session()
        self._session.headers["Content-Type"] = "application/x-ndjson"
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._thread = threading.Thread(target=self._run, name="driftline-log", daemon=True)

    def start(self):
        self._thread.start()

    def log(self, event):
        """Takes an event, a dict that nobody changes any more. Never blocks.

        It should have a `prediction_id`, with which its label comes later, and a `timestamp`.
        """
        # Appending to a deque is one step for Python: no lock is needed. That two threads may both see the last free
        # place makes the bound a few events softer, no more.
        if len(self._events) >= self._capacity:
            self.dropped += 1
            return
        self._events.append(event)
        if len(self._events) == self._batch_events:
            self._wake.set()

    def stats(self):
        return {
            "waiting": len(self._events) + self._sending,
            "sent": self.sent,
            "rejected": self.rejected,
            "dropped": self.dropped,
            "retries": self.retries,
        }

    def close(self, timeout=10.0):
        """Sends what waits, for at most `timeout` seconds; what is left is dropped, counted and told."""
        self._give_up_at = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout + self._timeout)
        self.dropped += len(self._events)
        self._events.clear()
        self._tell_drops(at_once=True)
        logger.info("closed: %s", self.stats())

    def _run(self):
        while True:
            if len(self._events) < self._batch_events and not self._closing.is_set():
                self._wake.wait(self._interval)
            self._wake.clear()
            # Asked before the queue is looked at: what came before `close` is in this round or the next.
            closing = self._closing.is_set()
            self._sending = min(len(self._events), self._batch_events)
            if self._sending:
                self._send([self._events.popleft() for _ in range(self._sending)])
            self._sending = 0
            self._tell_drops()
            if closing and not self._events:
                return

    def _send(self, batch):
        lines = []
        for event in batch:
            try:
                lines.append(json.dumps(event, separators=(",", ":")))
            except (TypeError, ValueError):  # One event must not take the others with it.
                self.rejected += 1
                logger.exception("an event cannot be written as JSON")
        if not lines:
            return
        body = "\n".join(lines).encode()
        # Driftline knows a request by this key for a day: sent again after an answer that was lost, it counts once.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        delay = 0.5
        while True:
            try:
                answer = self._session.post(self._url, data=body, headers=headers, timeout=self._timeout)
                # 408, 429, 503 and 507 pass: Driftline is busy, starts, or has no disk left.
                if answer.status_code < 500 and answer.status_code not in (408, 429):
                    self._count(len(lines), answer)
                    return
                reason = f"status {answer.status_code}"
                wait = answer.headers.get("Retry-After", "")
            except requests.RequestException as error:
                reason, wait = type(error).__name__, ""
            delay = min(float(wait) if wait.isdigit() else delay * 2, 30.0)
            if self._closing.is_set():
                delay = 0.5
                if time.monotonic() + delay > self._give_up_at:
                    self.dropped += len(lines)
                    logger.error("%d events given up: %s", len(lines), reason)
                    return
            self.retries += 1
            logger.warning("%d events wait for Driftline (%s), next try in %.1f s", len(lines), reason, delay)
            self._tell_drops()
            if self._closing.is_set():
                time.sleep(delay)
            else:
                self._closing.wait(delay)

    def _count(self, lines, answer):
        """Counts what Driftline took of a batch, and tells what it did not."""
        try:
            result = answer.json()
        except ValueError:
            result = {}
        refused = 0 if answer.status_code == 200 else lines
        refused = result.get("rejected_total", refused)
        self.rejected += refused
        self.sent += lines - refused
        if refused:
            logger.error("%d of %d events refused (%d): %s", refused, lines, answer.status_code, answer.text[:300])

    def _tell_drops(self, at_once=False):
        """A line at most every ten seconds, however many are dropped."""
        if self.dropped > self._told_dropped and (at_once or time.monotonic() - self._told_at > 10.0):
            logger.error("%d events dropped so far", self.dropped)
            self._told_dropped, self._told_at = self.dropped, time.monotonic()
