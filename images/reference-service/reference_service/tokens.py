"""Guest sessions: short-lived JWTs that the gateway signs and checks, through a change of the secret too.

They show that the secret is there and rotates without an outage; they are no access control, anyone is given one.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import jwt

from .credentials import Credentials

ALGORITHM = "HS256"
AUDIENCE = "platform"
LIFETIME = 900  # seconds


class TokenError(ValueError):
    """A bearer token that is missing or not accepted; the message says why and shows nothing of it."""


class Tokens:
    """Signs with JWT_SECRET; accepts JWT_SECRET_PREVIOUS too, where the part is given one."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def issue(self) -> dict[str, Any]:
        """A new session. Raises CredentialError where there is no secret."""
        now = int(time.time())
        claims = {"sub": f"guest-{uuid.uuid4()}", "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
        token = jwt.encode(claims, self._credentials.require("JWT_SECRET"), ALGORITHM)
        return {"token": token, "token_type": "Bearer", "expires_in": LIFETIME}

    def check(self, authorization: str) -> str:
        """The subject of the token in an Authorization header. Raises TokenError."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenError("a bearer token is needed: POST /session gives one")
        reason = "it is signed with no secret known here"
        for key in ("JWT_SECRET", "JWT_SECRET_PREVIOUS"):
            secret = self._credentials.get(key)
            if not secret:
                continue
            try:
                claims = jwt.decode(
                    token.strip(),
                    secret,
                    [ALGORITHM],
                    audience=AUDIENCE,
                    options={"require": ["exp", "iat", "sub", "aud"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                reason = str(error)
                break
            return str(claims["sub"])
        raise TokenError(f"the bearer token is not accepted: {reason}")
