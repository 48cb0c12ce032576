"""From the bytes of a document to the run it asks for. Plain functions that take their time: called in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from podium.dialects.documents import LARGEST, parsed
from podium.dialects.dots.dealing import Hand, Share, deal, unknown_types
from podium.dialects.dots.document import Body, CalculationService, decode_base64, encode_base64, padded, unsaid
from podium.dialects.dots.esdl import Unreadable, take_stock
from podium.dialects.dots.names import longest_model_id, model_id, simulation_id
from podium.dialects.dots.spelling import Meant
from podium.engines.simulation.document import SimulationDocument
from podium.errors import DocumentRefused, Fault
from podium.faults import in_order, place, refuse, worded
from podium.runs.events import Submission

KIND = "dots.simulation"
MOST_VALUES = 20_000  # the ESDL is one, whatever its size
PRIVATE = "additional_env_variable"
TIMES = {"start_date", "time_step_seconds", "nr_of_time_steps", "simulation_duration_in_seconds"}
# What stands in for what is wrong, so that the rest is checked.
_A_SERVICE = {"esdl_type": "x", "calc_service_name": "x", "service_image_url": "x"}
_A_BODY = {"name": "x", "calculation_services": [_A_SERVICE], "esdl_base64string": ""}


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads documents.

    Args:
        simulator: our name on the wire, part of every pod's name.
        check_image: refuses an image that is known to have nothing behind it here; None where that cannot be known.
        settle: the pause for models of version 1, in seconds, where the document does not say.
        ready_timeout, end_timeout: in seconds, where the document does not say.
        away_timeout: how long a run waits for the broker when that is away, in seconds.
        quiet: how long to listen after a loss before anything is sent again, in seconds.
        max_models: how many models one simulation may have.
    """

    simulator: str
    check_image: Callable[[str], None] | None = None
    settle: float = 0.02
    ready_timeout: float = 300.0
    end_timeout: float = 30.0
    away_timeout: float = 600.0
    quiet: float = 5.0
    max_models: int = 5000

    def read(self, content: bytes, filename: str = "") -> Submission:
        """The run that `content` asks for. Raises: DocumentRefused, with every fault."""
        posted = parsed(content, most_values=MOST_VALUES)
        meant = Meant.of(posted)
        given, faults = meant.given, [*meant.faults]
        without_esdl = False
        try:
            embed(given, filename)
        except DocumentRefused as refused:
            faults.append(Fault(refused.where or "", refused.problem, refused.hint))
            without_esdl = "esdl_base64string" not in given
        if isinstance(packed := given.get("esdl_base64string"), str):
            given["esdl_base64string"] = padded(packed)  # so that a model finds its padding
        body, wrong = _validated({**given, "esdl_base64string": ""} if without_esdl else given)
        faults += wrong
        services = _services(given)
        faults += self._service_faults(services)
        hands, more = self._dealt(given.get("esdl_base64string"), services)
        refuse(in_order(map(meant.as_posted, (*faults, *more)), posted))
        assert body is not None  # else there was a fault  # noqa: S101
        return self._submission(body, hands)

    def _dealt(self, packed: object, services: Mapping[int, CalculationService]) -> tuple[list[Hand], list[Fault]]:
        services = {index: one for index, one in services.items() if one.esdl_type}
        shares = [
            Share(f"calculation_services[{index}]", one.calc_service_name, one.esdl_type, one.nr_of_models)
            for index, one in services.items()
        ]
        if not isinstance(packed, str):
            return [], unknown_types(shares)  # that it is not there was said already
        try:
            stock = take_stock(decode_base64(packed), {share.kind for share in shares})
        except ValueError as error:
            fault = Fault("esdl_base64string", str(error), "Encode the ESDL file with base64")
            return [], [fault, *unknown_types(shares)]
        except Unreadable as error:
            return [], [error.fault, *unknown_types(shares)]
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
            if first != index and service.calc_service_name:
                problem = f"{service.calc_service_name!r} makes the same model ids as calculation_services[{first}]"
                faults.append(Fault(f"{where}.calc_service_name", problem, "Name each service once"))
            first = kinds.setdefault(service.esdl_type, index)
            if first != index and service.esdl_type:
                problem = f"calculation_services[{first}] calculates {service.esdl_type} already"
                faults.append(Fault(f"{where}.esdl_type", problem, "Each ESDL type has one service"))
            if self.check_image is not None and service.service_image_url:
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
            away_timeout=self.away_timeout,
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
        errors = error.errors(include_url=False)
    wrong = {str(one["loc"][0]) for one in errors if one["loc"]}
    return None, [*map(_fault, errors), *unsaid(given), *_time_faults(given, wrong)]


def _time_faults(given: Mapping[str, Any], wrong: AbstractSet[str]) -> list[Fault]:
    """What does not fit of the dates and steps, when none of them is wrong by itself but something else is."""
    if not wrong or wrong & TIMES or ("calculation_services" in wrong and given.get("time_step_seconds") is None):
        return []
    right = {key: value for key, value in given.items() if key not in wrong}
    try:
        Body.model_validate({**_A_BODY, **right})
    except ValidationError as error:
        return [_fault(one) for one in error.errors(include_url=False)]
    return []


def _services(given: Mapping[str, Any]) -> dict[int, CalculationService]:
    """The services by their place, as far as they are right, so that the rest is checked as well."""
    listed = given.get("calculation_services")
    found = {}
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(one, dict):
            found[index] = _as_far_as_right(one)
    return found


def _as_far_as_right(service: Mapping[str, Any]) -> CalculationService:
    """With nothing in place of a text that is wrong."""
    try:
        return CalculationService.model_validate(service)
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors(include_url=False)}
    right = {key: value for key, value in service.items() if key not in wrong}
    found = CalculationService.model_validate({**_A_SERVICE, **right})
    return found.model_copy(update=dict.fromkeys(_A_SERVICE.keys() & wrong, ""))


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
