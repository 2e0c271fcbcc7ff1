"""What may be sent again, and when.

Every write of this engine is idempotent (server-side apply, deletes with preconditions), so unlike a client that
cannot know, it sends a request again whenever the failure may pass by itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from .errors import ApiError

# Failures that pass get this long, counted over the whole run from the first of them without a success in between.
PATIENCE_SECONDS = 60.0
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
TRANSIENT = frozenset({429, 500, 502, 503, 504})
# A server-side apply of a field that the schema does not have, or of another type, is answered with 500 all the same.
_SCHEMA = "failed to create typed patch object"


def passes_by_itself(error: ApiError, method: str, *, versioned: bool = False, dry_run: bool = False) -> bool:
    """Whether the same request may succeed later, though nobody changes anything.

    409: a quota's usage moved under parallel creates, or the object changed while the server merged; but a field
    conflict stays, and so does the change of an object whose resourceVersion the request names (``versioned``).
    500 includes webhooks that cannot be reached yet and a change of the etcd leader.
    """
    if error.status == 500 and _SCHEMA in error.server_message:
        return False
    if error.status in TRANSIENT:
        return True
    if error.status == 409:
        if any(cause.get("reason") == "FieldManagerConflict" for cause in error.causes):
            return False
        return error.details.get("kind") == "resourcequotas" or (
            not versioned
            and (
                "please apply your changes to the latest version" in error.server_message
                or "the object has been modified" in error.server_message
            )
        )
    # A write into a namespace made a moment ago: it may not have reached the admission cache of every server. A dry run
    # makes none.
    return method != "GET" and not dry_run and lacks_namespace(error)


def lacks_namespace(error: ApiError) -> bool:
    """Whether a write was refused because there is no such namespace."""
    return error.status == 404 and error.details.get("kind") == "namespaces"


def delays(patience: float = PATIENCE_SECONDS) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling with jitter, until ``patience`` is used up."""
    deadline = time.monotonic() + patience
    delay = FIRST_DELAY
    while (left := deadline - time.monotonic()) > 0:
        yield min(left, delay * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, protects nothing
        delay = min(LONGEST_DELAY, delay * 2)
