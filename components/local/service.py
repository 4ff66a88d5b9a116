"""The LocalService resource: a server on this machine, which later updates find again, and which `destroy` stops."""

import hashlib
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

import pulumi
from pulumi import dynamic

from vision_customization.common.loopback import asked
from vision_customization.components.local import data_folder, process
from vision_customization.components.local.data_folder import note_path, read_note
from vision_customization.components.local.errors import LocalServiceError
from vision_customization.components.local.process import DetachedProcess
from vision_customization.components.local.programs import is_fetched, program
from vision_customization.customization.resources.provider import (
    DeclaredProvider,
    Properties,
    engine_is_back,
    failures,
    is_known,
    undeleted_at,
)
from vision_customization.customization.resources.row import Row, row_urn

HOST = "127.0.0.1"
HEALTH_TIMEOUT_SECONDS = 90.0
"""How long a starting server may write nothing to its log: log lines show that it is busy, for example with a download."""
FETCH_TIMEOUT_SECONDS = 600.0
"""The same for a program that is downloaded first, which npx and Docker do without a word."""
START_TIMEOUT_SECONDS = 3600.0
"""How long a start may take in all: 230 MB at half a megabit per second."""
HEALTH_INTERVAL_SECONDS = 0.1
HTTP_SERVER_ERROR = 500


class LocalServiceProvider(DeclaredProvider):
    """A note (`service.json`) in the data folder identifies the process: an update that finds it running takes it over."""

    inputs = ("command", "environment", "data_dir", "health_path", "port", "endpoint", "running")
    identity = ("data_dir",)
    same_while_unknown = inputs

    def check(self, olds: Properties, news: Properties) -> dynamic.CheckResult:
        """Choose the port here, so that a preview knows the endpoint: the given one, else the former, else a free one.

        A preview of a first start also says which program is missing, and what a destroy could not delete.
        """
        port = news.get("port") or former_port(olds, news.get("data_dir")) or free_port()
        if not is_known(port):
            return dynamic.CheckResult(news, [])
        endpoint = f"http://{HOST}:{int(port)}"
        if problems := refused_move(olds, news) if olds else first_start(news):
            return dynamic.CheckResult(news, problems)
        return dynamic.CheckResult({**news, "port": int(port), "endpoint": endpoint, "running": True}, [])

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        """A dead process counts as a difference: the next update restarts it on the same port and data."""
        keep_copies({**olds, "json_files": news.get("json_files")})
        changed = self.changed(olds, news)
        if "data_dir" in changed and not data_folder.is_same(Path(olds["data_dir"]), Path(news["data_dir"])):
            Row(news["row_urn"]).say(f"its data moves from {olds['data_dir']} to {news['data_dir']}")
        elif trouble := trouble_of(olds):
            Row(news["row_urn"]).say(f"{trouble}, and {remedy_of(olds)}")
            changed |= {"running"}
        return self.difference(olds, changed)

    def create(self, props: Properties) -> dynamic.CreateResult:
        outs = {**props, **running(ensure(props))}
        data_folder.forget_undeleted(Path(props["data_dir"]))
        self.keep(props)
        return dynamic.CreateResult(str(props["data_dir"]), outs)

    def update(self, _id: str, olds: Properties, news: Properties) -> dynamic.UpdateResult:
        """Start the process, or take over the running one: whatever changed in the state, the process may have died."""
        former, data_dir = Path(olds["data_dir"]), Path(news["data_dir"])
        moves = not data_folder.is_same(former, data_dir)
        if moves and (problem := data_folder.conflict(former, data_dir)):
            raise LocalServiceError(problem)
        if moves or identity(olds) != identity(news):
            stop(olds)
        if not moves:
            return dynamic.UpdateResult({**news, **running(ensure(news))})
        stop_noted(former)
        data_folder.move_data(former, data_dir)
        try:
            return dynamic.UpdateResult({**news, **running(ensure(news))})
        except BaseException:
            stop_noted(data_dir)
            data_folder.move_data(data_dir, former)  # where the state still says that it is
            raise

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        keep_copies(props)
        return self.observed(id_, {**props, "running": trouble_of(props) is None})

    def delete(self, _id: str, props: Properties) -> None:
        """Stop the process; its data folder stays."""
        if self.is_kept(props):
            Row(props["row_urn"]).say("kept, because its replacement now uses it")
            return
        stop(props)
        stop_noted(Path(props["data_dir"]))
        data_folder.note_undeleted(Path(props["data_dir"]), undeleted_at(str(props["endpoint"])))


def first_start(news: Properties) -> list[dynamic.CheckFailure]:
    """What a preview says of a service that does not exist yet."""
    if not is_known(news["data_dir"]):
        return []
    if left := data_folder.read_undeleted(Path(news["data_dir"])):
        Row(news["row_urn"]).warn(
            "the last destroy could not delete what its data folder holds, because the service did not answer: "
            f"{', '.join(left)}. All of it is there again once the service runs, and published names answer again: "
            "`vision models unpublish` removes one"
        )
    try:
        program(str(news["command"][0]), str(news["data_dir"]))
    except LocalServiceError as error:
        return failures("command", [str(error)])
    return []


