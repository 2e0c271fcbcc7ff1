"""Starts the lab's stand-in for Qdrant with what the platform's configuration files say."""

import os
import re
import sys
from pathlib import Path

FOLDER = Path("/qdrant/config")
SETTINGS = {
    "production.yaml": {
        "storage_path": "QDRANT__STORAGE__STORAGE_PATH",
        "snapshots_path": "QDRANT__STORAGE__SNAPSHOTS_PATH",
        "http_port": "QDRANT__SERVICE__HTTP_PORT",
    },
    "local.yaml": {"api_key": "QDRANT__SERVICE__API_KEY"},
}

for name, keys in SETTINGS.items():
    text = (FOLDER / name).read_text()
    for key, variable in keys.items():
        if match := re.search(rf"^\s*{key}:\s*\"?([^\"\n]+)\"?\s*$", text, re.MULTILINE):
            os.environ[variable] = match[1]
os.execv(sys.executable, [sys.executable, "/qdrant.py"])  # noqa: S606 - the server takes over this process
