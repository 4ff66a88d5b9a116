"""Every form in which a secret of this project is written, and what looks like one and is none."""

import json
import time

import pytest

from vision_customization.common.redaction import HIDDEN, redacted, without_query

SIGNATURE = "aB3%2Fx%2Byz9Q0Kq7LmN%3D"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
ACCOUNT_KEY_ENCODED = ACCOUNT_KEY.replace("/", "%2F").replace("=", "%3D")
GENERATED_KEY = "q1w2e3r4t5y6u7i8o9p0A1S2D3F4G5H6J7K8L9+/Zxc="
FERNET_KEY = "q1w2e3r4t5y6u7i8o9p0A1S2D3F4G5H6J7K8L9-_Zxc="
AI_KEY = "A" * 52 + "JQQJ99" + "B" * 26
API_KEY = "0123456789abcdef0123456789abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKC\nAQEAx1Jz=\n-----END RSA PRIVATE KEY-----"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # SAS tokens
        (f"https://a.blob.core.windows.net/c?sv=1&sig={SIGNATURE}&se=2", "https://a.blob.core.windows.net/c?sv=1&sig=***&se=2"),
        (f"SIG={SIGNATURE}", "SIG=***"),
        (f"sig%3D{SIGNATURE}", "sig%3D***"),
        (
            "next=https%3A%2F%2Fa%2Fc%3Fsv%3D1%26sig%3DaB3%252Fx%26se%3D2",
            "next=https%3A%2F%2Fa%2Fc%3Fsv%3D1%26sig%3D***%26se%3D2",
        ),
        (f"a?sv=1&amp;sig={SIGNATURE}&amp;se=2", "a?sv=1&amp;sig=***&amp;se=2"),
        (rf"a?sv=1\u0026sig={SIGNATURE}\u0026se=2", r"a?sv=1\u0026sig=***\u0026se=2"),
        (f"`sig={SIGNATURE}` | (sig={SIGNATURE})", "`sig=***` | (sig=***)"),
        (f"signature={SIGNATURE}", "signature=***"),
        ('{"sasToken": "sv=1"}', '{"sasToken": "***"}'),
        (f'{{"sasToken": "sv=1&sig={SIGNATURE}", "kind": "sas"}}', '{"sasToken": "***", "kind": "sas"}'),
        (
            rf'{{"body": "{{\"sasToken\": \"sv=1&sig={SIGNATURE}\", \"kind\": 1}}"}}',
            r'{"body": "{\"sasToken\": \"***\", \"kind\": 1}"}',
        ),
        (f"{{'sas_token': 'sv=1&sig={SIGNATURE}'}}", "{'sas_token': '***'}"),
        # Keys of an account, connection strings
        (f"the key {ACCOUNT_KEY} is wrong", "the key *** is wrong"),
        (f"?key={ACCOUNT_KEY_ENCODED}&a=1", "?key=***&a=1"),
        (
            f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={ACCOUNT_KEY};EndpointSuffix=core.windows.net",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=***;EndpointSuffix=core.windows.net",
        ),
        ("AccountName=a;AccountKey=short;X=1", "AccountName=a;AccountKey=***;X=1"),
        (
            f"BlobEndpoint=https://a/;SharedAccessSignature=sv=1&sr=c&sig={SIGNATURE};X=1",
            "BlobEndpoint=https://a/;SharedAccessSignature=***;X=1",
        ),
        (
            "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=abc=",
            "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=***",
        ),
        (f"AZURE_STORAGE_KEY={ACCOUNT_KEY}", "AZURE_STORAGE_KEY=***"),
        (AI_KEY, "***"),
        # Tokens
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer ***"),
        ("Authorization: Bearer opaque", "Authorization: Bearer ***"),
        ("authorization: Basic dTpw", "authorization: Basic ***"),
        (f"Authorization: SharedKey account:{'a' * 43}=", "Authorization: SharedKey ***"),
        (f'{{"Authorization": "Bearer {JWT}", "a": 1}}', '{"Authorization": "Bearer ***", "a": 1}'),
        (f"(b'Authorization', b'Bearer {JWT}')", "(b'Authorization', b'Bearer ***')"),
        (f"bearer {'x1' * 20}", "bearer ***"),
        (f"token {JWT}.", "token ***."),
        (f'"access_token": "{JWT}"', '"access_token": "***"'),
        ("access_token=abc&x=1", "access_token=***&x=1"),
        # Keys of the service
        (f"Ocp-Apim-Subscription-Key: {API_KEY}", "Ocp-Apim-Subscription-Key: ***"),
        (f'curl -H "Ocp-Apim-Subscription-Key: {API_KEY}" -X GET', 'curl -H "Ocp-Apim-Subscription-Key: ***" -X GET'),
        (f"{{'ocp-apim-subscription-key': '{API_KEY}'}}", "{'ocp-apim-subscription-key': '***'}"),
        (f"(b'Ocp-Apim-Subscription-Key', b'{API_KEY}')", "(b'Ocp-Apim-Subscription-Key', b'***')"),
        (f"?subscription-key={API_KEY}&a=1", "?subscription-key=***&a=1"),
        (f"VISION_KEY={API_KEY} vision check", "VISION_KEY=*** vision check"),
        (f"VISION_ENGINE_KEYS={API_KEY},{API_KEY}", "VISION_ENGINE_KEYS=***"),
        (f"VISION_ENGINE_VISION_KEY={API_KEY}", "VISION_ENGINE_VISION_KEY=***"),
        (f"VISION_ENGINE_TOKEN_KEY={FERNET_KEY}", "VISION_ENGINE_TOKEN_KEY=***"),
        (f'"VISION_ENGINE_KEYS": "{GENERATED_KEY}"', '"VISION_ENGINE_KEYS": "***"'),
        (f"a key {GENERATED_KEY}, and {FERNET_KEY}", "a key ***, and ***"),
        # Passwords, and what stands before a host
        ("postgresql://vision:s3cret@db:5432/vision?sslmode=require", "postgresql://***@db:5432/vision?sslmode=require"),
        ("postgresql+psycopg://vision:a@b@db/vision", "postgresql+psycopg://***@db/vision"),
        ("postgresql://vision:a/b?c@db/vision", "postgresql://***@db/vision"),
        ('{"url": "postgresql://vision:pw@db/vision"}', '{"url": "postgresql://***@db/vision"}'),
        ("https://token@github.com/a/b and https://u:p@pypi/simple", "https://***@github.com/a/b and https://***@pypi/simple"),
        ("host=db user=u password=s3cret dbname=v", "host=db user=u password=*** dbname=v"),
        ("password='a b' dbname=v", "password='***' dbname=v"),
        ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
        ('"administratorLoginPassword": "a\'b"', '"administratorLoginPassword": "***"'),
        ("PULUMI_CONFIG_PASSPHRASE=abc", "PULUMI_CONFIG_PASSPHRASE=***"),
        ("client_secret=abc&grant_type=x", "client_secret=***&grant_type=x"),
        # Private keys
        (f"before {PEM} after", "before *** after"),
        (json.dumps({"key": PEM}), '{"key": "***"}'),
        ('{"key": "-----BEGIN PRIVATE KEY-----\\nMIIEow', '{"key": "***'),
    ],
)
def test_a_secret_is_struck_out(text: str, expected: str) -> None:
    assert redacted(text) == expected
    assert redacted(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        SHA256,
        f"sha256:{SHA256}",
        f"x-ms-artifact-digest: sha256:{SHA256}",
        "d41d8cd98f00b204e9800998ecf8427e",
        f"sha512-{ACCOUNT_KEY}",
        f"sha256-{GENERATED_KEY}",
        "1b47061264138c4ac30d75fd1eb44270",
        "c9bf9e57-1685-4c89-bafb-ff5af830be8a",
        "design=1, assigned=2, designature=3",
        "https://a.blob.core.windows.net/c/folder/a.png?sv=1&sr=c&sp=rl",
        "http://127.0.0.1:10000/devstoreaccount1/c/a@b.png",
        "http://[::1]:8080/a@b",
        "https://registry.npmjs.org/@scope/package@1.0.0",
        "https://example.com/@somebody",
        "postgresql://db:5432/vision?sslmode=require",
        "sqlite:////data/engine.sqlite",
        "urn:pulumi:dev::vision::vision:Model::leaves",
        "mail somebody@example.com",
        "-----BEGIN CERTIFICATE-----\nMIIEow==\n-----END CERTIFICATE-----",
        "VISION_ENGINE_KEYS: a key must consist of printable ASCII characters without spaces",
        "VISION_ENGINE_TOKEN_KEY: is not a Fernet key",
        "key: must be one line of ASCII text",
        "password: must have 8 characters",
        "Basic authentication and bearer authentication are refused",
        "authorization: the role is missing; the api-key, which",
        '{"model-name": "m", "key": "jobs/1/plan", "tokens": 3}',
        "the key folder/a/b/c=d of model sig-1",
        "stacks/Pulumi.prod.yaml",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_what_the_caller_knows_is_struck_out_whatever_it_looks_like() -> None:
    assert redacted(f"key {API_KEY} of {SHA256}", [API_KEY, ""]) == f"key {HIDDEN} of {SHA256}"


def test_json_stays_json() -> None:
    line = {
        "event": f'asked "https://u:p@h/c?sig={SIGNATURE}"',
        "body": json.dumps({"sasToken": f"sig={SIGNATURE}"}),
        "pem": PEM,
    }
    again = json.loads(redacted(json.dumps(line)))
    assert again == {"event": 'asked "https://***@h/c?sig=***"', "body": '{"sasToken": "***"}', "pem": "***"}


@pytest.mark.parametrize(
    "part",
    [
        "https://a:",
        "https://a@",
        "a.b://",
        "sig",
        "sig=",
        'sig="',
        "password=",
        '"sastoken": \\"',
        "\\",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----BEGIN A PRIVATE KEY----------END B PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "eyJ",
        "eyJhbGciOi.",
        "a",
        "a=",
        "%3D",
        "Bearer ",
        "Authorization: Bearer ",
        "x-api-key: ",
    ],
)
def test_the_time_grows_with_the_length_and_not_with_its_square(part: str) -> None:
    def seconds(length: int) -> float:
        text = part * (length // len(part))
        started = time.thread_time()
        redacted(text)
        return time.thread_time() - started

    # Four times the length takes four times as long, sixteen times where the square counts.
    assert min(seconds(80_000) for _ in range(3)) < 8 * min(seconds(20_000) for _ in range(3)) + 0.01


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a/b?sig=secret", "https://a/b"),
        ("https://a/b#sig=secret", "https://a/b"),
        ("https://me:secret@a/b", "https://a/b"),
        ("HTTPS://me:a@b@h/b", "HTTPS://h/b"),
        ("https://a/@b", "https://a/@b"),
    ],
)
def test_a_url_without_query(url: str, shown: str) -> None:
    assert without_query(url) == shown
