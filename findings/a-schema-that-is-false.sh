#!/usr/bin/env bash
# About: openapi-pydantic, which reads and writes OpenAPI 3.1 documents.
# Guess: it reads every schema of JSON Schema 2020-12, which is 3.1's: `false` and `true` are schemas, too.
# Behaviour: only additionalProperties may be a boolean. `unevaluatedProperties: false` (how 3.1 closes what allOf put together),
#   `items: false` behind prefixItems (a tuple's end) and a property that is `true` are refused as invalid. And writing with
#   exclude_none, as its README says, loses `const: null` and `default: null`: a value that must be null may be anything.
# Version: openapi-pydantic 0.6.0, pydantic 2.14.3. Source: JSON Schema 2020-12, 4.3.2 (boolean schemas); observed.
source "$(dirname "$0")/sandbox.sh"
packages openapi-pydantic==0.6.0 pydantic==2.14.3
in_python <<'PYTHON'
import json, sys
from openapi_pydantic import OpenAPI
from pydantic import ValidationError

def read_and_written(schema):
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "components": {"schemas": {"S": schema}}}
    try:
        text = OpenAPI.model_validate(document).model_dump_json(by_alias=True, exclude_none=True)
    except ValidationError:
        return "refused"
    return json.loads(text)["components"]["schemas"]["S"]

SCHEMAS = [
    {"additionalProperties": False},
    {"allOf": [{"type": "object"}], "unevaluatedProperties": False},
    {"prefixItems": [{"type": "integer"}], "items": False},
    {"properties": {"any": True}},
    {"const": None},
    {"type": ["string", "null"], "default": None},
]
seen = [read_and_written(schema) for schema in SCHEMAS]
for schema, result in zip(SCHEMAS, seen):
    print(json.dumps(schema), "->", result)
sys.exit(seen != [SCHEMAS[0], "refused", "refused", "refused", {}, {"type": ["string", "null"]}])
PYTHON
