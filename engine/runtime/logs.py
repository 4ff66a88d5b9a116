"""Logs as lines of JSON on stderr: `time`, `level`, `event`, and the event's own fields.

Secrets are redacted in every line, including those of libraries.
"""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from vision_customization.common.redaction import redacted

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""`apim-request-id` of the request that this context serves."""

_CHATTY = ("jax._src.xla_bridge", "alembic", "asyncio", "azure", "dbos", "httpcore", "httpx", "urllib3")
_RESERVED = frozenset({*vars(logging.makeLogRecord({})), "message", "color_message"})


class JsonLines(logging.Formatter):
    """One JSON object per record; the fields of `extra` become keys beside `event`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        if identifier := request_id.get():
            line["apim-request-id"] = identifier
        line.update({name: value for name, value in vars(record).items() if name not in _RESERVED})
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return redacted(json.dumps(line, default=str, ensure_ascii=False))


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Make every logger of this process write JSON lines to `stream` (stderr), from `level` (a name in lower case) up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
