"""What every answer of the Admin API is made of, and what happens to one that does not fit.

Names follow Shopify's, in snake case. Fields that nobody asked for are ignored; a missing or ill-formed one is a
``ContractBroken`` that names it. Ids lose their prefix: ``gid://shopify/Order/5001`` is ``"5001"``.
"""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from adapters.errors import ContractBroken
from adapters.shopify.global_ids import GidTail
from domain.model import Quantity

SYSTEM = "shopify"


class Answer(BaseModel):
    """Base of everything that is read from Shopify."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


Node = TypeVar("Node", bound=Answer)
AnswerModel = TypeVar("AnswerModel", bound=Answer)


class PageInfo(Answer):
    """Whether there is more of a list, and from where."""

    has_next_page: bool
    end_cursor: str | None = None


class Page(Answer, Generic[Node]):
    """A page of a list; after ``reading.py`` is done with it, the whole list."""

    nodes: tuple[Node, ...]
    page_info: PageInfo


class Count(Answer):
    """How many there are in all."""

    count: Quantity


class Identified(Answer):
    """Something of which only the id matters."""

    id: GidTail


class UserError(Answer):
    """Why a mutation was refused; ``field`` is the path to the input that was wrong."""

    message: str
    field: tuple[str, ...] | None = None
    code: str | None = None


def fit(model: type[AnswerModel], value: Any, operation: str, at: str) -> AnswerModel:
    """Read a part of an answer. Raises ContractBroken that names the field, from ``at`` downwards."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise contract_broken(error, operation, at, value) from error


def contract_broken(error: ValidationError, operation: str, at: str, raw: Any) -> ContractBroken:
    """The first thing that does not fit, by its path, and how many more there are."""
    first, *others = error.errors(include_url=False)
    path = ".".join([at, *(str(part) for part in first["loc"])])
    more = f" (and {len(others)} more)" if others else ""
    return ContractBroken(SYSTEM, operation, f"{path} does not fit: {first['msg']}{more}", repr(raw))
