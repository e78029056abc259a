#!/usr/bin/env python3
"""Renders templates with Jinja2, set up as transformers sets it up for chat templates.

Needs jinja2 from PyPI (the committed files were made with 3.1.6):
    python3 -m venv /tmp/jinja && /tmp/jinja/bin/pip install jinja2==3.1.6

    chat_templates.py --constructs FILE.expected.json
        renders each {template, variables} of a list, and writes the results into it
    chat_templates.py --templates FOLDER --contexts contexts.json -o FILE.expected.json
        renders every FOLDER/*.jinja with every context; NAME.contexts.json beside NAME.jinja
        holds further contexts for that template

The result tells for each the output, or that Jinja2 raised an error, with its message if the
template raised it. `--check` only compares with what the file holds.
"""

import argparse
import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox
from jinja2 import nodes

# What strftime_now takes for the time of day; tests use the same.
NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)


class Generation(jinja2.ext.Extension):
    """{% generation %}...{% endgeneration %}: a call block that shows its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_show"), [], [], body).set_lineno(line)

    def _show(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(env, template, variables):
    try:
        return {"output": env.from_string(template).render(**variables)}
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return {"raised": str(error)}
        return {"error": f"{type(error).__name__}: {error}"}
    except Exception as error:  # what the template did to Python's values
        return {"error": f"{type(error).__name__}: {error}"}


def render_constructs(path):
    env = environment()
    results = []
    for case in json.loads(path.read_text()):
        template, variables = case["template"], case.get("variables", {})
        results.append({"template": template, "variables": variables,
                        **render(env, template, variables)})
    return results


def render_templates(folder, contexts_path):
    env = environment()
    common = json.loads(contexts_path.read_text())
    results = []
    for path in sorted(folder.glob("*.jinja")):
        template = path.read_text()
        own = path.with_suffix(".contexts.json")
        contexts = dict(common, **(json.loads(own.read_text()) if own.exists() else {}))
        for name, variables in contexts.items():
            results.append({"template": path.name, "context": name,
                            **render(env, template, variables)})
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constructs", type=pathlib.Path)
    parser.add_argument("--templates", type=pathlib.Path)
    parser.add_argument("--contexts", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if args.constructs:
        args.output = args.constructs
        results = render_constructs(args.constructs)
    else:
        results = render_templates(args.templates, args.contexts)
    if args.check:
        same = json.loads(args.output.read_text()) == results
        print("equal" if same else "different:", len(results), "renderings")
        sys.exit(0 if same else 1)
    lines = ",\n".join(json.dumps(result, ensure_ascii=False) for result in results)
    args.output.write_text(f"[\n{lines}\n]\n")
    print(len(results), "renderings,", sum("output" in r for r in results), "without error")


if __name__ == "__main__":
    main()
