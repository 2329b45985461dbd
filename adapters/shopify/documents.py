"""The GraphQL documents this adapter can send, read from ``documents/*.graphql`` and completed with their fragments.

A file holds one operation and is named like it; ``documents/fragments`` holds one fragment a file, named like it.
``tests/contract/test_shopify_documents.py`` validates every one against Shopify's published schema.
"""

import re
from functools import cache
from importlib.resources import files

_FOLDER = files("adapters.shopify") / "documents"
_SPREAD = re.compile(r"\.\.\.\s*(?!on\b)(\w+)")


def names() -> tuple[str, ...]:
    """Every document there is, by file name without its ending."""
    return tuple(
        sorted(
            entry.name.removesuffix(".graphql")
            for entry in _FOLDER.iterdir()
            if entry.name.endswith(".graphql")
        )
    )


@cache
def document(name: str) -> str:
    """The text of a document, with each fragment it needs once. Raises FileNotFoundError for an unknown name."""
    text = (_FOLDER / f"{name}.graphql").read_text(encoding="utf-8")
    waiting = _SPREAD.findall(text)
    fragments: dict[str, str] = {}
    while waiting:
        fragment = waiting.pop()
        if fragment not in fragments:
            fragments[fragment] = (_FOLDER / "fragments" / f"{fragment}.graphql").read_text(encoding="utf-8")
            waiting += _SPREAD.findall(fragments[fragment])
    return "\n".join([text, *(fragments[key] for key in sorted(fragments))])
