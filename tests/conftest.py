"""Settings that every test shares."""

from hypothesis import HealthCheck, settings

from tests.tryton_fixture import tryton_server as tryton_server  # noqa: PLC0414  a fixture for every folder below

# A busy machine is slow, not wrong: no deadlines. A failure prints what reproduces it.
settings.register_profile(
    "orderwright", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("orderwright")
