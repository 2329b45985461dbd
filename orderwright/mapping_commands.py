"""``orderwright mapping ...``: the reviewed rules that lie over the mapping files; see them, and withdraw one."""

from typing import Annotated

import typer

from config.mappings import load_mappings
from orderwright.order_messages import who
from orderwright.terminal import (
    Actor,
    AsJson,
    CommandFailed,
    invocation,
    open_store,
    print_json,
    print_table,
    short_enough,
)
from web.desk.rules import rules_that_stand, withdraw

mappings = typer.Typer(
    no_args_is_help=True, help="See the rules that cases were solved by, and withdraw one that was wrong."
)


@mappings.command("list")
def list_rules(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the rules that lie over the mapping files, the oldest first."""
    files = load_mappings(invocation(ctx).settings())
    with open_store(ctx) as database:
        found = rules_that_stand(database, files)
    if as_json:
        print_json(found)
        return
    heads = ("Mapping", "Entry", "Value", "Who", "Since", "Case", "Why")
    rows = (
        (
            rule.mapping,
            rule.place,
            rule.value,
            rule.actor,
            f"{rule.at:%Y-%m-%d %H:%M}",
            "-" if rule.case_id is None else str(rule.case_id),
            rule.reason,
        )
        for rule in found
    )
    print_table(
        "Rules (UTC)", heads, rows, wide={"Why"}, empty="no rules: the mapping files hold as they are"
    )


@mappings.command("withdraw")
def withdraw_rule(
    ctx: typer.Context,
    entry: Annotated[
        str, typer.Argument(metavar="ENTRY", help="As the list tells it, such as '[skus] ABC-1'.")
    ],
    *,
    reason: Annotated[str, typer.Option(help="Why; kept with the rule.", callback=short_enough)],
    mapping: Annotated[str, typer.Option(help="Of this mapping, where several have such a rule.")] = "",
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """End a rule: what the file says holds again, for every order that is read or entered from now on."""
    if not reason.strip():
        raise CommandFailed("say why: --reason is empty")
    files = load_mappings(invocation(ctx).settings())
    with open_store(ctx) as database:
        told = withdraw(database, files, entry, mapping=mapping, actor=who(actor), reason=reason)
    if as_json:
        print_json({"withdrawn": entry, "text": told})
    else:
        typer.echo(told)
