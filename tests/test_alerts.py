from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ml_utils.errors import DataError
from ml_utils.monitoring.alerts import Alert, alerts_to_frame
from ml_utils.monitoring.channels import AlertFile, AlertLogger, Webhook, deliver


def alert(subject="drift: income", period="2024-05", severity="warning"):
    return Alert(severity, "income moved", subject, period, 0.3, 0.02, "Look.", "world")


@pytest.fixture
def received():
    """A webhook on this machine: what it received, its address."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield bodies, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_same_alert_is_written_once(tmp_path):
    file = AlertFile(tmp_path / "alerts.jsonl")
    assert deliver([alert(), alert()], file) == 1
    assert deliver([alert(), alert("drift: visits")], file) == 1
    assert deliver([alert(period="2024-07")], file) == 1
    assert [item["period"] for item in file.read()] == ["2024-05", "2024-05", "2024-07"]
    assert all(json.loads(line) for line in file.path.read_text(encoding="utf-8").splitlines())


def test_only_new_alerts_go_to_the_other_channels(tmp_path, received):
    bodies, url = received
    file = AlertFile(tmp_path / "alerts.jsonl")
    for _ in range(2):
        deliver([alert()], file, [Webhook(url)])
    assert len(bodies) == 1
    assert bodies[0]["alerts"][0]["what"] == "income moved"


@pytest.mark.parametrize("path", ["unreachable", "broken", "no url"])
def test_a_webhook_that_fails_loses_no_alert_and_tells_no_secret(tmp_path, received, caplog, path):
    _, url = received
    where = {
        "unreachable": "http://127.0.0.1:9/secret-token",
        "broken": f"{url}/broken",
        "no url": "http://[",
    }
    file = AlertFile(tmp_path / "alerts.jsonl")
    with caplog.at_level(logging.ERROR):
        assert deliver([alert()], file, [Webhook(where[path], timeout=1)]) == 1
    assert len(file.read()) == 1
    assert "1 alert not delivered" in caplog.text
    assert "secret-token" not in caplog.text


def test_log_levels_follow_severity(caplog):
    with caplog.at_level(logging.INFO):
        AlertLogger().send([alert(severity="critical"), alert(severity="info")])
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_a_broken_line_is_told(tmp_path):
    path = tmp_path / "alerts.jsonl"
    path.write_text("{broken\n", encoding="utf-8")
    with pytest.raises(DataError, match="not JSON"):
        deliver([alert()], AlertFile(path))
    assert path.read_text(encoding="utf-8") == "{broken\n"


def test_no_alerts_make_an_empty_table_and_no_file(tmp_path):
    assert alerts_to_frame([]).empty
    assert deliver([], AlertFile(tmp_path / "alerts.jsonl")) == 0
    assert not (tmp_path / "alerts.jsonl").exists()
