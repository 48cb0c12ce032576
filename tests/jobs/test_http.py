"""Kind `http` against real connections: services that behave, and each way in which they do not."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from structlog.testing import capture_logs

from podium.errors import DocumentRefused
from podium.jobs import http
from podium.jobs.callbacks import Callbacks
from podium.jobs.http import HttpService, Progress, Status, follow
from podium.jobs.polling import confirmed, pauses
from podium.jobs.port import JobFailed
from podium.runs.machine import DETACHED
from tests.jobs.parts import job, says
from tests.parts import free_port

GOING, COMPLETE = says({"status": "progress"}), says({"status": "complete", "rows": 3})


async def until_cancelled() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def kind(client):
    return HttpService(client)


async def failure(kind, call, **details) -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        async with asyncio.timeout(30):
            await kind.perform(job(call, **details))
    return caught.value


class TestAnswer:
    async def test_it_is_the_result(self, kind, service):
        url = service.on("/add", says({"sum": 3}))
        assert await kind.perform(job({"url": url, "body": {"a": 1}, "headers": {"X-Word": "w"}})) == {"sum": 3}
        (seen,) = service.seen
        assert (seen.method, seen.json(), seen.headers["x-word"]) == ("POST", {"a": 1}, "w")
        assert seen.headers["idempotency-key"] == "r/n/1"

    async def test_a_form(self, kind, service):
        url = service.on("/messages", says(b""))
        assert await kind.perform(job({"url": url, "form": {"message": "update", "n": 1}})) is None
        assert service.seen[0].form() == {"message": ["update"], "n": ["1"]}

    async def test_an_error_in_it_fails_the_job(self, kind, service):
        url = service.on("/add", says({"status": "error", "message": "no such column"}))
        error = await failure(kind, {"url": url})
        assert (error.reason, error.final) == ("no such column", False)

    async def test_an_error_in_the_words_of_the_service(self, kind, service):
        url = service.on("/add", says({"state": "broken", "why": "rust"}))
        status = {"field": "state", "failed": ["broken"], "reason": "why"}
        assert (await failure(kind, {"url": url, "status": status})).reason == "rust"

    async def test_one_that_is_under_way_and_that_nobody_follows(self, kind, service):
        error = await failure(kind, {"url": service.on("/add", says({"status": "progress"}))})
        assert error.reason.startswith("the service says 'progress', and nobody follows it. Give the job a `progress`")
        assert error.final

    async def test_a_status_that_means_nothing_to_podium(self, kind, service):
        url = service.on("/add", says({"status": "error"}))
        assert await kind.perform(job({"url": url, "status": {"failed": []}})) == {"status": "error"}

    @pytest.mark.parametrize(
        ("said", "result"), [(b"ok", "ok"), (b" Done\n", "Done"), (b"true", True), (b"null", None), (b'"ok"', "ok")]
    )
    async def test_a_word_is_an_answer(self, kind, service, said, result):
        assert await kind.perform(job({"url": service.on("/add", says(said))})) == result

    @pytest.mark.parametrize("said", [b"error", b'"error"'])
    async def test_a_word_that_says_that_it_failed(self, kind, service, said):
        assert (await failure(kind, {"url": service.on("/add", says(said))})).reason == "the service says 'error'"

    async def test_whoever_passes_it_on_has_it_whatever_its_status(self, client, service):
        answer = await client.ask("POST", service.on("/", says({"detail": "no"}, 404)), whatever=True)
        assert (answer.status, answer.json()) == (404, {"detail": "no"})

    async def test_connections_are_kept(self, kind, service, monkeypatch):
        monkeypatch.setattr("podium.jobs.client._KEPT_SECONDS", 600.0)
        url, peers = service.url + "/", set()

        async def reply(seen, writer):
            peers.add(writer.get_extra_info("peername"))
            await says({})(seen, writer)

        service.on("/", reply)
        for _ in range(5):
            await kind.perform(job({"url": url}))
        assert len(peers) == 1


class TestProgress:
    def call(self, service, **details):
        progress = {"url": f"{service.url}/progress?id=7"} | details
        return {"url": f"{service.url}/start", "progress": progress}

    async def test_it_is_followed_to_the_end(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", GOING, GOING, COMPLETE)
        assert await kind.perform(job(self.call(service))) == {"status": "complete", "rows": 3}
        assert service.paths() == ["POST /start", *["GET /progress?id=7"] * 3]

    async def test_an_error_fails_with_its_message(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", GOING, says({"status": "error", "message": "no such column"}))
        error = await failure(kind, self.call(service))
        assert (error.reason, error.final) == ("no such column", False)

    @pytest.mark.parametrize("going", [says(b"progress"), says("progress")])
    @pytest.mark.parametrize("done", [says(b"complete\n"), says("complete")])
    async def test_a_word_is_a_status(self, kind, service, going, done):
        service.on("/start", says(b"ok"))
        service.on("/progress", going, done)
        assert await kind.perform(job(self.call(service))) == "complete"

    async def test_a_start_that_says_error_fails_at_once(self, kind, service):
        service.on("/start", says({"status": "error", "message": "no such column"}))
        service.on("/progress", GOING)
        assert (await failure(kind, self.call(service))).reason == "no such column"
        assert service.paths() == ["POST /start"]

    @pytest.mark.parametrize("answer", [says({"status": "complete"}), says({"status": "progress"}), says(b"<html>")])
    async def test_no_other_answer_to_the_start_is_an_outcome(self, kind, service, answer):
        service.on("/start", answer)
        service.on("/progress", COMPLETE)
        assert await kind.perform(job(self.call(service))) == {"status": "complete", "rows": 3}

    async def test_a_route_that_is_not_there_is_told_of_before_patience_ends(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", says({"detail": "Not Found"}, 404), GOING, COMPLETE)
        lines = []
        with capture_logs() as logged:
            await kind.perform(job(self.call(service), note=lines.append))
        assert lines == [f"GET {service.url}/progress answered 404: Not Found; it is asked again for 30 s"]
        assert [(entry["event"], entry["status"]) for entry in logged] == [("service.tells_no_progress", 404)]

    async def test_a_route_that_never_comes(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", says({"detail": "Not Found"}, 404))
        error = await failure(kind, self.call(service, patience=0.01))
        assert error.reason == f"GET {service.url}/progress answered 404: Not Found; so it went for 0.01 s"
        assert not error.final

    async def test_other_fields_and_words(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", says({"state": "busy"}), says({"state": "broken", "why": "rust"}))
        status = {"field": "state", "going": ["busy"], "failed": ["broken"], "reason": "why"}
        assert (await failure(kind, self.call(service) | {"status": status})).reason == "rust"

    @pytest.mark.parametrize("known", [GOING, COMPLETE, says({}, 500)])
    async def test_again_it_is_not_started_twice(self, kind, service, known):
        service.on("/progress", known, COMPLETE)
        assert await kind.perform(job(self.call(service), again=True)) == {"status": "complete", "rows": 3}
        assert "POST /start" not in service.paths()

    async def test_again_it_is_started_when_the_service_does_not_know_it(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", says({}, 404), COMPLETE)
        assert await kind.perform(job(self.call(service), again=True)) == {"status": "complete", "rows": 3}
        assert service.paths() == ["GET /progress?id=7", "POST /start", "GET /progress?id=7"]

    @pytest.mark.parametrize("bad", [says({}, 500), says({}, 503, Retry_After="0"), says(b"<html>"), says({"a": 1})])
    async def test_a_question_that_fails_does_not_fail_the_job(self, kind, service, bad):
        service.on("/start", says(b"ok"))
        service.on("/progress", GOING, bad, bad, COMPLETE)
        lines = []
        assert await kind.perform(job(self.call(service), note=lines.append)) == {"status": "complete", "rows": 3}
        assert len(lines) == 1

    async def test_patience_has_an_end(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", says({"status": "progress"}), says({"message": "out of order"}, 500))
        error = await failure(kind, self.call(service, patience=0.01))
        assert "answered 500: out of order" in error.reason

    async def test_what_is_refused_for_good_ends_it_at_once(self, kind, service):
        service.on("/start", says(b"ok"))
        service.on("/progress", says({"detail": "who are you"}, 401))
        assert (await failure(kind, self.call(service))).final

    async def test_the_object_is_not_there_yet(self):
        answers = iter([False, False, True])

        async def there():
            return next(answers)

        assert await confirmed(there)

    async def test_the_object_never_comes(self):
        async def there():
            return False

        assert not await confirmed(there, within=0.01)

    async def test_a_dialect_can_follow_by_itself(self, client, service):
        url = service.on("/progress", GOING, COMPLETE)
        assert await follow(client, Progress(url=url), Status()) == {"status": "complete", "rows": 3}

    def test_pauses_are_a_share_of_the_time_gone_by(self):
        clock = iter([100.0, 100.0, 110.0, 200.0])
        waiting = pauses(2.0, lambda: next(clock))
        assert [next(waiting) for _ in range(3)] == [0.05, 0.5, 2.0]


class TestPush:
    @pytest.fixture
    def callbacks(self):
        return Callbacks("secret", "http://podium/callbacks/")

    @pytest.fixture
    def kind(self, client, callbacks):
        return HttpService(client, callbacks)

    @pytest.fixture
    def given_back(self):
        return []

    @pytest.fixture
    async def pushes(self, callbacks, given_back):
        written = asyncio.get_running_loop().create_future()

        def made(*outcomes):
            async def reply(seen, writer):
                token = seen.headers["podium-callback"].removeprefix("http://podium/callbacks/")
                await says(b"ok")(seen, writer)
                for each in outcomes:
                    given_back.append(callbacks.deliver(token, each, lambda *of: {("r", "n#1"): written}[of]))

            return reply

        return made

    async def test_what_is_posted_is_the_result(self, kind, pushes, service):
        url = service.on("/start", pushes({"status": "complete", "n": 1}))
        assert await kind.perform(job({"url": url, "callback": True})) == {"status": "complete", "n": 1}

    async def test_only_the_first_word_counts(self, kind, callbacks, pushes, given_back, service):
        first, second = {"status": "complete"}, {"status": "error"}
        url = service.on("/start", pushes(first, second))
        assert await kind.perform(job({"url": url, "callback": True})) == first
        assert callbacks.unexpected == 1
        assert given_back[0] is given_back[1] is not None

    @pytest.mark.parametrize("ending", [lambda written: written.set_result(None), lambda written: written.cancel()])
    async def test_it_is_forgotten_once_it_is_written_or_left_to_the_next_podium(self, callbacks, ending):
        address, told = callbacks.expect(job({}))
        token = address.removeprefix("http://podium/callbacks/")
        written = asyncio.get_running_loop().create_future()
        assert callbacks.deliver(token, {"n": 1}, lambda *_: written) is written
        assert await told == {"n": 1}
        assert callbacks.awaits(token)
        ending(written)
        await asyncio.wait([written])
        assert not callbacks.awaits(token)
        assert callbacks.deliver(token, {"n": 1}, lambda *_: written) is None

    async def test_an_error(self, kind, pushes, service):
        url = service.on("/start", pushes({"status": "error", "message": "no"}))
        assert (await failure(kind, {"url": url, "callback": True})).reason == "no"

    @pytest.mark.parametrize("posted", [{"status": "progress"}, {"other": 1}, [1]])
    async def test_what_is_no_outcome(self, kind, pushes, service, posted):
        url = service.on("/start", pushes(posted))
        await failure(kind, {"url": url, "callback": True})

    async def test_it_is_faster_than_the_next_question(self, kind, pushes, service):
        progress = {"url": service.on("/progress", GOING), "pause": 3600}
        url = service.on("/start", pushes({"status": "complete", "pushed": True}))
        result = await kind.perform(job({"url": url, "callback": True, "progress": progress}))
        assert result == {"status": "complete", "pushed": True}

    async def test_without_a_push_the_progress_tells(self, kind, service):
        progress = {"url": service.on("/progress", GOING, COMPLETE)}
        call = {"url": service.on("/start", says(b"ok")), "callback": True, "progress": progress}
        assert await kind.perform(job(call)) == {"status": "complete", "rows": 3}

    async def test_a_start_that_fails(self, kind, callbacks, service):
        url = service.on("/start", says({}, 500))
        assert "answered 500" in (await failure(kind, {"url": url, "callback": True})).reason
        assert not callbacks._expected

    async def test_the_address_is_the_same_after_a_restart_and_nobodys_else(self, callbacks):
        again = Callbacks("secret", "http://podium/callbacks/")
        other = Callbacks("other", "http://podium/callbacks/")
        assert callbacks.expect(job({}))[0] == again.expect(job({}))[0]
        assert len({callbacks.expect(job({}, attempt=2))[0], other.expect(job({}))[0], again.expect(job({}))[0]}) == 3

    async def test_a_token_that_nobody_waits_for(self, callbacks):
        assert callbacks.deliver("x", {}, lambda *_: pytest.fail("nothing is to be settled")) is None

    async def test_a_document_that_asks_for_what_cannot_be(self, client):
        with pytest.raises(DocumentRefused, match="callback"):
            HttpService(client).check({"url": "http://x/", "callback": True})


class TestFaults:
    """No. 6 of what services do to those who call them."""

    async def test_refused(self, kind):
        error = await failure(kind, {"url": f"http://127.0.0.1:{free_port()}/"})
        assert "could not be sent" in error.reason
        assert "refused" in error.reason.lower()
        assert not error.final

    async def test_reset_in_mid_body(self, kind, service):
        async def reply(seen, writer):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            await writer.drain()
            writer.transport.abort()

        error = await failure(kind, {"url": service.on("/", reply)})
        assert "broke off" in error.reason
        assert not error.final

    async def test_closed_without_an_answer(self, kind, service):
        async def reply(seen, writer):
            writer.close()

        assert "broke off" in (await failure(kind, {"url": service.on("/", reply)})).reason

    async def test_no_http_at_all(self, kind, service):
        async def reply(seen, writer):
            writer.write(b"220 mail.example ESMTP\r\n\r\n")
            writer.close()

        assert "broke off" in (await failure(kind, {"url": service.on("/", reply)})).reason

    async def test_500(self, kind, service):
        error = await failure(kind, {"url": service.on("/", says({"message": "broken"}, 500))})
        assert error.reason == f"POST {service.url}/ answered 500: broken"
        assert not error.final

    @pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
    async def test_what_trying_again_cannot_help(self, kind, service, status):
        assert (await failure(kind, {"url": service.on("/", says({"detail": "no"}, status))})).final

    async def test_503_that_says_when_to_come_again(self, kind, service):
        url = service.on("/", says({}, 503, Retry_After="0"), says({}, 429, Retry_After="0"), says({"ok": 1}))
        assert await kind.perform(job({"url": url})) == {"ok": 1}
        assert {seen.headers["idempotency-key"] for seen in service.seen} == {"r/n/1"}

    @pytest.mark.parametrize("when", ["3600", "0", "soon", "-1", "nan"])
    async def test_503_for_long(self, kind, service, when):
        error = await failure(kind, {"url": service.on("/", says({}, 503, Retry_After=when))})
        assert "answered 503" in error.reason
        assert not error.final

    async def test_broken_json(self, kind, service):
        error = await failure(kind, {"url": service.on("/", says(b'{"a": '))})
        assert "not JSON" in error.reason

    async def test_stalled(self, kind, service):
        async def reply(seen, writer):
            await until_cancelled()

        error = await failure(kind, {"url": service.on("/", reply), "answer_within": 0.05})
        assert "no whole answer within 0.05 s" in error.reason
        assert not error.final

    async def test_dripping(self, kind, service):
        async def reply(seen, writer):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.005)

        error = await failure(kind, {"url": service.on("/", reply), "answer_within": 0.05})
        assert "no whole answer" in error.reason

    async def test_redirects_without_end(self, kind, service):
        url = service.on("/", says(b"", 307, Location="/"))
        error = await failure(kind, {"url": url})
        assert "redirected 5 times" in error.reason
        assert len(service.seen) == 6

    async def test_a_redirect_on_the_same_server(self, kind, service):
        service.on("/there/", says({"ok": 1}))
        url = service.on("/there", says(b"", 307, Location="/there/"))
        assert await kind.perform(job({"url": url, "body": {"a": 1}})) == {"ok": 1}
        assert service.seen[1].json() == {"a": 1}

    async def test_a_redirect_to_another_server_is_not_followed(self, kind, service):
        url = service.on("/", says(b"", 307, Location="http://user:hush@127.0.0.1:9/there?token=hush"))
        error = await failure(kind, {"url": url, "headers": {"X-Key": "k"}})
        assert "http://127.0.0.1:9/there;" in error.reason
        assert "hush" not in error.reason

    async def test_an_endless_body(self, kind, service):
        async def reply(seen, writer):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()

        error = await failure(kind, {"url": service.on("/", reply)})
        assert "more than 1048576 bytes" in error.reason
        await asyncio.wait_for(service.broken_off.wait(), 30)

    async def test_a_bomb(self, kind, service):
        body = gzip.compress(b" " * (64 << 20))
        error = await failure(kind, {"url": service.on("/", says(body, Content_Encoding="gzip"))})
        assert "encoding 'gzip'" in error.reason
        assert service.seen[0].headers["accept-encoding"] == "identity"

    async def test_json_that_is_nested_too_deeply(self, kind, service):
        error = await failure(kind, {"url": service.on("/", says(b"[" * 100_000))})
        assert "not JSON" in error.reason

    async def test_no_secret_of_an_address_is_told(self, kind, service):
        url = service.on("/", says({}, 500)).replace("http://", "http://user:hush@") + "?token=hush"
        error = await failure(kind, {"url": url})
        assert error.reason == f"POST {service.url}/ answered 500: {{}}"
        assert service.seen[0].headers["authorization"].startswith("Basic")


class TestCancel:
    async def cancelled(self, kind, service, *message):
        async def stall(seen, writer):
            await until_cancelled()

        call = {
            "url": service.on("/start", says(b"ok")),
            "progress": {"url": service.on("/progress", stall)},
            "cancel": {"url": service.on("/cancel", says(b"ok")), "method": "DELETE"},
        }
        performing = asyncio.create_task(kind.perform(job(call)))
        await service.asked(2)
        performing.cancel(*message)
        await asyncio.wait([performing])
        assert performing.cancelled()

    async def test_the_service_is_told(self, kind, service):
        await self.cancelled(kind, service)
        assert service.paths()[-1] == "DELETE /cancel"

    async def test_not_when_only_podium_goes_away(self, kind, service):
        await self.cancelled(kind, service, DETACHED)
        assert "DELETE /cancel" not in service.paths()

    async def test_the_connection_is_broken_off(self, kind, service):
        async def stall(seen, writer):
            await until_cancelled()

        performing = asyncio.create_task(kind.perform(job({"url": service.on("/", stall)})))
        await service.asked(1)
        performing.cancel()
        await asyncio.wait([performing])
        await asyncio.wait_for(service.broken_off.wait(), 30)


class TestCheck:
    @pytest.mark.parametrize(
        ("call", "why"),
        [
            ({}, "url: is missing"),
            ({"url": "ftp://x/"}, "url: must be an http:// or https:// URL"),
            ({"url": "http://"}, "url"),
            ({"url": "http://x/", "body": 1, "form": {}}, "not both"),
            ({"url": "http://x/", "method": "STEAL"}, "method"),
            ({"url": "http://x/", "colour": 1}, "colour: there is no such key"),
            ({"url": "http://x/", "progress": {}}, "progress.url: is missing"),
            ({"url": "http://x/", "answer_within": 0}, "answer_within"),
        ],
    )
    def test_what_is_wrong_is_named(self, kind, call, why):
        with pytest.raises(DocumentRefused, match=why):
            kind.check(call)

    def test_what_is_not_known_yet_is_not_wrong(self, kind):
        kind.check(
            {
                "url": {"$secret": "url"},
                "headers": {"Authorization": {"$secret": "token"}},
                "progress": {"url": {"$result": "before/url"}},
                "form": {"$item": ""},
            }
        )

    async def test_what_turns_out_wrong_when_it_is_known(self, kind):
        with pytest.raises(DocumentRefused, match="url"):
            await kind.perform(job({"url": "gopher://x"}))


def test_the_longest_pause_is_that_of_the_documentation():
    assert http.LONGEST == 2.0
