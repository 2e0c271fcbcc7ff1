"""Reports in files, as CI keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..engine.errors import EngineError


def write(path: str, content: str | dict[str, Any]) -> None:
    """Write text, or data as JSON. Raises EngineError naming the file."""
    text = content if isinstance(content, str) else json.dumps(content, indent=2, sort_keys=True) + "\n"
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    except OSError as error:
        raise EngineError(
            f"{path} cannot be written: {error.strerror}.", "Name a file in a folder of yours."
        ) from error
