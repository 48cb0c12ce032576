"""Who is asking: a token bought with the password, a browser's session, or the socket file only its owner opens."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256

import jwt
import structlog
from fastapi import Request
from pydantic import SecretStr

from podium.attempts import Attempts
from podium.errors import NotAllowed, SettingsError
from podium.server.doorway import TRUSTED, caller

log = structlog.get_logger()

USER = "DotsUser"
ALGORITHM = "HS256"
TOKEN_SECONDS = 30 * 60
SESSION_SECONDS = 12 * 3600
SHORTEST_KEY = 32
LOCAL_USER = "local"


class Auth:
    """Lets known callers in.

    Args:
        password: of the one user there is; may be an argon2 hash of it.
        key: signs the tokens.
    """

    def __init__(self, password: SecretStr, key: SecretStr, *, clock: Callable[[], float] = time.time) -> None:
        if len(key.get_secret_value().encode()) < SHORTEST_KEY:
            hint = "Make one with: openssl rand -hex 32"
            raise SettingsError(f"the key that signs tokens is shorter than {SHORTEST_KEY} bytes", hint=hint)
        self._password = password
        self._key = key
        self._clock = clock
        self._attempts = Attempts()
        self._one_time: deque[bytes] = deque(maxlen=64)
        # Browsers send a cookie to all ports of a host: two Podiums on one machine need two names.
        self.cookie = f"podium-{sha256(key.get_secret_value().encode()).hexdigest()[:8]}"

    async def login(self, username: str, password: str) -> str:
        """A token for half an hour. Raises: NotAllowed, TooManyAttempts."""
        self._attempts.check(caller.get())
        known = hmac.compare_digest(username.encode(), USER.encode())
        if not (await self._matches(password) and known):
            self._attempts.wrong(caller.get())
            log.warning("auth.wrong_password", caller=caller.get())
            raise NotAllowed("wrong user name or password", hint=f"The user is {USER}")
        return self._signed("token", TOKEN_SECONDS)

    def one_time(self) -> str:
        """A word that `redeem` takes once, for the address that is shown on the terminal."""
        word = secrets.token_urlsafe(24)
        self._one_time.append(sha256(word.encode()).digest())
        return word

    def redeem(self, word: str) -> str:
        """A browser's session for a one-time word. Raises: NotAllowed, TooManyAttempts."""
        self._attempts.check(caller.get())
        digest = sha256(word.encode()).digest()
        if digest not in self._one_time:
            self._attempts.wrong(caller.get())
            raise NotAllowed("this link was used already or is none of ours", hint="`podium status` prints a new one")
        self._one_time.remove(digest)
        return self.session()

    def session(self) -> str:
        """What a browser's cookie holds."""
        return self._signed("session", SESSION_SECONDS)

    async def guard(self, request: Request) -> str:
        """The dependency of all guarded routes: the caller's name. Raises: NotAllowed."""
        return self.known(request)

    def known(self, request: Request) -> str:
        """The caller's name. Raises: NotAllowed."""
        if TRUSTED in request.scope:
            return LOCAL_USER
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._verified(token.strip(), "token")
        if cookie := request.cookies.get(self.cookie):
            return self._verified(cookie, "session")
        raise NotAllowed("this needs a token", hint="POST /api/v1/simulation/token with user name and password")

    async def _matches(self, password: str) -> bool:
        kept = self._password.get_secret_value()
        if kept.startswith("$argon2"):
            from pwdlib import PasswordHash

            return await asyncio.to_thread(PasswordHash.recommended().verify, password, kept)
        return hmac.compare_digest(password.encode(), kept.encode())

    def _signed(self, use: str, seconds: float) -> str:
        now = self._clock()
        claims = {"sub": USER, "use": use, "iat": int(now), "exp": int(now + seconds)}
        return jwt.encode(claims, self._key.get_secret_value(), ALGORITHM)

    def _verified(self, token: str, use: str) -> str:
        try:
            claims = jwt.decode(
                token,
                self._key.get_secret_value(),
                [ALGORITHM],
                options={"require": ["exp", "sub", "use"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            raise NotAllowed("the token is not valid", hint="Ask for a new one") from None
        if claims["use"] != use:
            raise NotAllowed("the token is not valid", hint="Ask for a new one")
        if claims["exp"] <= self._clock():
            raise NotAllowed("the token has expired", hint="Ask for a new one")
        return str(claims["sub"])
