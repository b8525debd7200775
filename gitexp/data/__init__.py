"""The only door to DVC: cache, snapshot, checkout, pipeline."""
