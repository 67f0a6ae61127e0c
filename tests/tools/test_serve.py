"""tools/serve.py: where the page is, and what it says instead of one."""

import importlib.util
import json
import socket
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "serve.py"
_SPEC = importlib.util.spec_from_file_location("serve_tool", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def detector(monkeypatch):
    """Instead of an exported file: only its facts are asked for."""
    opened = []
    facts = {"thresholds": [0.5], "classes": ["Table"]}
    monkeypatch.setattr(
        tool, "Detector", lambda *words: opened.append(words) or SimpleNamespace(facts=facts, classes=("Table",))
    )
    return opened


def test_the_address_is_told_until_ctrl_c(detector, monkeypatch, capsys):
    def interrupted(server):
        with socket.create_connection(server.server_address, timeout=30):
            raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupted)
    assert tool.main(["a.onnx", "--port", "0", "--threads", "2"]) == 0
    out = capsys.readouterr().out
    port = int(out.removeprefix("http://127.0.0.1:").partition(" ")[0])
    assert detector == [(Path("a.onnx"), 2)]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30)


def test_a_port_that_is_taken_or_none(detector, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert tool.main(["a.onnx", "--port", str(taken.getsockname()[1])]) == 2
        assert "error: " in capsys.readouterr().err
    assert tool.main(["a.onnx", "--port", "65536"]) == 2
    assert "--port is between 0 and 65535, got 65536" in capsys.readouterr().err


def test_metadata_changed_by_hand(tmp_path, monkeypatch, capsys):
    facts = {"thresholds": [0.5], "classes": ["Table"], "min_size": "32", "max_size": 60}
    monkeypatch.setitem(tool.Detector.openers, ".onnx", lambda *_: (None, json.dumps(facts)))
    (tmp_path / "a.onnx").touch()
    assert tool.main([str(tmp_path / "a.onnx")]) == 2
    assert (
        "a.onnx: its metadata 'dense_det' was changed: ValueError: expected whole min_size" in capsys.readouterr().err
    )


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert tool.main([str(tmp_path / "gone.onnx")]) == 2
    assert "gone.onnx" in capsys.readouterr().err
