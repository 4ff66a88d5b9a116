import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from vision_customization.components.local import service as service_module
from vision_customization.components.local.service import (
    LocalServiceError,
    LocalServiceProvider,
    check_json_files,
    copy_of,
    free_port,
    is_healthy,
    keep_copies,
    process_of,
    stop_noted,
)
from vision_customization.customization.resources import provider as provider_module

PROXIES = ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")

SERVER = (
    "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
)

Properties = dict[str, Any]


@pytest.fixture
def declared(tmp_path: Path) -> Properties:
    """A small web server that serves its data folder."""
    return {
        "command": ["python", "-c", SERVER, "{port}"],
        "environment": {},
        "data_dir": str(tmp_path / "data"),
        "health_path": "/",
        "row_urn": "urn",
    }


def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def provider() -> LocalServiceProvider:
    return LocalServiceProvider()


@pytest.fixture
def service(provider: LocalServiceProvider, declared: Properties) -> Iterator[Properties]:
    """The declared server, running: its outputs."""
    Path(declared["data_dir"]).mkdir()
    outs = provider.create(provider.check({}, declared).inputs).outs
    assert outs is not None
    yield outs
    destroy(provider, outs)
    assert not process_of(outs).is_running()


def destroy(provider: LocalServiceProvider, outs: Properties) -> None:
    """Delete it in another update than the one that has made it."""
    provider_module._KEPT.clear()
    provider.delete("id", outs)


class TestCheck:
    def test_a_port_that_is_given_is_taken(self, provider: LocalServiceProvider, declared: Properties) -> None:
        inputs = provider.check({}, {**declared, "port": 4711}).inputs
        assert (inputs["port"], inputs["endpoint"]) == (4711, "http://127.0.0.1:4711")

    def test_else_the_former_port_stays(self, provider: LocalServiceProvider, declared: Properties) -> None:
        assert provider.check({"port": 4712.0}, declared).inputs["port"] == 4712

    def test_else_it_is_a_free_one(self, provider: LocalServiceProvider, declared: Properties) -> None:
        assert provider.check({}, declared).inputs["port"] > 0

    def test_an_unknown_port_leaves_the_endpoint_unknown(self, provider: LocalServiceProvider, declared: Properties) -> None:
        assert "endpoint" not in provider.check({}, {**declared, "port": UNKNOWN}).inputs


