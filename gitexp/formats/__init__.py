"""Bytes to model and back: formats, their versions and schemas."""
