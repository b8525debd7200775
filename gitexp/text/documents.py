"""JSON and YAML as gitexp reads and writes them.

The parts are in `jsontext`, `yamltext` and `yamlwrite`; a module that needs JSON alone imports
`jsontext`, since loading PyYAML costs 15 ms.
"""

from __future__ import annotations

from gitexp.text.jsontext import Json, json_dumps, json_dumps_compact, json_loads
from gitexp.text.yamltext import yaml_loads
from gitexp.text.yamlwrite import yaml_dumps

__all__ = ["Json", "json_dumps", "json_dumps_compact", "json_loads", "yaml_dumps", "yaml_loads"]