@pytest.mark.process
class TestLife:
    def test_nothing_changed_is_no_difference(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties
    ) -> None:
        assert not provider.diff("id", service, provider.check(service, declared).inputs).changes
        read = provider.read("id", service)
        assert read.outs == service

    def test_an_interrupted_update_finds_its_process(self, provider: LocalServiceProvider, service: Properties) -> None:
        outs = provider.create(service).outs
        assert outs is not None
        assert outs["pid"] == service["pid"]

    def test_what_an_interrupted_update_started_is_stopped_by_its_note(
        self, provider: LocalServiceProvider, service: Properties
    ) -> None:
        assert stop_noted(Path(service["data_dir"]))
        assert not process_of(service).is_running()
        assert not stop_noted(Path(service["data_dir"]))

    def test_destroy_stops_a_process_that_only_the_note_knows(
        self, provider: LocalServiceProvider, service: Properties
    ) -> None:
        destroy(provider, {**service, "pid": dead_process(), "started": 1.0})
        assert not process_of(service).is_running()

    def test_a_dead_process_is_seen_and_started_again_on_its_port(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties
    ) -> None:
        os.kill(int(service["pid"]), signal.SIGKILL)
        os.waitpid(int(service["pid"]), 0)
        read = provider.read("id", service)
        assert read.outs is not None
        assert read.outs["running"] is False
        news = provider.check(service, declared).inputs
        assert provider.diff("id", service, news).changes
        again = provider.update("id", service, news).outs
        assert again is not None
        assert again["pid"] != service["pid"]
        assert again["endpoint"] == service["endpoint"]
        destroy(provider, again)

    def test_a_server_that_hangs_is_seen_and_started_again(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vision_customization.common.loopback.HANGS_SECONDS", 0.5)
        os.kill(int(service["pid"]), signal.SIGSTOP)
        read = provider.read("id", service)
        assert read.outs is not None
        assert read.outs["running"] is False
        news = provider.check(service, declared).inputs
        assert provider.diff("id", service, news).changes
        again = provider.update("id", service, news).outs
        assert again is not None
        assert again["endpoint"] == service["endpoint"]
        assert not process_of(service).is_running()
        assert process_of(again).is_running()
        os.kill(int(again["pid"]), signal.SIGSTOP)
        destroy(provider, again)
        assert not process_of(again).is_running()

    @pytest.mark.parametrize("name", PROXIES)
    def test_no_proxy_is_asked_for_a_server_of_this_machine(
        self, provider: LocalServiceProvider, service: Properties, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        assert is_healthy(service)
        outs = provider.create(service).outs
        assert outs is not None
        assert outs["pid"] == service["pid"], "a healthy server is taken over, and not stopped"

    def test_another_environment_starts_it_anew(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties
    ) -> None:
        news = provider.check(service, {**declared, "environment": {"GIVEN": "x"}}).inputs
        assert provider.diff("id", service, news).changes
        again = provider.update("id", service, news).outs
        assert again is not None
        assert not process_of(service).is_running()
        destroy(provider, again)

    def test_a_taken_port_is_an_error_that_names_it(self, provider: LocalServiceProvider, declared: Properties) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(LocalServiceError, match=f"port {port} of 127.0.0.1 is in use"):
                provider.create(provider.check({}, {**declared, "port": port}).inputs)

    def test_a_server_that_ends_at_once_is_explained_by_its_log(
        self, provider: LocalServiceProvider, declared: Properties
    ) -> None:
        broken = {**declared, "command": ["python", "-c", "print('no such setting'); raise SystemExit(2)"], "port": free_port()}
        with pytest.raises(LocalServiceError, match="no such setting"):
            provider.create(provider.check({}, broken).inputs)

    def test_a_program_that_is_not_there_is_an_error(self, provider: LocalServiceProvider, declared: Properties) -> None:
        with pytest.raises(LocalServiceError, match=r"no-such-program is neither in the folder of .* nor on PATH"):
            provider.create(provider.check({}, declared).inputs | {"command": ["no-such-program"]})

    def test_what_it_says_before_it_answers_is_shown_and_makes_up_wait_longer(
        self, provider: LocalServiceProvider, declared: Properties, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        monkeypatch.setattr(service_module.Row, "progress", lambda _, line: said.append(line))
        monkeypatch.setattr(service_module, "HEALTH_TIMEOUT_SECONDS", 1.5)
        slow = "import time\nfor n in range(5): print(n, 'MB', flush=True); time.sleep(0.6)\n" + SERVER
        service = provider.create(provider.check({}, {**declared, "command": ["python", "-c", slow, "{port}"]}).inputs).outs
        assert service is not None
        assert re.search(r"answers \(\d s\): \d MB", " ".join(said))
        destroy(provider, service)

    def test_one_that_is_silent_is_given_up(
        self, provider: LocalServiceProvider, declared: Properties, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service_module, "HEALTH_TIMEOUT_SECONDS", 0.5)
        silent = {**declared, "command": ["python", "-c", "print('begun', flush=True); import time; time.sleep(60)"]}
        with pytest.raises(LocalServiceError, match=r"(?s)did not answer at http.* The end of .*begun"):
            provider.create(provider.check({}, silent).inputs)


@pytest.mark.process
class TestPlaces:
    """A data folder that is moved, copied, or declared elsewhere, while its server runs."""

    @pytest.fixture
    def said(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        said: list[str] = []
        for name in ("say", "warn"):
            monkeypatch.setattr(service_module.Row, name, lambda _, line: said.append(line))
        return said

    def test_a_moved_checkout_starts_its_server_again(
        self,
        provider: LocalServiceProvider,
        declared: Properties,
        service: Properties,
        said: list[str],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        moved = {
            name: {**properties, "data_dir": str(tmp_path / "new")}
            for name, properties in (("olds", service), ("news", declared))
        }
        Path(service["data_dir"]).rename(tmp_path / "new")
        news = provider.check(moved["olds"], moved["news"]).inputs
        assert provider.diff("id", moved["olds"], news).changes
        assert said == [f"it runs from another place, {service['data_dir']}, and will be restarted"]
        read = provider.read("id", moved["olds"])
        assert read.outs is not None
        assert read.outs["running"] is False
        again = provider.update("id", moved["olds"], news).outs
        assert again is not None
        assert not process_of(service).is_running()
        assert again["endpoint"] == service["endpoint"]
        assert not provider.diff("id", again, news).changes
        destroy(provider, again)

    def test_a_start_that_fails_after_a_move_moves_back(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties, tmp_path: Path
    ) -> None:
        """The state says that the data is in the former folder, so that is where a reverted setting looks for it."""
        (Path(service["data_dir"]) / "data").write_text("ours")
        news = provider.check(service, {**declared, "data_dir": str(tmp_path / "new")}).inputs
        with pytest.raises(LocalServiceError, match="no-such-program"):
            provider.update("id", service, {**news, "command": ["no-such-program"]})
        assert (Path(service["data_dir"]) / "data").read_text() == "ours"
        assert not (tmp_path / "new").exists()
        again = provider.update("id", service, provider.check(service, declared).inputs).outs
        assert again is not None
        destroy(provider, again)

    def test_another_path_to_the_same_folder_moves_nothing(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties, said: list[str], tmp_path: Path
    ) -> None:
        (Path(service["data_dir"]) / "data").write_text("ours")
        (tmp_path / "link").symlink_to(service["data_dir"])
        checked = provider.check(service, {**declared, "data_dir": str(tmp_path / "link")})
        assert checked.failures == []
        provider.diff("id", service, checked.inputs)
        assert said == []
        outs = provider.update("id", service, checked.inputs).outs
        assert outs is not None
        assert outs["pid"] == service["pid"]
        assert (Path(service["data_dir"]) / "data").read_text() == "ours"

    def test_a_copied_checkout_leaves_the_server_of_the_original_alone(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties, said: list[str], tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(service["data_dir"], copy)
        olds, news = ({**properties, "data_dir": str(copy)} for properties in (service, declared))
        inputs = provider.check(olds, news).inputs
        assert inputs["port"] != service["port"]
        assert provider.diff("id", olds, inputs).changes
        assert said == [
            f"process {service['pid']} serves {service['data_dir']}, of which {copy} is a copy, and another one will be started"
        ]
        own = provider.update("id", olds, inputs).outs
        assert own is not None
        destroy(provider, own)
        assert not process_of(own).is_running()
        shutil.copytree(service["data_dir"], copy, dirs_exist_ok=True)
        destroy(provider, olds)
        assert is_healthy(service)

    def test_another_data_folder_takes_the_data_along(
        self, provider: LocalServiceProvider, declared: Properties, service: Properties, said: list[str], tmp_path: Path
    ) -> None:
        (Path(service["data_dir"]) / "kept").write_text("data")
        news = provider.check(service, {**declared, "data_dir": str(tmp_path / "a" / "b")}).inputs
        difference = provider.diff("id", service, news)
        assert (difference.changes, difference.replaces) == (True, [])
        assert said == [f"its data moves from {service['data_dir']} to {tmp_path / 'a' / 'b'}"]
        again = provider.update("id", service, news).outs
        assert again is not None
        assert not process_of(service).is_running()
        assert (again["endpoint"], (tmp_path / "a" / "b" / "kept").read_text()) == (service["endpoint"], "data")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "index").touch()
        [failure] = provider.check(again, {**declared, "data_dir": str(tmp_path / "other")}).failures
        assert failure.property == "data_dir"
        assert "which also holds data" in failure.reason
        destroy(provider, again)

    def test_what_a_destroy_could_not_delete_is_said_before_it_is_there_again(
        self,
        provider: LocalServiceProvider,
        declared: Properties,
        said: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        Path(declared["data_dir"]).mkdir()
        outs = provider.create(provider.check({}, declared).inputs).outs
        assert outs is not None
        monkeypatch.setattr(provider_module, "_UNDELETED", {outs["endpoint"]: ["published name 'leaves'", "model 'leaves-1'"]})
        destroy(provider, outs)
        assert said == []
        news = provider.check({}, declared).inputs
        [warning] = said
        assert "published name 'leaves', model 'leaves-1'" in warning
        again = provider.create(news).outs
        assert again is not None
        provider_module._UNDELETED.clear()
        destroy(provider, again)
        said.clear()
        provider.check({}, declared)
        assert said == [], "it was said, and the service has been there since"


class TestIndex:
    """The files that Azurite keeps its index in, after a power loss."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Properties:
        folder = tmp_path / "it's a folder"
        folder.mkdir()
        for name in ("index.json", "extents.json"):
            (folder / name).write_text(json.dumps({"of": name}))
        return {"data_dir": str(folder), "json_files": ["index.json", "extents.json"]}

    @pytest.fixture
    def folder(self, storage: Properties) -> Path:
        return Path(storage["data_dir"])

    @pytest.mark.parametrize("name", ["index.json", "extents.json"])
    @pytest.mark.parametrize(
        ("content", "said"),
        [(b"", "it is empty"), (b'{"of": "ind', "it is not JSON"), (bytes(99), "it is not JSON"), (None, "it is missing")],
    )
    def test_a_damaged_file_is_named_and_its_copy_put_in_place_by_the_command_that_is_said(
        self, storage: Properties, folder: Path, name: str, content: bytes | None, said: str
    ) -> None:
        keep_copies(storage)
        check_json_files(storage)
        file = folder / name
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        keep_copies(storage)
        with pytest.raises(LocalServiceError) as told:
            check_json_files(storage)
        assert str(told.value).startswith(f"{file} is damaged, as after a power loss ({said}")
        assert "`pulumi up --refresh`, which uploads missing files again" in str(told.value)
        command = str(told.value).partition("Restore the last copies: ")[2].partition(". Then run")[0]
        subprocess.run(["sh", "-ec", command], check=True)
        check_json_files(storage)
        assert [json.loads((folder / file_name).read_text()) for file_name in storage["json_files"]] == [
            {"of": file_name} for file_name in storage["json_files"]
        ]

    def test_without_copies_it_begins_with_an_empty_index(self, storage: Properties, folder: Path) -> None:
        (folder / "index.json").write_bytes(b"")
        keep_copies(storage)
        with pytest.raises(LocalServiceError, match="There is no copy") as told:
            check_json_files(storage)
        command = str(told.value).partition("Start with an empty index: ")[2].partition(". Then run")[0]
        subprocess.run(["sh", "-ec", command], check=True)
        check_json_files(storage)
        assert sorted(file.name for file in folder.iterdir()) == ["extents.json.damaged", "index.json.damaged"]

    def test_the_copies_follow_the_files(self, storage: Properties, folder: Path) -> None:
        keep_copies(storage)
        (folder / "index.json").write_text("[1]")
        keep_copies(storage)
        assert copy_of(folder / "index.json").read_text() == "[1]"

    def test_a_new_folder_has_no_index_yet(self, tmp_path: Path) -> None:
        new = {"data_dir": str(tmp_path / "new"), "json_files": ["index.json"]}
        check_json_files(new)
        keep_copies(new)
        check_json_files({"data_dir": str(tmp_path)})


def test_a_preview_says_that_a_program_is_missing(provider: LocalServiceProvider, declared: Properties) -> None:
    declared["command"] = ["no-such-program"]
    failures = provider.check({}, declared).failures
    assert [failure.property for failure in failures] == ["command"]
    assert "no-such-program is neither in the folder of" in failures[0].reason
    assert provider.check({"port": 4242}, declared).failures == [], "it runs already: nothing needs the program"
