"""What `takedown doctor` looks at beside the monitor itself."""

from typing import Annotated

from services.runtime.settings.section_base import Seconds, Section, about


class DoctorSection(Section, frozen=True, kw_only=True):
    """What `takedown doctor` looks at beside the monitor: the site's backup and its Prometheus."""

    backup_marker: Annotated[
        str | None,
        about("File that your backup touches when it has succeeded; its age is the backup's."),
    ] = None
    backup_max_hours: Annotated[
        Seconds, about("Age of the backup above which `takedown doctor` fails.")
    ] = 26.0
    prometheus_url: Annotated[
        str | None,
        about(
            "Address of your Prometheus, to check that it scrapes every role: `http://host:9090`."
        ),
    ] = None
