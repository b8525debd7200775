"""First on PYTHONPATH of a job's commands: nothing but `sitecustomize` may lie in this folder."""
