"""What every artifact store does, and what each does where it is its own."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr

from podium.errors import Conflict, DocumentRefused, NotFound, SettingsError, Unavailable
from podium.settings import Location
from podium.stores.artifacts import PIECE, Artifacts, environment, open_artifacts
from podium.stores.artifacts_s3 import S3Artifacts
from tests.parts import executable, free_port
from tests.parts.artifacts import content
from tests.parts.seaweedfs import SeaweedFS


@pytest_asyncio.fixture(params=["directory", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Artifacts]:
    if request.param == "directory":
        opened = open_artifacts(tmp_path / "artifacts")
    else:
        opened = open_artifacts(request.getfixturevalue("seaweedfs").location)
    yield opened
    await opened.close()


@pytest.fixture
def bucket() -> str:
    """Of the test's own: the store is everybody's."""
    return f"metis-{uuid4().hex[:12]}"


class TestEveryStore:
    async def test_what_is_written_is_read(self, store, bucket):
        await store.write(f"{bucket}/datasets/ships/part 1.csv", b"a,b\n1,2\n")
        assert await content(store, f"{bucket}/datasets/ships/part 1.csv") == b"a,b\n1,2\n"

    async def test_writing_again_replaces(self, store, bucket):
        await store.write(f"{bucket}/a", b"long ago")
        await store.write(f"{bucket}/a", b"now")
        assert await content(store, f"{bucket}/a") == b"now"

    async def test_large_and_empty_objects(self, store, bucket):
        large = os.urandom(9_000_000)
        await store.write(f"{bucket}/large", large)
        await store.write(f"{bucket}/empty", b"")
        assert await content(store, f"{bucket}/large") == large
        assert await content(store, f"{bucket}/empty") == b""
        assert {len(piece) <= PIECE async for piece in store.read(f"{bucket}/large")} == {True}

    async def test_what_is_not_there_cannot_be_read(self, store, bucket):
        with pytest.raises(NotFound):
            await content(store, f"{bucket}/a")
        await store.write(f"{bucket}/a", b"")
        for path in (f"{bucket}/b", f"{bucket}/a/b"):
            with pytest.raises(NotFound) as refused:
                await content(store, path)
            assert refused.value.where == path

    async def test_a_folder_is_made_and_is_no_object(self, store, bucket):
        await store.make_folder(f"{bucket}/analysis-1/cleaned-3")
        await store.make_folder(f"{bucket}/analysis-1/cleaned-3/")
        assert await store.list(f"{bucket}/analysis-1/cleaned-3") == []
        assert await store.list(bucket) == []
        await store.write(f"{bucket}/analysis-1/cleaned-3/part", b"")
        assert await store.list(bucket) == [f"{bucket}/analysis-1/cleaned-3/part"]

    async def test_sizes_are_told_of_objects_and_not_of_folders(self, store, bucket):
        await store.make_folder(f"{bucket}/a")
        await store.write(f"{bucket}/a/two", b"12")
        await store.write(f"{bucket}/a/none", b"")
        assert list((await store.sizes(f"{bucket}/a")).items()) == [(f"{bucket}/a/none", 0), (f"{bucket}/a/two", 2)]

    async def test_a_bucket_is_made(self, store, bucket):
        await store.make_folder(bucket)
        await store.make_folder(bucket)
        assert await store.list(bucket) == []

    async def test_a_listing_is_whole_and_sorted_and_knows_no_relatives(self, store, bucket):
        names = ["b/2", "b/10", "b/c/d/e", "b/Ä", "b.txt", "bb/1", "a"]
        await asyncio.gather(*(store.write(f"{bucket}/{name}", b"") for name in names))
        assert await store.list(f"{bucket}/b") == [f"{bucket}/b/{name}" for name in ("10", "2", "c/d/e", "Ä")]
        assert await store.list(f"{bucket}/b/") == await store.list(f"{bucket}/b")
        assert await store.list(bucket) == sorted(f"{bucket}/{name}" for name in names)

    async def test_what_does_not_exist_has_nothing_below(self, store, bucket):
        assert await store.list(bucket) == []
        await store.write(f"{bucket}/a", b"")
        assert await store.list(f"{bucket}/b") == await store.list(f"{bucket}/a") == []

    async def test_a_listing_has_more_than_one_page(self, store, bucket):
        wanted = [f"{bucket}/many/{number:04}" for number in range(1_100)]
        for start in range(0, len(wanted), 50):
            await asyncio.gather(*(store.write(path, b"") for path in wanted[start : start + 50]))
        assert await store.list(f"{bucket}/many") == wanted

    async def test_removing_takes_one_object_and_may_be_repeated(self, store, bucket):
        await store.remove(f"{bucket}/a")
        await store.write(f"{bucket}/a/_SUCCESS", b"")
        await store.write(f"{bucket}/a/part", b"1")
        await store.remove(f"{bucket}/a/_SUCCESS")
        await store.remove(f"{bucket}/a/_SUCCESS")
        await store.remove(f"{bucket}/a")
        await store.remove(f"{bucket}/a/part/b")
        assert await store.list(bucket) == [f"{bucket}/a/part"]

    async def test_many_write_the_same_and_one_of_them_is_seen_whole(self, store, bucket):
        contents = [bytes([number]) * 100_000 for number in range(8)]
        await asyncio.gather(*(store.write(f"{bucket}/a", one) for one in contents))
        assert await content(store, f"{bucket}/a") in contents
        assert await store.list(bucket) == [f"{bucket}/a"]

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "metis/../../a",
            "metis/..",
            "metis/a/./b",
            "metis//a",
            "metis/a//",
            "metis/a\x00b",
            "metis/a\nb",
            ".unfinished/a",
            "Metis/a",
            "me_tis/a",
            "m/a",
            "m..s/a",
            "metis/" + "a" * 256,
            "metis/" + "ä" * 128,
            "metis/" + "/".join(["a" * 100] * 11),
        ],
    )
    async def test_paths_that_lead_elsewhere_or_fit_no_store_are_refused(self, store, path):
        for what in (content(store, path), store.write(path, b""), store.remove(path)):
            with pytest.raises(DocumentRefused):
                await what
        for what in (store.make_folder(path), store.list(path)):
            with pytest.raises(DocumentRefused):
                await what

    @pytest.mark.parametrize("path", ["metis", "metis/", "metis/a/"])
    async def test_a_bucket_or_folder_is_no_object(self, store, path):
        for what in (content(store, path), store.write(path, b""), store.remove(path)):
            with pytest.raises(DocumentRefused, match="names no object"):
                await what

    async def test_the_address_shows_no_secret(self, store):
        assert store.url.startswith(("file:///", "s3://127.0.0.1:"))
        assert "@" not in store.url


class TestDirectory:
    @pytest.fixture
    def root(self, tmp_path):
        return tmp_path / "artifacts"

    @pytest.fixture
    def outside(self, tmp_path):
        outside = tmp_path / "outside"
        (outside / "deep").mkdir(parents=True)
        (outside / "secret").write_text("secret")
        return outside

    @pytest.mark.parametrize("path", ["metis/secret", "metis/deep/new"])
    async def test_no_bucket_is_a_link(self, root, outside, path):
        root.mkdir()
        (root / "metis").symlink_to(outside)
        store = open_artifacts(root)
        with pytest.raises(NotFound):
            await content(store, path)
        with pytest.raises(Conflict):
            await store.write(path, b"changed")
        with pytest.raises(Conflict):
            await store.make_folder("metis/made")
        await store.remove(path)
        assert await store.list("metis") == []
        assert sorted(p.name for p in outside.rglob("*")) == ["deep", "secret"]
        assert (outside / "secret").read_text() == "secret"

    async def test_no_folder_or_object_is_a_link(self, root, outside):
        (root / "metis").mkdir(parents=True)
        (root / "metis/folder").symlink_to(outside)
        (root / "metis/object").symlink_to(outside / "secret")
        store = open_artifacts(root)
        for path in ("metis/folder/secret", "metis/object"):
            with pytest.raises(NotFound):
                await content(store, path)
        assert await store.list("metis") == await store.list("metis/folder") == []
        await store.remove("metis/object")
        await store.write("metis/object", b"mine")
        assert (outside / "secret").read_text() == "secret"
        assert await content(store, "metis/object") == b"mine"

    async def test_a_pipe_is_no_object(self, root):
        (root / "metis").mkdir(parents=True)
        os.mkfifo(root / "metis/pipe")
        store = open_artifacts(root)
        with pytest.raises(NotFound):
            await content(store, "metis/pipe")
        assert await store.list("metis") == []

    async def test_what_no_path_may_name_is_left_out(self, root):
        """The names are as services have given them: not UTF-8, with a line break, too long for an S3."""
        store = open_artifacts(root)
        await store.write("metis/a/good.csv", b"1")
        for name in (b"bad\xff.csv", b"a\nb"):
            (root / "metis/a" / os.fsdecode(name)).write_bytes(b"")
        deep = root / "metis" / "/".join(["a" * 200] * 6)
        deep.mkdir(parents=True)
        (deep / "b").write_bytes(b"")
        assert await store.sizes("metis") == {"metis/a/good.csv": 1}
        assert await store.list("metis/a") == ["metis/a/good.csv"]

    async def test_the_root_itself_may_be_a_link(self, tmp_path, outside):
        (tmp_path / "link").symlink_to(outside)
        store = open_artifacts(tmp_path / "link")
        await store.write("metis/a", b"1")
        assert (outside / "metis/a").read_bytes() == b"1"

    async def test_an_object_cannot_have_the_name_of_a_folder(self, root):
        store = open_artifacts(root)
        await store.write("metis/a/b", b"")
        with pytest.raises(Conflict):
            await store.write("metis/a", b"")
        with pytest.raises(Conflict):
            await store.write("metis/a/b/c", b"")
        with pytest.raises(Conflict):
            await store.make_folder("metis/a/b")
        assert await store.list("metis") == ["metis/a/b"]

    async def test_what_could_not_be_written_leaves_nothing(self, root, monkeypatch):
        store = open_artifacts(root)
        await store.write("metis/a", b"before")

        def full(handle: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            await store.write("metis/a", b"after")
        assert await content(store, "metis/a") == b"before"
        assert list((root / ".unfinished").iterdir()) == []

    async def test_a_root_that_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(Unavailable, match="cannot be kept"):
            await open_artifacts(tmp_path / "file").write("metis/a", b"")


class TestS3:
    @pytest_asyncio.fixture
    async def answering(self):
        """Stand-ins for a store that misbehaves: what one does with each connection; gives its address."""
        servers = []

        async def serve(behaviour, ssl=None):
            served = await asyncio.start_server(behaviour, "127.0.0.1", 0, ssl=ssl)
            servers.append(served)
            return f"http{'s' if ssl else ''}://127.0.0.1:{served.sockets[0].getsockname()[1]}"

        yield serve
        for server in servers:
            server.close()
            await server.wait_closed()

    @pytest.fixture
    def own_certificate(self, tmp_path):
        key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
        new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
        whose = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([executable("openssl", "openssl"), *new, *whose], check=True, capture_output=True)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        return tls

    async def test_a_folder_is_an_empty_object_whose_key_ends_with_a_slash(self, seaweedfs: SeaweedFS, bucket):
        store = open_artifacts(seaweedfs.location)
        await store.make_folder(f"{bucket}/analysis-1/cleaned-3")
        async with store._s3("") as s3:
            head = await s3.head_object(Bucket=bucket, Key="analysis-1/cleaned-3/")
        assert head["ContentLength"] == 0
        await store.close()

    async def test_several_make_the_same_bucket(self, seaweedfs: SeaweedFS, bucket):
        stores = [open_artifacts(seaweedfs.location) for _ in range(4)]
        await asyncio.gather(*(store.make_folder(f"{bucket}/{n}") for n, store in enumerate(stores)))
        await asyncio.gather(*(store.write(f"{bucket}/{n}/a", b"") for n, store in enumerate(stores)))
        assert len(await stores[0].list(bucket)) == 4
        for store in stores:
            await store.close()

    async def test_one_that_is_down(self):
        store = S3Artifacts(f"http://127.0.0.1:{free_port()}", "podium", "s3cret")
        with pytest.raises(Unavailable, match="cannot be reached") as refused:
            await content(store, "metis/a")
        assert "PODIUM_ARTIFACTS" in str(refused.value)
        assert "s3cret" not in str(refused.value)
        await store.close()

    async def test_one_that_is_silent(self, answering):
        async def silent(reader, writer):
            await reader.read()
            writer.close()

        store = S3Artifacts(await answering(silent), "podium", "s3cret", read_seconds=0.1)
        with pytest.raises(Unavailable, match="cannot be reached: ReadTimeoutError"):
            await store.list("metis")
        await store.close()

    async def test_one_that_breaks_off(self, answering):
        async def short(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
            writer.close()

        store = S3Artifacts(await answering(short), "podium", "s3cret")
        with pytest.raises(Unavailable):
            await content(store, "metis/a")
        await store.close()

    async def test_one_that_has_come_back(self, answering):
        asked = 0

        async def busy_once(reader, writer):
            nonlocal asked
            asked += 1
            await reader.readuntil(b"\r\n\r\n")
            body = b"here" if asked > 1 else b""
            status = b"200 OK" if asked > 1 else b"503 Slow Down"
            writer.write(
                b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)
            )
            writer.close()

        store = S3Artifacts(await answering(busy_once), "podium", "s3cret")
        assert await content(store, "metis/a") == b"here"
        assert asked == 2
        await store.close()

    @pytest.mark.parametrize(("status", "error"), [(500, Unavailable), (429, Unavailable), (400, SettingsError)])
    async def test_one_that_refuses(self, answering, status, error):
        async def refuse(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            body = b"<Error><Code>Because</Code></Error>"
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
            writer.close()

        store = S3Artifacts(await answering(refuse), "podium", "s3cret")
        with pytest.raises(error, match="answers Because"):
            await store.list("metis")
        await store.close()

    async def test_what_no_path_may_name_is_left_out(self, answering):
        keys = ["a/good.csv", "a//b", "a/../b", "a/.", "a/b%0Ac", f"a/{'b' * 256}"]

        async def lists(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
            kind = "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
            body = f"<ListBucketResult>{kind}{contents}</ListBucketResult>".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
            writer.close()

        store = S3Artifacts(await answering(lists), "podium", "s3cret")
        assert await store.sizes("metis/a") == {"metis/a/good.csv": 1}
        await store.close()

    async def test_the_wrong_key_is_told_as_such(self, seaweedfs: SeaweedFS, bucket):
        store = S3Artifacts(seaweedfs.url, seaweedfs.user, "another key")
        with pytest.raises(SettingsError, match="artifacts_password") as refused:
            await store.write(f"{bucket}/a", b"")
        assert "another key" not in str(refused.value)
        await store.close()

    async def test_one_whose_certificate_nobody_vouches_for(self, answering, own_certificate):
        heard = []

        async def listen(reader, writer):
            heard.append(await reader.read())
            writer.close()

        store = S3Artifacts(await answering(listen, ssl=own_certificate), "podium", "s3cret")
        with pytest.raises(Unavailable, match="cannot be reached: SSLError"):
            await store.list("metis")
        assert heard == []
        await store.close()


class TestWhereItIs:
    @pytest.mark.parametrize("url", ["ftp://host:1", "http://host:9000/bucket", "http://:9000"])
    def test_no_address_of_an_s3(self, url):
        with pytest.raises(SettingsError, match="no address of an S3"):
            open_artifacts(Location(url))

    async def test_the_port_is_always_said(self):
        assert open_artifacts(Location("https://s3.example")).url == "s3://s3.example:443"
        assert open_artifacts(Location("http://[::1]:9000/?region=eu-west-1")).url == "s3://[::1]:9000"

    def test_what_services_are_told(self, tmp_path):
        assert environment(tmp_path) == {"ARTIFACTS": f"file://{tmp_path}"}
        assert environment(Location("https://s3.example?region=eu-west-1", "podium", SecretStr("s3cret"))) == {
            "ARTIFACTS": "https://s3.example:443",
            "AWS_ENDPOINT_URL_S3": "https://s3.example:443",
            "AWS_ACCESS_KEY_ID": "podium",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
