"""What every backplane must do.

A backplane's own tests subclass this and give it the fixtures `backplane`, on which the image `python:test` runs the
Python program in the variable CODE, and `again`, which opens another one in the same place.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from podium.backplane.port import Model, ModelSpec, ModelState
from podium.errors import DocumentRefused, NotFound

IMAGE = "python:test"
FOR_EVER = "import signal; print('up', flush=True); signal.pause()"


def spec(name: str, code: str = FOR_EVER, **details) -> ModelSpec:
    env = {"CODE": code} | details.pop("env", {})
    return ModelSpec(name=name, image=details.pop("image", IMAGE), env=env, **details)


async def until(backplane, name: str, wanted=lambda model: model.state.ended) -> Model:
    """The model, as soon as it is as wanted."""
    async with asyncio.timeout(60), aclosing(backplane.watch()) as changes:
        async for model in changes:
            if model.name == name and wanted(model):
                return model
    raise AssertionError("the watch ended")


async def run(backplane, model: ModelSpec) -> Model:
    await backplane.deploy(model)
    return await until(backplane, model.name)


class BackplaneConformance:
    async def test_runs_a_model_to_its_end(self, backplane):
        model = await run(
            backplane, spec("good", "print('one'); print('two')", labels={"a": "1"}, keep_logs_seconds=60)
        )
        assert model.state == ModelState.TERMINATED_SUCCESSFULL
        assert (model.exit_code, model.signal, model.reason) == (0, None, None)
        assert model.last_lines == ("one", "two")
        assert model.labels == {"a": "1"}
        assert model.keep_logs_seconds == 60
        assert model.created <= model.ended

    async def test_reports_exit_code_and_last_lines_of_a_failure(self, backplane):
        model = await run(backplane, spec("bad", "for i in range(50): print(i)\nraise SystemExit(3)"))
        assert model.state == ModelState.TERMINATED_FAILED
        assert (model.exit_code, model.reason) == (3, "exit code 3")
        assert model.last_lines == tuple(str(i) for i in range(20, 50))

    async def test_keeps_stdout_and_stderr_in_order(self, backplane):
        await run(backplane, spec("both", "import os\nfor i in range(6): os.write(1 + i % 2, b'%d\\n' % i)"))
        assert await backplane.logs("both") == "0\n1\n2\n3\n4\n5\n"
        assert await backplane.logs("both", tail=2) == "4\n5\n"
        assert await backplane.logs("both", tail=0) == ""

    async def test_output_need_not_be_text(self, backplane):
        model = await run(backplane, spec("bytes", r"import os; os.write(1, b'\xff\xfe caf\xc3\xa9\n')"))
        assert model.last_lines == ("\ufffd\ufffd café",)

    async def test_hands_over_the_environment(self, backplane):
        await run(backplane, spec("env", "import os; print(os.environ['WORD'])", env={"WORD": "grüße = 'x' $HOME\n"}))
        assert await backplane.logs("env") == "grüße = 'x' $HOME\n\n"

    async def test_deploying_a_name_again_leaves_the_model_as_it_is(self, backplane):
        first, again = await asyncio.gather(
            backplane.deploy(spec("same", labels={"n": "1"})), backplane.deploy(spec("same", labels={"n": "2"}))
        )
        assert first == again
        assert await backplane.list() == [again]

    async def test_an_ended_model_is_not_run_again(self, backplane):
        ended = await run(backplane, spec("once", "print('ran')"))
        assert await backplane.deploy(spec("once", "print('ran')")) == ended
        assert await backplane.logs("once") == "ran\n"

    @pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "a_b", "-a", "a-", "a" * 64, "ä", "a\n"])
    async def test_refuses_a_name_no_pod_could_have(self, backplane, name):
        with pytest.raises(DocumentRefused, match="63 lower case letters"):
            await backplane.deploy(spec(name))
        assert await backplane.list() == []

    async def test_refuses_an_unknown_image(self, backplane):
        with pytest.raises(DocumentRefused, match="no-such-image:1"):
            await backplane.deploy(spec("a", image="no-such-image:1"))
        assert await backplane.list() == []
        await run(backplane, spec("a", "pass"))

    async def test_lists_by_labels(self, backplane):
        await backplane.deploy(spec("a", labels={"simulation_id": "s", "model_id": "a"}))
        await backplane.deploy(spec("b", labels={"simulation_id": "t", "model_id": "b"}))
        assert [model.name for model in await backplane.list({"simulation_id": "t"})] == ["b"]
        assert [model.name for model in await backplane.list({"simulation_id": "t", "model_id": "a"})] == []
        assert sorted(model.name for model in await backplane.list()) == ["a", "b"]

    async def test_a_watch_starts_with_what_there_is(self, backplane):
        await backplane.deploy(spec("there"))
        assert (await until(backplane, "there", lambda _: True)).state == ModelState.RUNNING

    async def test_every_watch_hears_of_every_change(self, backplane):
        watches = [asyncio.create_task(until(backplane, "seen")) for _ in range(3)]
        await backplane.deploy(spec("seen", "raise SystemExit(4)"))
        assert [model.exit_code for model in await asyncio.gather(*watches)] == [4, 4, 4]

    async def test_logs_of_an_unknown_model(self, backplane):
        with pytest.raises(NotFound, match="nobody"):
            await backplane.logs("nobody")

    async def test_remove_ends_a_model_and_drops_what_is_kept(self, backplane):
        await backplane.deploy(spec("gone"))
        end = asyncio.create_task(until(backplane, "gone"))
        await backplane.remove("gone")
        assert (await end).state == ModelState.TERMINATED_FAILED
        assert await backplane.list() == []
        with pytest.raises(NotFound):
            await backplane.logs("gone")
        await backplane.remove("gone")

    async def test_remove_of_an_ended_model_drops_what_is_kept(self, backplane):
        await run(backplane, spec("done", "pass"))
        await backplane.remove("done")
        assert await backplane.list() == []

    async def test_remove_of_a_model_that_has_hardly_begun(self, backplane):
        await backplane.deploy(spec("early"))
        await backplane.remove("early", grace_seconds=600)
        assert await backplane.list() == []

    async def test_removing_twice_at_once(self, backplane):
        await backplane.deploy(spec("twice"))
        await asyncio.gather(backplane.remove("twice"), backplane.remove("twice"))
        assert await backplane.list() == []

    async def test_a_removed_name_is_free_again(self, backplane):
        await backplane.deploy(spec("phoenix"))
        await backplane.remove("phoenix")
        assert (await run(backplane, spec("phoenix", "print('new')"))).last_lines == ("new",)

    async def test_remove_kills_what_ignores_sigterm(self, backplane):
        code = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
        await backplane.deploy(spec("deaf", code))
        await self.says(backplane, "deaf", "deaf")
        end = asyncio.create_task(until(backplane, "deaf"))
        await backplane.remove("deaf", grace_seconds=0.2)
        assert (await end).signal == 9

    async def test_remove_lets_a_model_end_well(self, backplane):
        code = "from signal import *; pthread_sigmask(SIG_BLOCK, [15]); print('up', flush=True); sigwait([15])"
        await backplane.deploy(spec("polite", code))
        await self.says(backplane, "polite", "up")
        end = asyncio.create_task(until(backplane, "polite"))
        await backplane.remove("polite", grace_seconds=30)
        assert (await end).state == ModelState.TERMINATED_SUCCESSFULL

    async def test_an_ended_model_is_let_go_in_time(self, backplane):
        await run(backplane, spec("short", "pass", keep_logs_seconds=0.0))
        await self.settled(backplane)
        assert await backplane.list() == []

    async def test_models_live_on_when_the_backplane_is_closed(self, backplane, again):
        created = (await backplane.deploy(spec("a", labels={"x": "y"}))).created
        await self.says(backplane, "a", "up")
        await backplane.close()
        adopter = await again()
        (model,) = await adopter.list({"x": "y"})
        assert (model.name, model.state, model.created) == ("a", ModelState.RUNNING, created)
        end = asyncio.create_task(until(adopter, "a"))
        await adopter.remove("a")
        assert (await end).signal == 15

    async def test_an_end_while_nobody_watched_is_reported(self, backplane, again):
        await run(backplane, spec("a", "print('bye'); raise SystemExit(5)"))
        before = await backplane.list()
        await backplane.close()
        assert await (await again()).list() == before

    async def says(self, backplane, name: str, line: str) -> None:
        """Return once the model has written `line`."""
        raise NotImplementedError

    async def settled(self, backplane) -> None:
        """Return once everything due has been done."""
        raise NotImplementedError
