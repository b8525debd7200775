"""Texts and files of foreign formats, read with care: YAML, JSON, CSV, patterns."""
