"""Takes buyers' addresses out of sentences that are kept for long."""

import re

MASK = "***"
_EMAIL = re.compile(r"[^\s@<>\"'(),;]+@[^\s@<>\"'(),;]+\.[^\s@<>\"'(),;.]+")


def mask_emails(text: str) -> str:
    """The sentence with every e-mail address replaced: an operator's reason or a system's refusal may quote one."""
    return _EMAIL.sub(MASK, text)
