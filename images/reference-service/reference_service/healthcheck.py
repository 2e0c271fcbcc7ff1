"""The image's HEALTHCHECK: asks /health of this container, without loading what the service is made of."""

import http.client
import os
import sys


def main() -> int:
    """0 where the process answers 200 within 2 seconds, else 1."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "3000")), timeout=2)
    try:
        connection.request("GET", "/health")
        return 0 if connection.getresponse().status == 200 else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
