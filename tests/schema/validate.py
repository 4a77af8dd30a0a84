# SPDX-License-Identifier: MIT
"""As much of JSON Schema as the schemas beside this file use: type, const, enum, required, properties,
additionalProperties, items, minimum, maximum, $ref to the schema's own definitions. Any other keyword is an error."""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int, "null": type(None)}
KNOWN = {"$schema", "$ref", "title", "type", "const", "enum", "required", "properties", "additionalProperties", "items", "minimum",
         "maximum", "definitions"}


def load(name):
    with open(os.path.join(HERE, name + ".schema.json"), encoding="utf-8") as f:
        return json.load(f)


def is_type(value, name):
    if isinstance(value, bool) and name != "boolean":
        return False
    if name == "integer" and isinstance(value, float):  # 9.2e18 is one, however it is spelled (draft 6, 6.1.1)
        return value.is_integer()
    return isinstance(value, TYPES[name])


def problems(value, schema, root=None, at="$"):
    """What is wrong with value, as sentences; [] when nothing is."""
    root = root or schema
    unknown = set(schema) - KNOWN
    if unknown:
        raise ValueError(f"keywords that this validator does not know: {unknown}")
    if "$ref" in schema:
        return problems(value, root["definitions"][schema["$ref"].rpartition("/")[2]], root, at)
    if "const" in schema and value != schema["const"]:
        return [f"{at} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at} is {value!r}, not one of {schema['enum']}"]
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, t) for t in types):
        return [f"{at} is {value!r}, not {' or '.join(types)}"]
    if "minimum" in schema and is_type(value, "number") and value < schema["minimum"]:
        return [f"{at} is {value}, below {schema['minimum']}"]
    if "maximum" in schema and is_type(value, "number") and value > schema["maximum"]:
        return [f"{at} is {value}, above {schema['maximum']}"]
    if isinstance(value, dict):
        return object_problems(value, schema, root, at)
    if isinstance(value, list) and "items" in schema:
        return [p for i, v in enumerate(value) for p in problems(v, schema["items"], root, f"{at}[{i}]")]
    return []


def object_problems(value, schema, root, at):
    found = [f"{at} lacks {key}" for key in schema.get("required", []) if key not in value]
    known, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, v in value.items():
        if key in known:
            found += problems(v, known[key], root, f"{at}.{key}")
        elif extra is False:
            found.append(f"{at} has {key}, which the schema does not know")
        elif isinstance(extra, dict):
            found += problems(v, extra, root, f"{at}.{key}")
    return found
