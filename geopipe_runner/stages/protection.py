"""`protect: true`: nothing of the deployment is deleted before its name was given."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.model import Config
from ..context import Context, Options
from ..errors import RefusedError
from ..reconcile.model import PlannedChange

# A question lists no more resources than this.
_LISTED = 6


def check_confirmation(config: Config, options: Options, *, cleans_up: bool) -> None:
    """Refuse, before anything is called, what would be refused at the end.

    Raises:
        RefusedError: `--confirm` names another deployment, or is missing where no one can be asked.
    """
    if options.confirm and config.deployment not in options.confirm:
        raise RefusedError(
            f"Nothing was done, because --confirm names {', '.join(sorted(options.confirm))}, and this is the "
            f"deployment {config.deployment}.",
            "Check which configuration you named.",
        )
    deletes = options.prune or (cleans_up and options.cleanup_policy(config) not in ("ask", "none"))
    if deletes and config.protect and not options.confirm and not options.interactive:
        raise _unconfirmed(config, options, "done")


def confirm_deletion(context: Context, changes: Sequence[PlannedChange]) -> None:
    """Ask for the name of a protected deployment, once per command. Raises RefusedError if it was not given."""
    config, options = context.config, context.options
    if not changes or not config.protect or context.state.deletion_confirmed or config.deployment in options.confirm:
        return
    if not options.interactive:
        raise _unconfirmed(config, options, "deleted")
    names = [f"{change.resource.kind.label} {change.resource.name}" for change in changes]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    question = (
        f"The deployment {config.deployment} is protected. Type its name to delete {', '.join(names[:_LISTED])}{more}:"
    )
    if not context.report.confirm(question, config.deployment):
        raise RefusedError(f"Nothing was deleted, because that is not the name of the deployment {config.deployment}.")
    context.state.deletion_confirmed = True


def _unconfirmed(config: Config, options: Options, what: str) -> RefusedError:
    # `apply` has no --cleanup, and --cleanup=none does not keep what --prune deletes.
    keep = "leave out --prune" if options.prune else "pass --cleanup=none"
    return RefusedError(
        f"Nothing was {what}, because the deployment {config.deployment} is protected (`protect: true`).",
        f"To delete what belongs to it, pass --confirm {config.deployment}; to keep it, {keep}.",
    )
