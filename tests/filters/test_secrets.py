"""Secrets and e-mail addresses: what is one, and what only looks like one."""

import base64

import pytest

from sca_hf.filters.secrets import SecretSettings, secrets_in, without_secrets

KEY = base64.b64encode(bytes(range(96))).decode()
HEADER = "-----BEGIN RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key = 'AKIAIOSFODNN7EXAMPLX'", "key = '<secret>'"),
        (f"token = 'ghp_{'a1' * 18}'", "token = '<secret>'"),
        ("open('https://bob:hunter42@host.org/x')", "open('https<secret>host.org/x')"),
        (f"a = 1\nKEY = '''{HEADER}\n{KEY}\n-----END RSA PRIVATE KEY-----'''", "a = 1\nKEY = '''<secret>'''"),
        (f"KEY = '{HEADER}\\n{KEY}'", "KEY = '<secret>"),
        (f"t = '{'sk_live_'}{'a1' * 12}'", "t = '<secret>'"),
        ("# written by Jane <jane.doe+code@mail.company.org>", "# written by Jane <<email-address>>"),
        ("me@company.io, you@company.io", "<email-address>, <email-address>"),
    ],
)
def test_secrets_are_found_and_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text, secrets_in(text, SecretSettings())) == shown


@pytest.mark.parametrize(
    "text",
    [
        "mail('user@example.com', 'a@mail.example.org', 'b@host.test', 'root@localhost')",
        "run('git@github.com:me/code.git')",
        "no-reply@company.org",
        "product = a@b.transpose(1) + x@y.T + m@n.data[0]",
        "@decorator.of.a.function",
        "'https://user:password@host', 'ftp://{user}:{password}@host', 'http://$USER:$PASSWORD@host', 'a://b:***@c'",
        "AKIAIOSFODNN7EXAMPLE",
        f"if text.startswith('{HEADER}'): return True",
        "sha1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'",
        "password = 'swordfish'",
        "a_function_with_a_long_name_and_numbers_123456789(ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789)",
    ],
)
def test_what_looks_like_a_secret_is_let_through(text: str) -> None:
    assert secrets_in(text, SecretSettings()) == []


def test_addresses_are_let_through_on_request() -> None:
    text = "AKIAIOSFODNN7EXAMPLX of me@company.io"
    assert [each.reason for each in secrets_in(text, SecretSettings(emails=False))] == ["secret"]
