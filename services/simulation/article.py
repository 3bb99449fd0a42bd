"""The article's four providers, in fiction and scaled down: who held what of 185,000 reports, and who refused.

One provider held 94 % of all, two some 4,500 each, and of what could be judged 84 % was gone within the norm. One of
the two blocked the hotline's mail; its web form took five addresses an hour, and the police passed notices on.
"""

from services.simulation.scenarios import ProviderScript, Scenario, Story

REPORTS = 185_000
"""What the article counts; one case of the scenario stands for so many of them as follow from its size."""
FORM_PER_HOUR = 5
CASES = 500
NAME = "article"

PROVIDERS = (
    ProviderScript(
        id="giant",
        name="Reuzenhost",
        country="NL",
        prefixes=("127.16.0.0/16",),
        share=0.946,
        networks=16,
        addresses_per_network=2,
        hosts=54,
        mix={
            Story.PROMPT: 0.754,
            Story.SOFT_REDIRECT: 0.025,
            Story.DOMAIN: 0.020,
            Story.RETURNED: 0.010,
            Story.FLAPPING: 0.010,
            Story.CLOSE: 0.006,
            Story.LATE: 0.087,
            Story.NEVER: 0.050,
            Story.RETURNED_LATE: 0.004,
            Story.GONE_BEFORE: 0.030,
            Story.MOVED: 0.004,
        },
        resellers=(("beeldnest", "127.16.3.0/24"), ("plaatjeshuis", "127.16.5.0/24")),
    ),
    ProviderScript(
        id="deltanet",
        name="Deltanet Servers",
        country="NL",
        prefixes=("127.18.0.0/16",),
        share=0.024,
        networks=2,
        addresses_per_network=2,
        hosts=4,
        mix={Story.PROMPT: 0.84, Story.NEVER: 0.08, Story.LATE: 0.08},
    ),
    ProviderScript(
        id="refuser",
        name="Zwijgzaam Servers",
        country="NL",
        prefixes=("127.17.0.0/16",),
        share=0.024,
        networks=2,
        addresses_per_network=2,
        hosts=4,
        mix={Story.PROMPT: 1.0},
        refuses_mail=True,
        untold=Story.NEVER,
        police_every=4,
    ),
    ProviderScript(
        id="waterkant",
        name="Waterkant Hosting",
        country="NL",
        prefixes=("127.19.0.0/16",),
        share=0.006,
        networks=2,
        addresses_per_network=2,
        hosts=2,
        mix={Story.PROMPT: 0.7, Story.LATE: 0.3},
    ),
)


def article(
    cases: int = CASES, hour_seconds: float = 2.0, without: frozenset[Story] = frozenset()
) -> Scenario:
    """The article's figures, of which one case stands for `REPORTS / cases`; the form is as much narrower."""
    return Scenario(
        name=NAME,
        providers=tuple(script.leaving_out(without) for script in PROVIDERS),
        cases=cases,
        hour_seconds=hour_seconds,
        form_addresses=1,
        form_window_hours=reports_per_case(cases) / FORM_PER_HOUR,
        form_tries=1,
    )


def reports_per_case(cases: int) -> float:
    """Say for how many reports of the article one case stands."""
    return REPORTS / cases
