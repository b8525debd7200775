"""Drawings as SVG and in characters."""
