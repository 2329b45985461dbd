"""Takes buyers' addresses and secrets out of texts that are kept for long."""

import re

MASK = "***"
LONGEST_EVIDENCE = 4000
_EMAIL = re.compile(r"[^\s@<>\"'(),;]+@[^\s@<>\"'(),;]+\.[^\s@<>\"'(),;.]+")

_NAMES_OF_SECRETS = (
    r"[\w-]*(?:authorization|password|passwd|secret|token|api[_-]?key|cookie|signature|hmac)[\w-]*|session"
)
_NAMES_OF_PEOPLE = (
    r"(?:first|last|full|party|customer|company|billing|shipping)?[_ ]?name|attn|email|phone|mobile|"
    r"(?:address|street)[\w-]*|city|zip|postal[_ ]?code|latitude|longitude|(?:browser[_ ]?)?ip"
)
# "name": "value" as JSON and Python write it; where the text was cut, the closing quote may be missing.
_QUOTED = re.compile(
    rf"(?P<name>(?P<quote>[\"']?)\b(?:{_NAMES_OF_SECRETS}|{_NAMES_OF_PEOPLE})\b(?P=quote)\s*[:=]\s*)"
    r"(?P<mark>[\"'])(?:\\.|(?!(?P=mark)).)*(?:(?P=mark)|$)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED_SECRET = re.compile(
    rf"(?P<name>(?P<quote>[\"']?)\b(?:{_NAMES_OF_SECRETS})\b(?P=quote)\s*[:=]\s*)"
    r"(?P<mark>[\"'])(?:\\.|(?!(?P=mark)).)*(?:(?P=mark)|$)",
    re.IGNORECASE | re.DOTALL,
)
_BARE = re.compile(
    rf"(?P<name>[\"']?\b(?:{_NAMES_OF_SECRETS})\b[\"']?\s*[:=]\s*)(?:(?:bearer|basic|session)\s+)?[^\s,;\"'&{{}}\[\]]+",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic|session)\s+[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+@")
_SHOP_TOKEN = re.compile(r"\bshp[a-z]{2}_[A-Za-z0-9]+")


def mask_emails(text: str) -> str:
    """The sentence with every e-mail address replaced: an operator's reason or a system's refusal may quote one."""
    return _EMAIL.sub(MASK, text)


def mask_evidence(text: str) -> str:
    """A raw request or answer without secrets, names and addresses, cut to a length that people still read.

    What is masked is found by the name it stands under (``"password": "x"``, ``Authorization: Bearer x``), so that
    the rest stays readable.
    """
    text = _QUOTED.sub(lambda found: f"{found['name']}{found['mark']}{MASK}{found['mark']}", text)
    return mask_secrets(text)[:LONGEST_EVIDENCE]


def mask_secrets(text: str) -> str:
    """A text without secrets and e-mail addresses, such as a line of a log: names that are no secret's stay."""
    text = _USERINFO.sub("", text)
    text = _SHOP_TOKEN.sub(MASK, text)
    text = _QUOTED_SECRET.sub(lambda found: f"{found['name']}{found['mark']}{MASK}{found['mark']}", text)
    text = _BARE.sub(lambda found: f"{found['name']}{MASK}", text)
    text = _SCHEME.sub(lambda found: f"{found[1]} {MASK}", text)
    return mask_emails(text)
