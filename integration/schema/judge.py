"""Judges YAML files by a JSON Schema, as editors do: judge.py SCHEMA FILE... prints each mistake as FILE: path: message."""

import json
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """Times are texts, as in JSON."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in all if not tag.endswith(":timestamp")]
    for first, all in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
judges = [jsonschema.Draft7Validator(schema), jsonschema.Draft202012Validator(schema)]
for judge in judges:
    judge.check_schema(judge.META_SCHEMA)
    judge.check_schema({**schema, "$schema": judge.META_SCHEMA["$schema"]})
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        document = json.load(file) if name.endswith(".json") else yaml.load(file, Loader)
    for judge in judges:
        for error in judge.iter_errors(document):
            print(f"{name}: {error.json_path}: {error.message[:200]}")
