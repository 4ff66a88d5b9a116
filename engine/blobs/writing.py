"""Writing a large blob in blocks: nobody sees it before all of it is there."""

import base64
from collections.abc import Iterable

from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import BlobReader

BLOCK_BYTES = 4 * 1024 * 1024


def write_blob(access: Access, reader: BlobReader, url: str, pieces: Iterable[bytes], content_type: str) -> None:
    """Write `pieces`, one after the other, as the blob at `url`; an existing blob is replaced.

    https://learn.microsoft.com/rest/api/storageservices/put-block, put-block-list

    Raises:
        BlobError: as `BlobReader.put`.
    """
    scope = access.scope_of(url)
    sas = access.sas if scope is not None else None
    ids: list[str] = []
    for block in _blocks(pieces):
        ids.append(base64.b64encode(f"{len(ids):08d}".encode()).decode())
        query = f"comp=block&blockid={ids[-1].replace('=', '%3D')}"
        reader.put(url, query, block, sas=sas, sas_scope=scope, identity=access.identity)
    listed = "".join(f"<Latest>{id_}</Latest>" for id_ in ids)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
    reader.put(url, "comp=blocklist", body, sas=sas, sas_scope=scope, identity=access.identity, content_type=content_type)


def _blocks(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """The pieces, joined to blocks of at least BLOCK_BYTES, but the last."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
