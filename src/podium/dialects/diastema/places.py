"""Where services are: at the addresses of the settings, or started here from an image when they are first needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from podium.errors import DocumentRefused

Which = Literal["services", "functions", "automl", "analytics"]

IMAGES: Mapping[Which, str] = {
    "services": "diastema/services",
    "functions": "diastema/functions",
    "automl": "diastema/automl",
    "analytics": "diastema/analytics",
}
_OFTEN_ONE = ("functions", "automl")  # with the services, where nothing is said of them


class Places:
    """
    Args:
        given: addresses by what is there.
        run: starts a service of an image, unless it runs already, and gives its address.
        check_image: refuses an image that is known to have nothing behind it; None: nothing can be started here.
    """

    def __init__(
        self,
        given: Mapping[Which, str],
        run: Callable[[str], Awaitable[str]],
        check_image: Callable[[str], None] | None,
    ) -> None:
        self._given = {which: url.rstrip("/") for which, url in given.items()}
        self._run = run
        self._check_image = check_image

    def check(self, which: Which) -> None:
        """Raises: DocumentRefused, when it is known already that there is no such service."""
        self._found(which)

    async def url(self, which: Which) -> str:
        """Raises: DocumentRefused, Unavailable."""
        found = self._found(which)
        return (await self._run(found)).rstrip("/") if found in IMAGES.values() else found

    def _found(self, which: Which) -> str:
        """An address or an image."""
        if which in self._given:
            return self._given[which]
        try:
            return self._image(which)
        except DocumentRefused:
            if which not in _OFTEN_ONE:
                raise
            return self._found("services")

    def _image(self, which: Which) -> str:
        hint = f"Set PODIUM_DIASTEMA_{which.upper()}, or name the image {IMAGES[which]} in the models file"
        if self._check_image is None:
            raise DocumentRefused(f"nobody knows where the {which} are", hint=hint)
        try:
            self._check_image(IMAGES[which])
        except DocumentRefused as refused:
            raise DocumentRefused(refused.problem, hint=hint) from None
        return IMAGES[which]
