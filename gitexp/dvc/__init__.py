"""The only door to DVC: its files, cache, pipeline, and the digest of inputs."""
