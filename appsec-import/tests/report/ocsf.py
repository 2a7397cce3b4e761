"""Validates OCSF events, one a line on standard input, with the schema that they name.

Needs ocsf-json-schema and jsonschema.
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

CLASSES = {2002: "vulnerability_finding", 2007: "application_security_posture_finding"}

validators = {}
count = 0
for line in sys.stdin:
    event = json.loads(line)
    key = (event["metadata"]["version"], event["class_uid"])
    if key not in validators:
        schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(key[0]))
        validators[key] = Draft202012Validator(schema.get_class_schema(CLASSES[key[1]], profiles=[]))
    errors = sorted(validators[key].iter_errors(event), key=lambda error: list(map(str, error.path)))
    if errors:
        print("\n".join(f"{list(error.path)}: {error.message[:300]}" for error in errors[:5]))
        sys.exit(1)
    count += 1
print(f"{count} events are valid")