def refused_move(olds: Properties, news: Properties) -> list[dynamic.CheckFailure]:
    """The failure of a data folder that cannot move to another place."""
    if not is_known(news["data_dir"]) or olds.get("data_dir") in (None, news["data_dir"]):
        return []
    problem = data_folder.conflict(Path(olds["data_dir"]), Path(news["data_dir"]))
    return failures("data_dir", [problem] if problem else [])


def trouble_of(properties: Properties) -> str | None:
    """Why a server must be restarted; None if it runs and answers. One that hangs keeps its port and data."""
    if not process_of(properties).is_running():
        return "not running"
    if displaced := data_folder.displacement(Path(properties["data_dir"])):
        return displaced
    return None if is_healthy(properties) else "it is running, but does not answer"


def remedy_of(properties: Properties) -> str:
    """What an update does about a server in trouble."""
    copied = data_folder.is_copy(Path(properties["data_dir"]))
    return "another one will be started" if copied else "will be restarted"


def stop(properties: Properties) -> None:
    """Stop the process, unless it serves the folder that this one was copied from."""
    if not data_folder.is_copy(Path(properties["data_dir"])):
        process_of(properties).stop()


def stop_noted(data_dir: Path) -> bool:
    """Stop the process in a data folder's note, which an interrupted update may not have recorded in Pulumi's state."""
    note = read_note(data_dir)
    if note is None:
        return False
    noted = process_of(note)
    was_running = noted.is_running() and not data_folder.is_copy(data_dir)
    if was_running:
        noted.stop()
    note_path(data_dir).unlink(missing_ok=True)
    return was_running


def ensure(properties: Properties) -> DetachedProcess:
    """The running, healthy server: taken over if the note's process is alive and the same, else started."""
    data_dir = Path(properties["data_dir"])
    note = read_note(data_dir)
    if note and not data_folder.is_copy(data_dir):
        found = process_of(note)
        if found.is_running():
            same = note["identity"] == identity(properties) and data_folder.displacement(data_dir) is None
            if same and is_healthy(properties):
                return found
            Row(properties["row_urn"]).progress(
                f"stopping process {found.pid}, which does not answer or runs with other settings"
            )
            found.stop()
    started = start(properties)
    engine_is_back(str(properties["endpoint"]))
    return started


def start(properties: Properties) -> DetachedProcess:
    """Start the server and wait until it is healthy. Raises LocalServiceError, with the end of its log."""
    check_json_files(properties)
    keep_copies(properties)
    if not is_free(int(properties["port"])):
        raise LocalServiceError(
            f"port {int(properties['port'])} of {HOST} is in use by another program. "
            "Stop that program, or set another port in the stack's file"
        )
    log_file = Path(properties["data_dir"]) / "log.txt"
    command_line = command(properties)
    try:
        started = process.start(command_line, environment=properties.get("environment") or {}, log_file=log_file)
    except OSError as error:
        raise LocalServiceError(f"{command_line[0]} can't be started: {error.strerror}") from error
    note = {"pid": started.pid, "started": started.started, "port": int(properties["port"]), "identity": identity(properties)}
    data_folder.write_note(Path(properties["data_dir"]), note, Path(command_line[0]))
    wait_until_healthy(
        properties, started, log_file, FETCH_TIMEOUT_SECONDS if is_fetched(command_line) else HEALTH_TIMEOUT_SECONDS
    )
    return started


def wait_until_healthy(properties: Properties, started: DetachedProcess, log_file: Path, patience_seconds: float) -> None:
    """Wait, and show the log's last line: an engine may fetch its weights first.

    Raises:
        LocalServiceError: it ended, or neither answered nor wrote to its log in time; with the end of its log.
    """
    row, begun, said = Row(properties["row_urn"]), time.monotonic(), 0.0
    logged, heard = process.size_of(log_file), begun
    while not is_healthy(properties):
        now = time.monotonic()
        if not started.is_running():
            raise LocalServiceError(
                f"{properties['command'][0]} ended while it was starting. "
                f"The end of {log_file}:\n{process.last_lines(log_file)}"
            )
        size = process.size_of(log_file)
        if size != logged:
            logged, heard = size, now
        if now - heard > patience_seconds or now - begun > START_TIMEOUT_SECONDS:
            started.stop()
            raise LocalServiceError(
                f"{properties['command'][0]} did not answer at {properties['endpoint']} within {now - begun:.0f} s. "
                f"The end of {log_file}:\n{process.last_lines(log_file)}"
            )
        if now - begun > said + 1:
            said = now - begun
            told = f": {process.last_lines(log_file, 1)}" if heard > begun else ""
            row.progress(f"waiting until {properties['endpoint']} answers ({said:.0f} s){told}")
        time.sleep(HEALTH_INTERVAL_SECONDS)


def json_files(properties: Properties) -> list[Path]:
    """The files in the data folder that hold the server's index, and that it needs."""
    return [Path(properties["data_dir"], name).absolute() for name in properties.get("json_files") or ()]


