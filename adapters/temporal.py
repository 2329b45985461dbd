"""The connection to Temporal: address, profile, data converter, search attributes."""

from collections.abc import Sequence

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, Interceptor
from temporalio.common import SearchAttributeKey
from temporalio.envconfig import ClientConfig

from adapters.payloads import DATA_CONVERTER
from config.setting_groups import TemporalSettings


async def connect(settings: TemporalSettings, *, lazy: bool = False, traced: bool = False) -> Client:
    """Connect as the settings say. ``lazy`` returns at once and connects on the first call.

    ``traced`` carries traces over Temporal: through this client, and the workers that use it.

    Raises RuntimeError where the server cannot be reached (never when lazy).
    """
    interceptors = tracing() if traced else []
    if settings.profile is not None:
        options = ClientConfig.load_client_connect_config(profile=settings.profile)
        return await Client.connect(
            **options, data_converter=DATA_CONVERTER, lazy=lazy, interceptors=interceptors
        )
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        data_converter=DATA_CONVERTER,
        lazy=lazy,
        interceptors=interceptors,
        tls=settings.tls or settings.api_key is not None,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
    )


def tracing() -> list[Interceptor]:
    """What carries a trace from a client to a workflow and its activities, in the headers of their history.

    Temporal's newer plugin is not used: it keeps a workflow's span open until the workflow ends, and an order lives for
    months. This one marks a workflow's steps as spans without length at once, and none again on replay.
    """
    from temporalio.contrib.opentelemetry import TracingInterceptor  # noqa: PLC0415  brings the SDK; only who traces pays

    return [TracingInterceptor()]


async def ensure_search_attributes(
    client: Client, keys: Sequence[SearchAttributeKey[str]]
) -> tuple[str, ...]:
    """Register keyword attributes the namespace lacks; returns the names it added."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = tuple(key.name for key in keys if key.name not in known.custom_attributes)
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes=dict.fromkeys(missing, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD),
            )
        )
    return missing
