"""Secrets and e-mail addresses in texts.

Secrets are what the detectors of detect-secrets find that know a service's tokens, passwords in URLs and private keys.
Its detectors that go by entropy or by a variable's name are left out: they take ordinary code for secrets (two of them
have 14,694 hits in 5,152 documented functions of installed packages, where the others have none). Nobody is asked
whether a secret is still in use.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal

from sca_hf.settings import Settings

# Modules and classes of detect_secrets.plugins.
_DETECTORS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "cloudant": "CloudantDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "ibm_cloud_iam": "IbmCloudIamDetector",
    "ibm_cos_hmac": "IbmCosHmacDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "softlayer": "SoftlayerDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
# What a line must hold for a detector to find something in it: a long word with a digit, or a URL's user. Few lines do,
# and each detector takes as long as this.
_CANDIDATE = re.compile(r"[\w+/=.:-]{20,}|://[^\s/]*@")
_DIGIT = re.compile(r"\d")
# The header alone is in every program that reads keys.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?=[\s\S]{0,200}?[A-Za-z0-9+/=]{40})"
    r"[\s\S]*?(?:-----END[^\n-]*-----|\Z)"
)
# What stands for a secret in an example.
_PLACEHOLDER = re.compile(r"(?:my|your|the)?[-_]?(?:pass(?:word|wd)?|pwd?|secret|token|key)|[^a-z]*|.*example.*", re.I)

_EMAIL = re.compile(
    r"(?<![\w.+/%-])[A-Za-z0-9][\w.+%-]*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w(\[])"
)
_USER_OF_URL = re.compile(r"://[^\s/@]*@")
# Domains that nobody can have (RFC 2606, RFC 6761), and addresses that are nobody's.
_NOBODYS = re.compile(r"(?:git|no-?reply)@.*|.*[@.](?:example(?:\.(?:com|net|org|edu))?|test|invalid|localhost)", re.I)


class SecretSettings(Settings):
    """Secrets, which no seed may contain. `emails`: nor any e-mail address, but for those of reserved domains."""

    emails: bool = True

    def intent(self) -> dict[str, Any]:
        """Return the settings with the detectors' version."""
        return super().intent() | {"detectors": version("detect-secrets")}


@dataclass(frozen=True)
class Secret:
    """`kind`: what it is, such as "AWS Access Key"."""

    reason: Literal["secret", "email-address"]
    kind: str
    text: str


def secrets_in(text: str, settings: SecretSettings) -> list[Secret]:
    """Return the secrets of a text, then its e-mail addresses."""
    matches = [Secret("secret", "Private Key", key) for key in _PRIVATE_KEY.findall(text)]
    for line in _candidates(text):
        matches += [Secret("secret", kind, secret) for kind, secret in _detected(line)]
    if settings.emails and "@" in text:
        plain = _USER_OF_URL.sub("://", without_secrets(text, matches))
        addresses = (address for address in _EMAIL.findall(plain) if not _NOBODYS.fullmatch(address))
        matches += [Secret("email-address", "e-mail address", address) for address in addresses]
    return matches


def without_secrets(text: str, secrets: list[Secret]) -> str:
    """Return the text with `<secret>` and `<email-address>` in the place of each, as people may see it."""
    for secret in sorted(secrets, key=lambda each: (each.reason != "secret", -len(each.text))):
        text = text.replace(secret.text, f"<{secret.reason}>")
    return text


def _candidates(text: str) -> Iterator[str]:
    end = -1
    for match in _CANDIDATE.finditer(text):
        if match.start() > end and (match[0][-1] == "@" or _DIGIT.search(match[0])):
            end = text.find("\n", match.end())
            end = len(text) if end < 0 else end
            yield text[text.rfind("\n", 0, match.start()) + 1 : end]


def _detected(line: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each match: all of it, of which a detector itself returns a part."""
    for detector in _detectors():
        for pattern in detector.denylist:
            for match in pattern.finditer(line):
                secret = next(filter(None, reversed(match.groups())), match[0])
                if not _PLACEHOLDER.fullmatch(secret) and not _is_template(secret):
                    yield detector.secret_type, match[0]


def _is_template(secret: str) -> bool:
    """Return whether it is {secret}, <secret> or ${secret}."""
    from detect_secrets.filters.heuristic import is_prefixed_with_dollar_sign, is_templated_secret

    return bool(is_templated_secret(secret) or is_prefixed_with_dollar_sign(secret))


@cache
def _detectors() -> tuple[Any, ...]:
    """Return the detectors; importing them takes a moment."""
    return tuple(
        getattr(import_module(f"detect_secrets.plugins.{module}"), name)() for module, name in _DETECTORS.items()
    )
