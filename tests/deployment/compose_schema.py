"""compose.yaml held against the schema of the Compose specification."""

import json
from pathlib import Path

import yaml
from jsonschema.validators import validator_for

from tests.deployment.steps import DEPLOY, REPOSITORY, claim, output, say


def check_schema() -> None:
    """Validate the file, and see that a misspelt key is refused."""
    say("compose: the specification's schema")
    tools = Path(output([REPOSITORY / "scripts" / "chart-tools"], seconds=3600).strip())
    schema = json.loads((tools / "compose-spec.json").read_text("utf-8"))
    validator = validator_for(schema)(schema)
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    faults = [f"{one.json_path}: {one.message[:200]}" for one in validator.iter_errors(content)]
    claim("compose.yaml is a compose file", not faults, faults)
    content["services"]["ledger"]["read_onyl"] = True
    claim("a misspelt key is refused", not validator.is_valid(content))
