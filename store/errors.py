"""What can go wrong in the store."""


class DatabaseUnavailable(Exception):
    """The database did not do the work: away, locked for too long, or its tables are missing. Trying later may help."""


class SchemaOutdated(Exception):
    """The tables are older or newer than this program."""


class CrosswalkConflict(Exception):
    """Two different links claim the same id; a human has to say which is right."""
