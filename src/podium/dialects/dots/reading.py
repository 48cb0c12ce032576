"""From the bytes of a document to the run it asks for. Plain functions that take their time: called in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from podium.dialects.documents import LARGEST, parsed
from podium.dialects.dots.dealing import Hand, Share, deal
from podium.dialects.dots.document import Body, CalculationService, decode_base64, encode_base64, padded
from podium.dialects.dots.esdl import Unreadable, take_stock
from podium.dialects.dots.names import longest_model_id, model_id, simulation_id
from podium.engines.simulation.document import SimulationDocument
from podium.errors import DocumentRefused, Fault
from podium.faults import misspelt, place, refuse, worded
from podium.runs.events import Submission

KIND = "dots.simulation"
MOST_VALUES = 20_000  # the ESDL is one, whatever its size
PRIVATE = "additional_env_variable"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads documents.

    Args:
        simulator: our name on the wire, part of every pod's name.
        check_image: refuses an image that is known to have nothing behind it here; None where that cannot be known.
        settle: the pause for models of version 1, in seconds, where the document does not say.
        ready_timeout, end_timeout: in seconds, where the document does not say.
        quiet: how long to listen after a loss before anything is sent again, in seconds.
        max_models: how many models one simulation may have.
    """

    simulator: str
    check_image: Callable[[str], None] | None = None
    settle: float = 0.02
    ready_timeout: float = 300.0
    end_timeout: float = 30.0
    quiet: float = 5.0
    max_models: int = 5000

    def read(self, content: bytes, filename: str = "") -> Submission:
        """The run that `content` asks for. Raises: DocumentRefused, with every fault."""
        given = parsed(content, most_values=MOST_VALUES)
        embed(given, filename)
        refuse(_misspelt(given))
        if isinstance(packed := given.get("esdl_base64string"), str):
            given["esdl_base64string"] = padded(packed)  # so that a model finds its padding
        body, faults = _validated(given)
        services = _services(given)
        faults += self._service_faults(services)
        hands, more = self._dealt(given.get("esdl_base64string"), services)
        refuse([*faults, *more])
        assert body is not None  # else there was a fault  # noqa: S101
        return self._submission(body, hands)

    def _dealt(self, packed: object, services: Mapping[int, CalculationService]) -> tuple[list[Hand], list[Fault]]:
        if not isinstance(packed, str):
            return [], []  # said already
        shares = [
            Share(f"calculation_services[{index}]", one.calc_service_name, one.esdl_type, one.nr_of_models)
            for index, one in services.items()
        ]
        try:
            stock = take_stock(decode_base64(packed), {share.kind for share in shares})
        except ValueError as error:
            return [], [Fault("esdl_base64string", str(error), "Encode the ESDL file with base64")]
        except Unreadable as error:
            return [], [error.fault]
        hands, faults = deal(stock, shares)
        if len(hands) > self.max_models:
            faults.append(
                Fault(
                    "calculation_services",
                    f"these are {len(hands)} models, more than {self.max_models}",
                    "Ask for fewer with nr_of_models; 0 makes one for each object",
                )
            )
        return hands, faults + self._length_faults(hands, list(services))

    def _length_faults(self, hands: list[Hand], places: list[int]) -> list[Fault]:
        longest = longest_model_id(self.simulator)
        too_long = {places[hand.service]: hand.model for hand in hands if len(hand.model) > longest}
        return [
            Fault(
                f"calculation_services[{place}].calc_service_name",
                f"the model id {model!r} is too long for a pod's name",
                f"Use a name that makes model ids of at most {longest} characters",
            )
            for place, model in too_long.items()
        ]

    def _service_faults(self, services: Mapping[int, CalculationService]) -> list[Fault]:
        faults = []
        names: dict[str, int] = {}
        kinds: dict[str, int] = {}
        for index, service in services.items():
            where = f"calculation_services[{index}]"
            first = names.setdefault(model_id(service.calc_service_name, 0).lower(), index)
            if first != index:
                problem = f"{service.calc_service_name!r} makes the same model ids as calculation_services[{first}]"
                faults.append(Fault(f"{where}.calc_service_name", problem, "Name each service once"))
            first = kinds.setdefault(service.esdl_type, index)
            if first != index:
                problem = f"calculation_services[{first}] calculates {service.esdl_type} already"
                faults.append(Fault(f"{where}.esdl_type", problem, "Each ESDL type has one service"))
            if self.check_image is not None:
                try:
                    self.check_image(service.service_image_url)
                except DocumentRefused as error:
                    faults.append(Fault(f"{where}.service_image_url", error.problem, error.hint))
        return faults

    def _submission(self, body: Body, hands: list[Hand]) -> Submission:
        simulation = SimulationDocument(
            start=body.start,
            step_seconds=body.step_seconds,
            steps=body.steps,
            models=tuple(hand.model for hand in hands),
            on_model_failure=body.on_model_failure,
            ready_timeout=body.ready_timeout_seconds or self.ready_timeout,
            step_timeout=body.max_step_calc_time_minutes * 60,
            end_timeout=body.end_timeout_seconds or self.end_timeout,
            settle=self.settle if body.settle_ms is None else body.settle_ms / 1000,
            quiet=self.quiet,
        )
        posted = body.model_dump(mode="json", exclude_none=True)
        posted["calculation_services"] = [_as_posted(service) for service in body.calculation_services]
        models = {hand.model: {"service": hand.service, "esdl_ids": list(hand.esdl_ids)} for hand in hands}
        id_ = simulation_id(body.name, self.simulator, max(map(len, models)))
        return Submission(
            id=id_,
            secrets=_put_away(posted["calculation_services"], body.calculation_services, id_),
            kind=KIND,
            name=body.name,
            document={"simulation": simulation.model_dump(mode="json"), "dots": {"body": posted, "models": models}},
        )


