"""The planned test of each design, and what stands beside it."""
