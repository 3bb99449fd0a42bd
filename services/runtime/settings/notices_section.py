"""The settings of the notice channel."""

from typing import Annotated

from services.runtime.settings.section_base import Section, about


class NoticesSection(Section, frozen=True, kw_only=True):
    """The notice channel."""

    address: Annotated[
        str | None,
        about(
            "Address that notices are sent from; `takedown notices token` puts a token into its return path."
        ),
    ] = None
    capacities: Annotated[
        tuple[str, ...],
        about(
            "Cases per hour that a provider takes by a channel, `provider/channel=number`: stubborn/form=5."
        ),
    ] = ()
    ladder: Annotated[
        tuple[str, ...],
        about(
            "Whom to tell next, and when: after the deadline or, where no notice arrived, a failure; `rung=duration`. "
            "Rungs: provider, site_owner, registrar, police."
        ),
    ] = ("provider=0h", "site_owner=24h", "registrar=72h", "police=168h")
