"""Programs that judge the manifests, in pinned versions: kube-score, checkov, nats-server."""

import hashlib
import sys
from pathlib import Path

from tools.cluster.paths import cache_home

HERE = Path(__file__).parent
PACKAGES = {
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score",
    "nats-server": "github.com/nats-io/nats-server/v2",
}


def programs() -> dict[str, Path]:
    """Where each program is, or will be: environment variable of the tests -> path."""
    built, installed = folder("go.mod", "go.sum"), folder("requirements.txt")
    return {
        **{name.upper().replace("-", "_"): built / name for name in PACKAGES},
        "CHECKOV": installed / "bin" / "checkov",
    }


def folder(*files: str) -> Path:
    """The place in the cache of what these files pin."""
    content = b"\0".join((HERE / file).read_bytes() for file in files)
    key = hashlib.sha256(content + f"{sys.version_info[:2]}".encode()).hexdigest()[:16]
    return cache_home() / "gates" / key
