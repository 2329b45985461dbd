"""What can go wrong with the sandbox itself. Apart from what raises it, so that saying it loads none of that."""


class PartFailed(Exception):
    """A part of the sandbox did not come up or went away; the message ends with the last lines of its log."""


class PreparationFailed(Exception):
    """Tryton could not be made ready; the message says what to do."""


class HouseStuck(Exception):
    """What was waited for did not happen in time; the message says how far it got."""


class StagingRefused(Exception):
    """The drill did not begin, and nothing was done; the message says why and what helps."""
