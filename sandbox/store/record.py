"""The base of all records of the sandbox's store."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Changed by the modules that act on orders alone; unknown fields are an error."""

    model_config = ConfigDict(extra="forbid")
