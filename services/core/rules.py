"""The rules that a look may use on its way to a verdict, each by name; `takedown probe` prints those that were used.

docs/verdicts.md is generated from this table, with the reason codes.
"""

RULES: dict[str, str] = {
    "head_says_little": (
        "HEAD gave no plain answer with a length, or gave a sibling one too: the header-only GET decides."
    ),
    "head_known_to_say_little": "HEAD said little here within the last day: GET is asked at once.",
    "head_pushed_back": "HEAD was answered by a push-back that names a time: GET is not asked (G9).",
    "agent_matters": "The agent that names us and the neutral one get different answers: the neutral one's counts.",
    "agent_agrees": "The neutral agent is told that it is gone as well.",
    "siblings_asked_again": (
        "What differs from what was served before rests on siblings that were asked just now."
    ),
    "redirect_names_object": "The target of the redirect still names the object: it is judged in its place.",
    "redirect_followed": "The redirect stays within the domain: its target is judged, and not its spelling.",
    "redirect_of_its_kind": (
        "The target of the redirect is a file of the type that the URL's extension promises, no sibling and no other "
        "case is sent there, and it has 32 kB or more, or 2 kB where siblings are sent to places of their own."
    ),
    "deadline_asks_get": "Around the deadline a sighting may be a breach: GET has to serve it too.",
    "store_forbids_missing": (
        "403 is how this host answers what it does not have: siblings had it while something was served, and the "
        "front page or another URL does not have it."
    ),
    "other_provider_asked": "The name's addresses belong to several providers: one of each is asked.",
}
"""Names of rules and what each says, in one sentence."""