def recognises(content: bytes) -> bool:
    """Whether this looks like a body for `/start`, or one that names its ESDL file."""
    return any(key in content for key in (b"calculation_services", b"esdl_base64string", b"esdl_file"))


def embed(given: dict[str, Any], filename: str) -> None:
    """Take the `esdl_file` beside the document in the file `filename` into `given`, if it names one.

    For files that the caller could read anyway, so never for what comes over the network, which has no `filename`.

    Raises: DocumentRefused.
    """
    if "esdl_file" not in given:
        return
    if not filename:
        hint = "Send the ESDL as esdl_base64string, or use `podium run FILE` on the machine that has the file"
        raise DocumentRefused("files are not read for documents that come over HTTP", where="esdl_file", hint=hint)
    if "esdl_base64string" in given:
        hint = "Leave out one of esdl_file and esdl_base64string"
        raise DocumentRefused("the ESDL is given twice", where="esdl_file", hint=hint)
    given["esdl_base64string"] = encode_base64(_beside(Path(filename).resolve().parent, given.pop("esdl_file")))


def _beside(home: Path, named: object) -> bytes:
    """What the file that is `named` holds. Raises: DocumentRefused."""
    hint = "Name a file that lies beside the document, or below it"
    try:
        path = (home / named).resolve() if isinstance(named, str) else home
        if not path.is_relative_to(home) or path == home:
            raise DocumentRefused(f"{named!r} does not lie beside the document", where="esdl_file", hint=hint)
        if path.exists() and not path.is_file():
            raise DocumentRefused(f"{named!r} is not a file", where="esdl_file", hint=hint)
        if path.stat().st_size > LARGEST:
            raise DocumentRefused(f"{named!r} is larger than {LARGEST >> 20} MB", where="esdl_file")
        return path.read_bytes()
    except OSError as error:
        raise DocumentRefused(f"{named!r} cannot be read: {error.strerror}", where="esdl_file", hint=hint) from None
    except (ValueError, RuntimeError):  # a NUL, links in a circle
        raise DocumentRefused(f"{named!r} is no name of a file", where="esdl_file", hint=hint) from None


def _validated(given: Mapping[str, Any]) -> tuple[Body | None, list[Fault]]:
    try:
        return Body.model_validate(given), []
    except ValidationError as error:
        return None, [_fault(one) for one in error.errors(include_url=False)]


def _misspelt(given: Mapping[str, Any]) -> list[Fault]:
    """Keys that are nearly one of ours. Others are let be: bodies of other orchestrators have keys of their own."""
    near = misspelt(given, Body.model_fields)
    return [Fault(key, "there is no such key", f"Did you mean {name}?") for key, name in near.items()]


def _services(given: Mapping[str, Any]) -> dict[int, CalculationService]:
    """The services that are right by themselves, by their place, so that the rest is checked as well."""
    listed = given.get("calculation_services")
    found = {}
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        try:
            found[index] = CalculationService.model_validate(one)
        except ValidationError:
            continue  # said already
    return found


def _fault(error: Mapping[str, Any]) -> Fault:
    where = place(error["loc"])
    if error["type"] == "value_error":
        problem = str(error["ctx"]["error"])
        if not where:
            where, _, problem = problem.partition(": ")
        return Fault(where, problem)
    hidden = error["type"] == "missing" or PRIVATE in where or isinstance(error["input"], list | dict)
    return Fault(where, worded(error) if hidden else f"{worded(error)} (not {error['input']!r:.60})")


def _put_away(posted: list[dict[str, Any]], services: list[CalculationService], run: str) -> dict[str, str]:
    """Have names stand in `posted` for values that should not be read; gives these, by name."""
    kept = {}
    for index, (shown, service) in enumerate(zip(posted, services, strict=True)):
        for number, variable in enumerate(service.additional_env_variable):
            if variable.secret:
                name = f"{run}.{index}.{number}"
                kept[name] = variable.value
                shown[PRIVATE][number]["value"] = {"$secret": name}
    return kept


def _as_posted(service: BaseModel) -> dict[str, Any]:
    posted = service.model_dump(mode="json", exclude_unset=True)
    return {**posted, "nr_of_models": service.model_dump()["nr_of_models"]}
