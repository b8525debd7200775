"""What is looked at before the first repeat."""