def copy_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.copy")


def damage(file: Path) -> str | None:
    """What is wrong with a JSON file; None if it is intact, or neither it nor a copy exists."""
    try:
        return fault_of(file.read_bytes())
    except FileNotFoundError:
        return "it is missing" if copy_of(file).exists() else None


def fault_of(content: bytes) -> str | None:
    try:
        json.loads(content)
    except ValueError as error:
        return f"it is not JSON: {error}" if content else "it is empty"
    return None


def keep_copies(properties: Properties) -> None:
    """Copy the current index if all its files are intact: they belong together."""
    files = json_files(properties)
    if all(is_copied(file) for file in files):
        return
    try:
        found = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}
    except FileNotFoundError:
        return
    if any(fault_of(content) for _, content in found.values()):
        return
    for file, (mtime_ns, content) in found.items():
        draft = file.with_name(f".{copy_of(file).name}.{os.getpid()}")
        with draft.open("wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        os.utime(draft, ns=(mtime_ns, mtime_ns))
        draft.replace(copy_of(file))


def is_copied(file: Path) -> bool:
    """Whether the copy is of the current file: then it has the file's mtime."""
    try:
        return copy_of(file).stat().st_mtime_ns == file.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def check_json_files(properties: Properties) -> None:
    """Raises LocalServiceError if the index is damaged, with the file and the remedy: the server would not start, or start
    empty."""
    files = json_files(properties)
    damaged = {file: reason for file in files if (reason := damage(file)) is not None}
    if not damaged:
        return
    file, reason = next(iter(damaged.items()))
    aside = " && ".join(f"mv {quote(str(found))} {quote(str(found))}.damaged" for found in files if found.exists())
    copies = [copy_of(found) for found in files]
    if all(copy.exists() for copy in copies):
        back = " && ".join(f"cp {quote(str(copy))} {quote(str(found))}" for copy, found in zip(copies, files, strict=True))
        remedy = f"Restore the last copies: {' && '.join(part for part in (aside, back) if part)}"
    else:
        remedy = f"There is no copy. Start with an empty index: {aside}"
    raise LocalServiceError(
        f"{file} is damaged, as after a power loss ({reason}). {remedy}. "
        "Then run `pulumi up`, which starts the service, and `pulumi up --refresh`, which uploads missing files again"
    )


def is_healthy(properties: Properties) -> bool:
    """Whether the server answers its health path without a server error."""
    status = asked(str(properties["endpoint"]), str(properties["health_path"]))
    return status is not None and status < HTTP_SERVER_ERROR


def command(properties: Properties) -> list[str]:
    """The command line, with the program's path, and `{port}` and `{data_dir}` filled in."""
    values = {"port": int(properties["port"]), "data_dir": str(Path(properties["data_dir"]).absolute())}
    name, *arguments = [part.format(**values) for part in properties["command"]]
    return [*program(name, str(values["data_dir"])), *arguments]


def identity(properties: Properties) -> str:
    """The settings a running server was started with. The environment may contain keys, so only a digest is stored."""
    started_as = [properties["command"], properties.get("environment") or {}, int(properties["port"])]
    return hashlib.sha256(json.dumps(started_as, sort_keys=True).encode()).hexdigest()


def process_of(properties: Properties) -> DetachedProcess:
    return DetachedProcess(int(properties["pid"]), properties["started"])


def running(found: DetachedProcess) -> Properties:
    return {"pid": found.pid, "started": found.started, "running": True}


def former_port(olds: Properties, data_dir: object) -> int | None:
    """The port that a service had in the state, or according to its note; None for one that has a copied folder, and whose
    original has this port."""
    if not isinstance(data_dir, str | os.PathLike):  # a preview does not know it yet
        return olds.get("port")
    note, original = read_note(Path(data_dir)), data_folder.note_of_original(Path(data_dir))
    port = olds.get("port") or (note["port"] if note else None)
    return None if port is None or (original and original["port"] == port) else int(port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class LocalService(dynamic.Resource, module="vision", name="LocalService"):
    """A server on the loopback address. `command` may hold `{port}` and `{data_dir}`; `environment` is kept as a secret.

    It writes to `data_dir`/log.txt, and counts as up when `health_path` answers. `json_files` names the files in `data_dir`
    that hold its index: they are backed up, and if one is damaged, the server is not started.
    """

    endpoint: pulumi.Output[str]
    port: pulumi.Output[float]
    pid: pulumi.Output[float]

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[pulumi.Input[str]],
        data_dir: pulumi.Input[str],
        health_path: str = "/",
        json_files: Sequence[str] = (),
        environment: Mapping[str, pulumi.Input[str]] | None = None,
        port: pulumi.Input[int] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            LocalServiceProvider(),
            name,
            {
                "command": list(command),
                "environment": pulumi.Output.secret(dict(environment or {})),
                "data_dir": data_dir,
                "health_path": health_path,
                "json_files": list(json_files),
                "port": port,
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
                "endpoint": None,
                "running": None,
                "pid": None,
                "started": None,
            },
            opts,
        )
